import { attention as words } from '$lib/messages/attention';
import type { Session } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';

const UNDO_MS = 5000;

/** Mute a session or be told of it again, from where that is not shown: with one tap to take it back. */
export async function toggleMute(app: App, session: Session): Promise<void> {
  const which = { what: 'session', id: session.id } as const;
  const muted = !app.muted.is(which);
  const set = (on: boolean) => app.attempt(() => app.muted.set(which, on));
  if (!(await set(muted))) return;
  const text = muted ? words.mute.done(session.handle) : words.mute.undone(session.handle);
  app.toasts.show({ text, action: words.mute.undo, act: () => void set(!muted) }, UNDO_MS);
}
