import { preloadCode } from '$app/navigation';
import { resolve } from '$app/paths';
import { notice, rareForms } from '$lib/features/inbox/forms';
import { insistOnAll } from '$lib/shared/once';

export { follow } from '$lib/features/attention/follow.svelte';

/**
 * What is not needed for the first screen, but may be needed where there is no connection, which is all that there is of
 * the page where no worker keeps it: fetched when all is quiet.
 */
export function fetchAhead(): Promise<void> {
  // One after the other, so that nothing the person asks for has to wait behind them.
  return insistOnAll([
    ...Object.values(rareForms).filter((form) => form !== undefined),
    notice,
    () => import('./keys'),
    () => import('$lib/features/conversation/Completion.svelte'),
    () => import('$lib/features/conversation/attach'),
    () => import('$lib/features/conversation/DraftFiles.svelte'),
    () => import('$lib/features/conversation/AttachedFiles.svelte'),
    () => import('$lib/features/conversation/ToLatest.svelte'),
    () => import('$lib/features/conversation/FindBar.svelte'),
    () => import('$lib/features/conversation/QueueList.svelte'),
    () => import('$lib/features/conversation/SessionInline.svelte'),
    () => import('$lib/features/conversation/WholeText.svelte'),
    () => import('$lib/features/conversation/NoteRow.svelte'),
    () => import('$lib/features/conversation/TodoRow.svelte'),
    () => import('$lib/features/sessions/SessionMenu.svelte'),
    () => import('$lib/features/sessions/menu'),
    () => import('$lib/features/palette/Palette.svelte'),
    () => import('$lib/live/files'),
    () => preloadCode(resolve('/sessions')),
    () => preloadCode(resolve('/s/[id]', { id: '0' })),
    () => import('./KeyHelp.svelte'),
    () => import('$lib/features/sessions/StartDialog.svelte'),
    () => import('$lib/features/inbox/SnoozeDialog.svelte'),
    () => import('$lib/features/inbox/AlwaysForm.svelte'),
    () => import('$lib/features/sessions/HeldBar.svelte'),
    () => import('$lib/features/inbox/SeveralBar.svelte'),
    () => import('$lib/features/conversation/TurnOver.svelte'),
    () => import('$lib/features/conversation/LiveOutput.svelte'),
    () => preloadCode(resolve('/settings')),
    () => preloadCode(resolve('/projects')),
    () => preloadCode(resolve('/cost')),
  ]);
}
