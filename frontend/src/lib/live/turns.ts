/** Ended turns over the API, apart from the rest: fetched only where one is looked at. */
import type { components } from '@mainloop/api-client';
import type { Api } from './api';
import { fetchAsIs } from './files';
import type { Session } from './types';

type Schemas = components['schemas'];

const pathOf = (sessionId: string) => `/api/sessions/${encodeURIComponent(sessionId)}/turns`;

/** The turns of a session that have ended, newest first. */
export async function fetchTurns(api: Api, sessionId: string): Promise<Schemas['KeptTurn'][]> {
  const answer = await fetchAsIs(api, pathOf(sessionId));
  return ((await answer.json()) as Schemas['TurnList']).turns;
}

/** A new session that goes on from the end of a turn. The same `made` again is the same one. */
export async function branchOff(
  api: Api,
  sessionId: string,
  turn: number,
  made: string,
): Promise<Session> {
  const answer = await fetchAsIs(api, `${pathOf(sessionId)}/${turn}/branch`, { id: made });
  return (await answer.json()) as Session;
}

/** Other open sessions of its project that change the same files. */
export async function fetchOverlaps(api: Api, sessionId: string): Promise<Schemas['Overlap'][]> {
  const answer = await fetchAsIs(api, `/api/sessions/${encodeURIComponent(sessionId)}/overlaps`);
  return ((await answer.json()) as Schemas['OverlapList']).overlaps;
}
