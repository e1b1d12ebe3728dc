import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { expect, test } from 'vitest';
import { Cache } from './cache';
import { emptyWorld, inOrder, logOf, takeKept, takeState, takeWindow, type World } from './reducer';
import type { Event, State } from './types';

const said = (seq: number) =>
  ({
    cursor: `${seq}`,
    thread_id: 'main',
    seq,
    kind: 'message',
    at: '2026-11-28T10:00:00Z',
    body: { id: `m${seq}`, role: 'assistant', text: `${seq}`, status: 'finished', turn: 1 },
  }) as unknown as Event;

function world(count: number): World {
  const world = emptyWorld();
  const state = { cursor: `${count}`, marks: [], sessions: [], items: [], projects: [] };
  const main = { id: 'main', turn: 1, working: false, seq: count, status: {} };
  takeState(world, { ...state, main, queued: [], open_messages: [] } as unknown as State);
  const events = Array.from({ length: count }, (_, at) => said(at + 1));
  takeWindow(world, 'main', { events, newest: count });
  return world;
}

// spec: length-9
test('what was read comes back as it was: the state, and the end of each thread', async () => {
  const factory = new IDBFactory();
  const cache = await Cache.open(factory);
  const before = world(1000);
  cache.keep(before, ['main', 'unknown']);
  const kept = await (await Cache.open(factory)).read();
  expect(kept?.state).toMatchObject({ cursor: '1000', main: { seq: 1000 } });
  expect(kept?.logs.map(({ thread }) => thread)).toEqual(['main']);

  const after = emptyWorld();
  takeState(after, kept?.state as State);
  for (const log of kept?.logs ?? []) takeKept(after, log.thread, log);
  const log = logOf(after, 'main');
  expect([log.first, log.last, log.atEnd]).toEqual([701, 1000, true]);
  expect(inOrder(log)).toEqual(inOrder(logOf(before, 'main')).slice(-300));
  await cache.clear();
  expect(await cache.read()).toBeNull();
});

test('a window in the past is no end, so it is not kept', async () => {
  const cache = await Cache.open(new IDBFactory());
  const past = world(10);
  takeWindow(past, 'main', { events: [said(1), said(2)], newest: 10 });
  cache.keep(past, ['main']);
  expect((await cache.read())?.logs).toEqual([]);
});

test('without a database nothing is kept, and nothing breaks', async () => {
  const cache = await Cache.open(null);
  cache.keep(world(3), ['main']);
  expect(await cache.read()).toBeNull();
  await cache.clear();
});
