/** The order of sessions over the API, apart from the rest: fetched only where one waits. */
import type { App } from '$lib/shared/app.svelte';
import { fetchAsIs } from './files';
import type { Session } from './types';

/** After whom a session begins, by their ids; after nobody: it begins now. */
export async function setOrder(app: App, sessionId: string, after: string[]): Promise<void> {
  const { api, live } = app.connection;
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/after`;
  const answer = await live.call(() => fetchAsIs(api, path, { after }, 'PUT'));
  live.takeSession((await answer.json()) as Session);
}
