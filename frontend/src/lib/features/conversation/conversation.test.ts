import { beforeEach, expect, test } from 'vitest';
import { emptyWorld, takeQueued, type Changes } from '$lib/live/reducer';
import type { MessageBody } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';
import { Drafts } from '$lib/shared/drafts';
import type { Sessions } from '$lib/features/sessions/sessions.svelte';
import { Conversation } from './conversation.svelte';

beforeEach(() => localStorage.clear());

/** A conversation of which nothing is on the page, with messages in line; `begin` has the turn of one come. */
function waiting(...ids: string[]) {
  const world = emptyWorld();
  const message = (id: string, status: MessageBody['status']) =>
    ({ id, text: `As ${id} was`, status }) as MessageBody;
  for (const id of ids) takeQueued(world, 'one', message(id, 'queued'));
  let tell: (changes: Changes) => void = () => undefined;
  const connection = {
    live: { world, trim: () => undefined },
    outbox: [],
    onchange: (listener: typeof tell) => (tell = listener),
  } as unknown as Connection;
  const sessions = { get: () => ({ state: 'working' }) } as unknown as Sessions;
  const conversation = new Conversation('one', connection, sessions, new Drafts(localStorage));
  const begin = (id: string) => tell(takeQueued(world, 'one', message(id, 'delivered')));
  return { conversation, begin };
}

// spec: length-9
test('that a thread was not read here is said where there is no line, not where one has come meanwhile', async () => {
  const world = emptyWorld();
  const connection = {
    live: { world, trim: () => undefined, openKept: () => Promise.resolve() },
    link: { state: 'down' },
    state: {},
    outbox: [],
    onchange: () => undefined,
  };
  const drafts = new Drafts(localStorage);
  const sessions = {} as Sessions;
  const make = () => new Conversation('one', connection as unknown as Connection, sessions, drafts);
  const without = make();
  await without.open();
  expect(without.failure).toMatch('comes with the connection');
  connection.live.openKept = () => Promise.resolve(void (connection.link = { state: 'open' }));
  const within = make();
  await within.open();
  expect(within.failure).toBe('');
});

// spec: writing-18
test('what was made of a message in line outlives its turn, whatever one looks at then', () => {
  const { conversation, begin } = waiting('first', 'second', 'third');
  conversation.draft = 'Begun before.';
  conversation.keepEdit('first', 'As first is now');
  conversation.keepEdit('second', 'As second was');
  begin('first');
  expect(conversation.draft).toBe('Begun before.\nAs first is now');
  begin('second');
  begin('third');
  expect(conversation.draft).toBe('Begun before.\nAs first is now');
  expect(conversation.editOf('first') + conversation.editOf('second')).toBe('');
});
