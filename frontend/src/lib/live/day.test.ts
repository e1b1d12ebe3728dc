// @vitest-environment node
/** A recorded day of a busy main thread and its sixty sessions, played to the page in every way it may come. */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import {
  emptyWorld,
  inOrder,
  isLater,
  logOf,
  MAIN,
  takeEvent,
  takePage,
  takeState,
  takeWindow,
  type World,
} from './reducer';
import type { Event, Session, State } from './types';

interface Day {
  marks: { cursor: string; state: State }[];
  events: Event[];
}

const file = new URL('../../../../bench/recorded/day.json.gz', import.meta.url);
const day = JSON.parse(gunzipSync(readFileSync(file)).toString()) as Day;
const [morning, evening] = [day.marks[0] as Day['marks'][0], day.marks.at(-1) as Day['marks'][0]];
const THREADS = [...new Set(day.events.map(({ thread_id }) => thread_id))];
const thread = (id: string) => day.events.filter(({ thread_id }) => thread_id === id);

/** What the page shows of the world, as one can compare it. */
function shown(world: World) {
  const logs = THREADS.map((id) => {
    const entries = inOrder(logOf(world, id));
    return [id, entries.map(({ key, place, event }) => [key, place, event.seq])];
  });
  return {
    cursor: world.cursor,
    main: world.main,
    logs,
    sessions: sorted(world.sessions),
    items: sorted(world.items),
    marks: sorted(world.marks),
    queued: [...world.queued].filter(([, queue]) => queue.size > 0),
  };
}

const sorted = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** A browser that was there from the morning on. */
function begun(): World {
  const world = emptyWorld();
  takeState(world, structuredClone(morning.state));
  for (const id of THREADS) takeWindow(world, id, { events: [], newest: 0 });
  return world;
}

const played = begun();
for (const event of day.events) takeEvent(played, event);
const whole = shown(played);

test('played from its first event to its last it is what the server says in the evening', () => {
  const { state } = evening;
  // What is announced beside the log is no part of it, nor that a row was touched where nothing is told of it.
  const plain = ({ status: _, updated_at: __, ...session }: Session) => session;
  for (const session of state.sessions) {
    const told: Partial<typeof session> = { ...session };
    delete told.ahead;
    expect(plain(played.sessions.get(session.id) as Session)).toMatchObject(plain(told as Session));
  }
  expect([...played.items.keys()].sort()).toEqual(state.items.map(({ id }) => id).sort());
  expect(played.main).toMatchObject({ turn: state.main.turn, working: false, seq: state.main.seq });
  const told = (marks: Iterable<{ thread_id: string; told: number }>) =>
    [...marks].map(({ thread_id, told }) => `${thread_id} ${told}`).sort();
  expect(told(played.marks.values())).toEqual(expect.arrayContaining(told(state.marks)));
  expect(state.sessions.length).toBe(60);
});

test('every event twice, or from any earlier one again, changes nothing', () => {
  const world = begun();
  day.events.forEach((event, at) => {
    takeEvent(world, event);
    takeEvent(world, event);
    // A stream that was cut begins again before where it was.
    if (at % 211 === 0)
      for (const before of day.events.slice(Math.max(0, at - 60), at)) takeEvent(world, before);
  });
  expect(shown(world)).toEqual(whole);
});

test('cut anywhere, and read on from the state and a page, it is the same', () => {
  const cuts = fc.array(fc.nat(day.events.length - 1), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(cuts, fc.nat(400), (places, size) => {
      const world = begun();
      let from = 0;
      for (const cut of places.sort((a, b) => a - b)) {
        for (const event of day.events.slice(from, cut)) takeEvent(world, event);
        from = Math.max(from, cut);
        // The line was gone for a while: each log is read on from where it ends, perhaps past what the stream brings next.
        const upTo = day.events[Math.min(cut + size, day.events.length - 1)]?.cursor ?? '';
        for (const id of THREADS) {
          const log = logOf(world, id);
          const there = thread(id).filter(({ cursor }) => !isLater(cursor, upTo));
          const events = there.filter(({ seq }) => seq > log.last);
          const newest = there.at(-1)?.seq ?? 0;
          if (events.length > 0) takePage(world, id, { events, newest }, 'newer');
        }
      }
      for (const event of day.events.slice(from)) takeEvent(world, event);
      expect(shown(world)).toEqual(whole);
    }),
    { numRuns: 12 },
  );
});

test('a browser that comes in the evening sees the same end of the main thread', () => {
  const world = emptyWorld();
  takeState(world, structuredClone(evening.state));
  const events = thread(MAIN);
  takeWindow(world, MAIN, { events: events.slice(-100), newest: events.length });
  const late = inOrder(logOf(world, MAIN)).map(({ key }) => key);
  const early = inOrder(logOf(played, MAIN)).map(({ key }) => key);
  // What began before the page stands at its head.
  expect(early).toEqual(expect.arrayContaining(late));
  expect(late.slice(-40)).toEqual(early.slice(-40));
});
