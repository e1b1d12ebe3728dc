import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  emptyWorld,
  hasOlder,
  inOrder,
  isLater,
  logOf,
  takeDelta,
  takeEvent,
  takeItem,
  takeMark,
  takeOpenMessages,
  takePage,
  takeQueued,
  takeSession,
  takeState,
  takeStatus,
  takeWindow,
  trimLog,
  type World,
} from './reducer';
import type { Event, Item, MessageBody, Session, State } from './types';

let cursor = 0;

function event(kind: string, body: object, seq: number, thread = 'main'): Event {
  cursor += 1;
  return {
    cursor: String(cursor),
    thread_id: thread,
    seq,
    kind,
    at: `2026-11-24T10:00:${String(seq % 60).padStart(2, '0')}Z`,
    body,
  } as unknown as Event;
}

function said(id: string, text: string, more: Partial<MessageBody> = {}): MessageBody {
  return {
    attachments: [],
    id,
    role: 'user',
    text,
    status: 'finished',
    mode: 'queue',
    turn: 1,
    demo: false,
    ...more,
  };
}

function state(more: Partial<State> = {}): State {
  return {
    cursor: '0',
    marks: [],
    version: '0',
    person: { name: 'sam' },
    device: { id: 'd', name: 'd' },
    main: { id: 'main', turn: 0, working: false, seq: 0, status: {} },
    sessions: [],
    items: [],
    projects: [],
    queued: [],
    open_messages: [],
    settings: {} as State['settings'],
    ...more,
  };
}

function started(more: Partial<State> = {}): World {
  cursor = 0;
  const world = emptyWorld();
  takeState(world, state(more));
  logOf(world, 'main');
  takeWindow(world, 'main', { events: [], newest: 0 });
  return world;
}

const session = (more: Partial<Session>) => ({ id: 's', title: 'Paint', ...more }) as Session;

const texts = (world: World, thread = 'main') =>
  inOrder(logOf(world, thread)).map(({ event: { body } }) => (body as MessageBody).text);

describe('cursors', () => {
  test('are compared by length, then by their characters', () => {
    expect(isLater('10', '9')).toBe(true);
    expect(isLater('9', '10')).toBe(false);
    expect(isLater('12', '12')).toBe(false);
  });
});

describe('what is unread', () => {
  // spec: unread-1, unread-3
  test('is what tells something behind the mark of the server, whichever comes first', () => {
    const world = started({ marks: [{ thread_id: 's', read: 2, told: 2, replies: 0 }] });
    const mark = () => world.marks.get('s');
    takeEvent(world, event('message', said('q', 'mine'), 3, 's'));
    expect(mark()).toMatchObject({ read: 2, told: 2 });
    takeEvent(world, event('message', said('r', 'reply', { role: 'assistant' }), 4, 's'));
    expect(mark()).toMatchObject({ read: 2, told: 4 });
    // Announced before the next event was: what came since stays unread.
    takeMark(world, { thread_id: 's', read: 3, told: 3, replies: 0 });
    expect(mark()).toMatchObject({ read: 3, told: 4 });
    takeMark(world, { thread_id: 's', read: 4, told: 4, replies: 0 });
    takeEvent(world, event('session', session({ state: 'idle', status: {} }), 5, 's'));
    expect(mark()).toMatchObject({ read: 4, told: 4 });
    // Made unread on another device.
    takeMark(world, { thread_id: 's', read: 1, told: 4, replies: 0 });
    expect(mark()).toMatchObject({ read: 1, told: 4 });
  });
});

describe('a log', () => {
  test('takes an event once, however often it comes', () => {
    const world = started();
    const first = event('message', said('a', 'one'), 1);
    takeEvent(world, first);
    takeEvent(world, first);
    expect(texts(world)).toEqual(['one']);
  });

  test('shows the newest body of a message at the place where it was delivered', () => {
    const world = started();
    takeEvent(world, event('message', said('q', 'question', { status: 'queued' }), 1));
    takeEvent(world, event('message', said('q', 'question, edited', { status: 'delivered' }), 2));
    takeEvent(world, event('message', said('r', 'reply', { role: 'assistant' }), 3));
    takeEvent(world, event('message', said('q', 'question, edited', { status: 'finished' }), 4));
    expect(texts(world)).toEqual(['question, edited', 'reply']);
  });

  test('keeps a queued message out, and a withdrawn one too', () => {
    const world = started();
    takeEvent(world, event('message', said('q', 'later', { status: 'queued' }), 1));
    expect(texts(world)).toEqual([]);
    expect([...(world.queued.get('main')?.keys() ?? [])]).toEqual(['q']);
    takeEvent(world, event('message', said('q', 'later', { status: 'withdrawn' }), 2));
    expect(texts(world)).toEqual([]);
    expect(world.queued.get('main')?.size).toBe(0);
  });

  test('is the same whether its pages come newest first or in order', () => {
    const events = [
      event('message', said('q', 'question', { status: 'delivered' }), 1),
      event('message', said('r', 'reply', { role: 'assistant' }), 2),
      event('message', said('q', 'question', { status: 'finished' }), 3),
    ];
    const world = emptyWorld();
    takeState(world, state({ cursor: '9' }));
    takeWindow(world, 'main', { events: events.slice(1), newest: 3 });
    expect(texts(world)).toEqual(['reply', 'question']);
    takePage(world, 'main', { events: events.slice(0, 1), newest: 3 }, 'older');
    expect(texts(world)).toEqual(['question', 'reply']);
    expect(logOf(world, 'main').first).toBe(1);
    expect(hasOlder(logOf(world, 'main'))).toBe(false);
  });

  test('keeps what streams in while its first page is on the way', () => {
    const world = emptyWorld();
    takeState(world, state());
    logOf(world, 'main');
    const page = event('message', said('a', 'one'), 1);
    takeEvent(world, event('message', said('b', 'two'), 2));
    takeWindow(world, 'main', { events: [page], newest: 1 });
    expect(texts(world)).toEqual(['one', 'two']);
  });

  test('notices a hole and closes it with the missing page', () => {
    const world = started();
    takeEvent(world, event('message', said('a', 'one'), 1));
    const missed = event('message', said('b', 'two'), 2);
    takeEvent(world, event('message', said('c', 'three'), 3));
    expect(logOf(world, 'main').gap).toBe(true);
    expect(texts(world)).toEqual(['one']);
    takePage(world, 'main', { events: [missed], newest: 3 }, 'newer');
    expect(logOf(world, 'main').gap).toBe(false);
    expect(texts(world)).toEqual(['one', 'two', 'three']);
  });

  test('ignores threads that nobody looks at', () => {
    const world = started();
    takeEvent(world, event('message', said('a', 'one'), 1, 's1'));
    expect(world.logs.has('s1')).toBe(false);
  });
});

describe('a window onto a long log', () => {
  const LENGTH = 9000;
  /** The thread as the server has it: every third message is said again, changed, some events later. */
  function thread(length: number): Event[] {
    cursor = 0;
    return Array.from({ length }, (_, at) => {
      const seq = at + 1;
      const again = seq % 3 === 0;
      const id = again ? `m${seq - 2}` : `m${seq}`;
      return event('message', said(id, again ? 'again' : `${seq}`, { role: 'assistant' }), seq);
    });
  }
  const part = (events: Event[], first: number, last: number, newest = events.length) => ({
    events: events.slice(first - 1, last),
    newest,
  });

  type Act = ['come'] | ['older'] | ['newer'] | ['jump', number] | ['end'] | ['trim', number];
  const acts: fc.Arbitrary<Act> = fc.oneof(
    fc.constant<Act>(['come']),
    fc.constant<Act>(['older']),
    fc.constant<Act>(['newer']),
    fc.constant<Act>(['end']),
    fc.nat(LENGTH).map((at): Act => ['jump', at + 1]),
    fc.nat(LENGTH).map((at): Act => ['trim', at + 1]),
  );
  const PAGE = 700;
  const everything = thread(LENGTH);

  // spec: length-1, length-4
  test('holds exactly what the thread has there, whatever is loaded, dropped and said', () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 40 }), (todo) => {
        const world = emptyWorld();
        let there = LENGTH - 100;
        takeState(world, state({ cursor: String(there) }));
        takeWindow(world, 'main', part(everything, there - 50, there, there));
        for (const [act, at] of todo) {
          const log = logOf(world, 'main');
          if (act === 'come' && there < LENGTH) takeEvent(world, everything[there++] as Event);
          if (act === 'older' && log.first > 1) {
            const from = Math.max(1, log.first - PAGE);
            takePage(world, 'main', part(everything, from, log.first - 1, there), 'older');
          }
          if (act === 'newer') {
            const upTo = Math.min(log.last + PAGE, there);
            takePage(world, 'main', part(everything, log.last + 1, upTo, there), 'newer');
          }
          if (act === 'jump') {
            const from = Math.min(at, there);
            const upTo = Math.min(from + PAGE, there);
            takeWindow(world, 'main', part(everything, from, upTo, there));
          }
          if (act === 'end') takeWindow(world, 'main', part(everything, there - 50, there, there));
          if (act === 'trim') trimLog(world, 'main', at);
        }
        const log = logOf(world, 'main');
        expect(log.entries.size).toBeLessThanOrEqual(LENGTH);
        expect(log.gap).toBe(false);
        expect(log.atEnd ? log.last === there : log.last <= there).toBe(true);
        // Read anew in one piece, the same stands there at the same place.
        const anew = emptyWorld();
        takeState(anew, state());
        takeWindow(anew, 'main', part(everything, log.first, log.last, there));
        const held = new Map(inOrder(log).map((entry) => [entry.key, entry]));
        const inside = inOrder(logOf(anew, 'main')).filter(({ key }) => held.has(key));
        for (const entry of inside) expect(held.get(entry.key)?.place).toBe(entry.place);
        const places = inOrder(log).map(({ place }) => place);
        expect(places).toEqual(
          everything
            .slice(log.first - 1, log.last)
            .map(({ seq }) => seq)
            .filter((seq) => places.includes(seq)),
        );
        for (let seq = log.first; seq <= log.last; seq++) {
          if (seq % 3 !== 0) expect(held.has(`message:m${seq}`)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('lets go of what is farthest from the reader', () => {
    const read = (at: number) => {
      const world = emptyWorld();
      takeState(world, state());
      takeWindow(world, 'main', part(everything, 1, LENGTH));
      trimLog(world, 'main', at);
      return logOf(world, 'main');
    };
    const back = read(200);
    expect([back.first, back.atEnd, back.entries.size]).toEqual([1, false, 2500]);
    const end = read(Infinity);
    expect([end.last, end.atEnd, end.entries.size]).toEqual([LENGTH, true, 2500]);
    expect(hasOlder(end)).toBe(true);
  });

  test('leaves out a page that does not lie beside it any more', () => {
    const world = emptyWorld();
    takeState(world, state());
    takeWindow(world, 'main', part(everything, 500, 600));
    takePage(world, 'main', part(everything, 100, 200), 'older');
    takePage(world, 'main', part(everything, 700, 800), 'newer');
    expect([logOf(world, 'main').first, logOf(world, 'main').last]).toEqual([500, 600]);
  });

  test('takes news of what it shows, and nothing else of what comes', () => {
    const world = emptyWorld();
    takeState(world, state({ cursor: '9' }));
    takeWindow(world, 'main', part(everything, 1, 2));
    cursor = 100;
    takeEvent(world, event('message', said('m1', 'changed', { role: 'assistant' }), 9001));
    takeEvent(world, event('message', said('m9002', 'new', { role: 'assistant' }), 9002));
    expect(texts(world)).toEqual(['changed', '2']);
    expect(logOf(world, 'main').newest).toBe(9002);
  });
});

describe('answers that come later than the stream', () => {
  test('do not bring a delivered message back into the queue', () => {
    const world = started();
    takeEvent(world, event('message', said('q', 'question', { status: 'queued' }), 1));
    takeEvent(world, event('message', said('q', 'question', { status: 'delivered' }), 2));
    takeQueued(world, 'main', said('q', 'question', { status: 'queued' }));
    expect(world.queued.get('main')?.size).toBe(0);
  });

  test('show once what a page that was faster than the stream has already', () => {
    const world = emptyWorld();
    const waiting = said('m', 'wait', { status: 'queued' });
    const written = {
      thread_id: 's',
      message_id: 'r',
      turn: 1,
      what: 'text' as const,
      text: 'half',
    };
    takeState(
      world,
      state({ queued: [{ thread_id: 's', message: waiting }], open_messages: [written] }),
    );
    const page = [
      event('message', said('m', 'wait'), 2, 's'),
      event('message', said('r', 'whole', { role: 'assistant' }), 3, 's'),
    ];
    const changes = takeWindow(world, 's', { events: page, newest: 3 });
    expect(world.queued.get('s')?.size).toBe(0);
    expect(world.open.size).toBe(0);
    expect([...changes].sort()).toEqual(['log:s', 'open:s', 'queue:s']);
  });

  test('do not bring a landed message back as one that is being written', () => {
    const world = started();
    takeEvent(world, event('message', said('m', 'Hello', { role: 'assistant' }), 1));
    takeOpenMessages(world, [
      { thread_id: 'main', message_id: 'm', what: 'text', turn: 1, text: 'Hel' },
    ]);
    expect(world.open.size).toBe(0);
  });
});

describe('what is being written', () => {
  const delta = (offset: number, text: string) => ({
    thread_id: 'main',
    message_id: 'm',
    what: 'text' as const,
    turn: 1,
    offset,
    text,
  });

  test('grows by offset; a repeated or overlapping piece adds only what is new', () => {
    const world = started();
    takeDelta(world, delta(0, 'Hello'));
    takeDelta(world, delta(0, 'Hello'));
    takeDelta(world, delta(3, 'lo, wor'));
    takeDelta(world, delta(10, 'ld'));
    expect(world.open.get('m')?.text).toBe('Hello, world');
  });

  test('counts as the server does: an emoji is one', () => {
    const world = started();
    takeDelta(world, delta(0, '🦀🦀'));
    takeDelta(world, delta(2, ' crabs'));
    takeDelta(world, delta(1, '🦀 crabs!'));
    expect(world.open.get('m')?.text).toBe('🦀🦀 crabs!');
  });

  test('says so where a piece is missing', () => {
    const world = started();
    takeDelta(world, delta(0, 'Hel'));
    takeDelta(world, delta(9, 'ld'));
    expect(world.torn).toBe(true);
    expect(world.open.get('m')?.text).toBe('Hel');
  });

  test('goes when the message lands, and does not come back by a late piece', () => {
    const world = started();
    takeDelta(world, delta(0, 'Hello'));
    takeEvent(world, event('message', said('m', 'Hello', { role: 'assistant' }), 1));
    expect(world.open.size).toBe(0);
    takeDelta(world, delta(0, 'Hello'));
    expect(world.open.size).toBe(0);
  });

  test('goes with its turn, where that was cut off', () => {
    const world = started();
    takeDelta(world, delta(0, 'Hel'));
    takeEvent(world, event('turn_ended', { turn: 1, outcome: 'cut_off' }, 1));
    expect(world.open.size).toBe(0);
  });

  test('of a running call is its newest output, until the call ends', () => {
    const world = started();
    const output = (offset: number, text: string) =>
      takeDelta(world, { ...delta(offset, text), message_id: 'call', what: 'output' });
    const shown = () => world.open.get('call')?.text;
    const call = { id: 'call', turn: 1, tool: 'Bash', title: 'make', input: {} };
    takeEvent(world, event('tool_call', { ...call, status: 'running' }, 1));
    output(0, 'one 🦀');
    output(4, '🦀 two');
    expect(shown()).toBe('one 🦀 two');
    // What lies in between was left out: nothing is torn.
    output(900, 'later');
    expect([shown(), world.torn]).toEqual(['later', false]);
    output(905, 'x'.repeat(9000));
    expect(shown()).toBe('x'.repeat(8000));
    takeOpenMessages(world, []);
    expect(shown()).toBe('x'.repeat(8000));
    const changes = takeEvent(world, event('tool_call', { ...call, status: 'ok' }, 2));
    expect([shown(), changes.has('open:main')]).toEqual([undefined, true]);
  });

  test('comes whole with the snapshot', () => {
    const world = started({
      open_messages: [
        { thread_id: 'main', message_id: 'm', what: 'text', turn: 1, text: 'Half a 🦀' },
      ],
    });
    takeDelta(world, delta(8, ' more'));
    expect(world.open.get('m')?.text).toBe('Half a 🦀 more');
  });
});

test('what an agent writes is counted, once, and a mark of another tab takes nothing away', () => {
  const world = started();
  const replies = () => world.marks.get('s')?.replies;
  takeEvent(world, event('message', said('a', 'one', { role: 'assistant' }), 1, 's'));
  const two = event('message', said('b', 'two', { role: 'assistant' }), 2, 's');
  takeEvent(world, two);
  takeEvent(world, two);
  takeEvent(world, event('result', { turn: 1, text: 'two', source: 'text' }, 3, 's'));
  expect(replies()).toBe(2);
  takeMark(world, { thread_id: 's', read: 1, told: 1, replies: 1 });
  expect(replies()).toBe(2);
});

describe('the rest of the world', () => {
  const item = { id: 'i', title: 'Which?', state: 'open' } as Item;

  // spec: length-17
  test('in no title letters are turned around, whichever way it came', () => {
    const title = 'ls \u202ehs.live';
    const world = started({ sessions: [session({ title })], items: [{ ...item, title }] });
    const [upright, plain] = ['ls ‹U+202E›hs.live', 'Paint'];
    const titles = () => [world.sessions.get('s')?.title, world.items.get('i')?.title];
    expect(titles()).toEqual([upright, upright]);
    takeEvent(world, event('session', session({ title: plain, updated_at: '1' }), 1, 's'));
    takeEvent(world, event('item', { ...item, title: plain }, 2, 's'));
    expect(titles()).toEqual([plain, plain]);
    takeSession(world, session({ title, updated_at: '2' }));
    takeItem(world, { ...item, title });
    expect(titles()).toEqual([upright, upright]);
  });

  test('an event older than the snapshot changes no session', () => {
    const world = started({ cursor: '50', sessions: [session({ state: 'idle' })] });
    const old = { ...event('session', session({ state: 'working' }), 1, 's'), cursor: '40' };
    takeEvent(world, old);
    expect(world.sessions.get('s')?.state).toBe('idle');
  });

  test('what an agent does is announced, for the main thread and for sessions, and is no event', () => {
    const world = started({ sessions: [session({ state: 'working' })] });
    const activity = { kind: 'retrying', text: 'busy', since: '', attempt: 4, of: 6 } as const;
    const cursor = world.cursor;
    expect([...takeStatus(world, { thread_id: 's', activity })]).toEqual(['sessions']);
    expect([...takeStatus(world, { thread_id: 'main', activity })]).toEqual(['main']);
    expect(world.sessions.get('s')?.status?.activity?.attempt).toBe(4);
    expect(world.main.status?.activity?.attempt).toBe(4);
    expect(world.cursor).toBe(cursor);
    // An event of the same state is older news of what it does.
    const working = session({ state: 'working', queued: 1, status: {} });
    takeEvent(world, event('session', working, 1, 's'));
    expect(world.sessions.get('s')).toMatchObject({ queued: 1, status: { activity } });
    takeEvent(world, event('session', session({ state: 'idle', status: {} }), 2, 's'));
    expect(world.sessions.get('s')?.status).toEqual({});
  });

  test('an item leaves when it is answered or closes itself', () => {
    const world = started({ items: [item] });
    takeEvent(world, event('item', { id: 'i', state: 'answered' }, 1, 's'));
    expect(world.items.size).toBe(0);
  });

  test('the main thread works from the start of a turn to its end', () => {
    const world = started();
    takeEvent(world, event('turn_started', { turn: 4, message_ids: [] }, 1));
    expect(world.main).toMatchObject({ turn: 4, working: true });
    takeEvent(world, event('turn_ended', { turn: 4, outcome: 'completed' }, 2));
    expect(world.main.working).toBe(false);
  });

  test('says which topics changed', () => {
    const world = started();
    const changes = takeEvent(world, event('message', said('a', 'one'), 1));
    expect([...changes].sort()).toEqual(['log:main', 'queue:main']);
  });

  test('a kind from a newer server does no harm', () => {
    const world = started();
    takeEvent(world, event('hologram', { id: 'x' }, 1));
    expect(logOf(world, 'main').last).toBe(1);
  });
});

test('what ended behind the window stands in it as it is by now, at its place', () => {
  const world = emptyWorld();
  const begun = event('tool_call', { id: 'slow', status: 'running', turn: 1 }, 1);
  const between = event('message', said('m', 'meanwhile'), 2);
  const ended = event('tool_call', { id: 'slow', status: 'ok', output: 'built', turn: 1 }, 40);
  const other = event('tool_call', { id: 'other', status: 'ok', turn: 1 }, 41);
  takeWindow(world, 'main', { events: [begun, between], newest: 50, later: [ended, other] });
  const log = logOf(world, 'main');
  const shown = () => inOrder(log).map(({ key, place, event: { seq } }) => [key, place, seq]);
  expect(shown()).toEqual([
    ['tool_call:slow', 1, 40],
    ['message:m', 2, 2],
  ]);
  expect(log.last).toBe(2);
  const next = event('message', said('n', 'still meanwhile'), 3);
  takePage(world, 'main', { events: [next], newest: 50, later: [] }, 'newer');
  expect(shown()).toContainEqual(['tool_call:slow', 1, 40]);
});
