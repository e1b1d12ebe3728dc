import FileDiff from '@lucide/svelte/icons/file-diff';
import History from '@lucide/svelte/icons/history';
import type { MenuEntry } from '@mainloop/ui';
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import { changeOf } from '$lib/features/changes/change.svelte';
import { branchOff } from '$lib/live/turns';
import type { Session } from '$lib/live/types';
import { turns as words } from '$lib/messages/turns';
import type { App } from '$lib/shared/app.svelte';
import { underOneId } from '$lib/shared/ids';

/** What can be done at the end of a turn. */
export function entriesOf(app: App, session: Session, turn: number): MenuEntry[] {
  return [
    {
      id: 'changed',
      label: words.changed,
      icon: FileDiff,
      act: () => changeOf(app, session.id).ask(`turn:${turn}`),
    },
    {
      id: 'back',
      label: words.back,
      icon: History,
      act: () => void goBack(app, session.id, turn),
    },
  ];
}

/** A new session that is as this one was at the end of a turn; it is opened. */
export async function goBack(app: App, id: string, turn: number): Promise<void> {
  await app.attempt(async () => {
    const { api, live } = app.connection;
    const session = await underOneId(`back ${id} ${turn}`, (made) =>
      live.call(() => branchOff(api, id, turn, made)),
    );
    live.takeSession(session);
    await goto(resolve('/s/[id]', { id: session.id }), { state: { inside: true } });
    app.toasts.show({ text: words.ignored(app.sessions.get(id)?.handle ?? '') }, 10_000);
  });
}
