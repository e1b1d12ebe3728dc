import { notice, rareForms } from '$lib/features/inbox/forms';

export { follow } from '$lib/features/attention/follow.svelte';

/** What is not needed for the first screen, but may be needed where there is no connection: fetched when all is quiet. */
export async function fetchAhead(): Promise<void> {
  // One after the other, so that nothing the person asks for has to wait behind them.
  for (const part of [
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
  ]) {
    await part().catch(() => undefined);
  }
}
