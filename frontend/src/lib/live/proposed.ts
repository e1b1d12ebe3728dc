/** What sessions propose, over the API, apart from the rest: fetched only where one is looked at. */
import { Unreachable, problemOf, type components } from '@mainloop/api-client';
import type { Api } from './api';
import { fetchAsIs } from './files';
import type { ProposedChange } from './types';

type Schemas = components['schemas'];
export type Review = Schemas['GiveReview'];
export type Merge = Pick<Schemas['GiveMerge'], 'commit' | 'base_commit'> &
  Partial<Schemas['GiveMerge']>;

export interface TakenOver {
  branch: string;
  commit: string;
  folder: string;
}

/** A part of what a check has put out. */
export interface LogPart {
  text: string;
  next: number;
  ended: boolean;
}

const pathOf = (session: string) => `/api/sessions/${encodeURIComponent(session)}/change`;

async function ask<T>(
  api: Api,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...api.headers(), 'content-type': 'application/json' },
      credentials: 'same-origin',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw new Unreachable(error);
  }
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

export const propose = (api: Api, session: string) =>
  ask<ProposedChange>(api, 'POST', pathOf(session));

export const review = (api: Api, session: string, word: Review) =>
  ask<ProposedChange>(api, 'POST', `${pathOf(session)}/review`, word);

export const merge = (api: Api, session: string, wish: Merge) =>
  ask<ProposedChange>(api, 'POST', `${pathOf(session)}/merge`, wish);

export const discard = (api: Api, session: string) =>
  ask<ProposedChange>(api, 'POST', `${pathOf(session)}/discard`);

/** Run the project's tests on the newest commit again, or stop them. */
export const check = (api: Api, session: string, runs: boolean) =>
  ask<ProposedChange>(api, runs ? 'POST' : 'DELETE', `${pathOf(session)}/check`);

export const takeOver = (api: Api, session: string, branch: string) =>
  ask<TakenOver>(api, 'POST', `${pathOf(session)}/take-over`, branch ? { branch } : {});

/** What a check has put out from a byte on. */
export async function logOf(
  api: Api,
  session: string,
  check: string,
  after: number,
): Promise<LogPart> {
  const path = `${pathOf(session)}/checks/${encodeURIComponent(check)}/log?after=${after}`;
  return (await (await fetchAsIs(api, path)).json()) as LogPart;
}
