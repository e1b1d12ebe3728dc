/** Changes over the API, apart from the rest: fetched only where one is looked at. */
import type { Api } from './api';
import { fetchAsIs } from './files';
import type { Diff, FileDiff } from './types';

const pathOf = (sessionId: string) => `/api/sessions/${encodeURIComponent(sessionId)}/diff`;

/** What a session has changed; without its files where the version that is known is the newest. */
export async function fetchDiff(
  api: Api,
  sessionId: string,
  of: string,
  known: string,
): Promise<Diff> {
  const query = new URLSearchParams({ of, known });
  const answer = await fetchAsIs(api, `${pathOf(sessionId)}?${query}`);
  return (await answer.json()) as Diff;
}

export async function fetchLines(
  api: Api,
  sessionId: string,
  version: string,
  files: readonly string[],
): Promise<FileDiff[]> {
  const query = new URLSearchParams([['version', version], ...files.map((id) => ['file', id])]);
  const answer = await fetchAsIs(api, `${pathOf(sessionId)}/lines?${query}`);
  return ((await answer.json()) as { files: FileDiff[] }).files;
}

/** A content of a change, by its name. */
export function fetchContent(api: Api, sessionId: string, name: string): Promise<Response> {
  return fetchAsIs(api, `${pathOf(sessionId)}/contents/${name}`);
}
