/**
 * The world as this browser knows it: a snapshot, then events and deltas, merged so that what was seen before
 * changes nothing. No framework and no network in here.
 *
 * `World` is changed in place; each call says which topics changed, so that a view redraws only those.
 */
import { upright } from '@mainloop/ui/unseen';
import type {
  Delta,
  Event,
  Item,
  Keys,
  Mark,
  MessageBody,
  OpenMessage,
  Project,
  Session,
  State,
  StatusNews,
} from './types';

export const MAIN = 'main';

/** What changed: `sessions`, `items`, `projects`, `main`, or one thread's log, open messages or queue. */
export type Topic =
  | 'state'
  | 'sessions'
  | 'items'
  | 'projects'
  | 'main'
  | 'marks'
  | 'keys'
  | 'preferences'
  | `log:${string}`
  | `open:${string}`
  | `queue:${string}`;

export type Changes = Set<Topic>;

export function noChanges(): Changes {
  return new Set<Topic>();
}

/** One object of a log at its place: the newest body of its id, at the place where it began to count. */
export interface Entry {
  key: string;
  /** Where it stands. */
  place: number;
  /** The time it got its place. */
  at: string;
  event: Event;
}

export interface Log {
  entries: Map<string, Entry>;
  /** The seqs that are loaded, as one range without holes; 0, 0 while nothing is. */
  first: number;
  last: number;
  /** The thread's newest seq, as far as it is known here. */
  newest: number;
  /** The range ends where the thread does, and grows with it; else it is a window somewhere in the past. */
  atEnd: boolean;
  loaded: boolean;
  /** An event came that does not follow `last`: fetch from there. */
  gap: boolean;
  early: Event[];
}

/** Earlier events exist that are not loaded. */
export function hasOlder(log: Log): boolean {
  return !log.loaded || log.first > 1;
}

/** A part of a thread as the server hands it out. */
export interface Page {
  events: Event[];
  newest: number;
  /** The newest form of what stands in it in an older one. */
  later?: Event[];
}

/** So many entries of a log are held; when there are more, those farthest from the reader go. */
const MOST = 3000;
const KEPT = 2500;

/** Of what a running call puts out so much is held: its newest. */
const NEWEST = 8000;

export interface Growing extends Omit<OpenMessage, 'what'> {
  /** `output`: what the running call of this id puts out. */
  what: Delta['what'];
  /** Where it ends, in code points, as the server counts. */
  points: number;
}

export interface World {
  state: State | null;
  cursor: string;
  main: State['main'];
  sessions: Map<string, Session>;
  items: Map<string, Item>;
  projects: Map<string, Project>;
  /** How far each thread was read, and up to where there is something to read. */
  marks: Map<string, Mark>;
  logs: Map<string, Log>;
  queued: Map<string, Map<string, MessageBody>>;
  open: Map<string, Growing>;
  /** Messages and thoughts that are past being queued or written: late news of them changes nothing. */
  settled: Set<string>;
  /** A delta left a hole: the open messages must be read again. */
  torn: boolean;
}

export function emptyWorld(): World {
  return {
    state: null,
    cursor: '',
    main: { id: MAIN, turn: 0, working: false, seq: 0, status: {} },
    sessions: new Map(),
    items: new Map(),
    projects: new Map(),
    marks: new Map(),
    logs: new Map(),
    queued: new Map(),
    open: new Map(),
    settled: new Set(),
    torn: false,
  };
}

/** Cursors are opaque but ordered: longer is later, and of equal length the greater one. */
export function isLater(cursor: string, than: string): boolean {
  return cursor.length === than.length ? cursor > than : cursor.length > than.length;
}

function pointsIn(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The second half of a pair is no point of its own.
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}

export function logOf(world: World, threadId: string): Log {
  let log = world.logs.get(threadId);
  if (!log) {
    log = {
      entries: new Map(),
      first: 0,
      last: 0,
      newest: 0,
      atEnd: false,
      loaded: false,
      gap: false,
      early: [],
    };
    world.logs.set(threadId, log);
  }
  return log;
}

export function takeState(world: World, state: State): Changes {
  const changes: Changes = new Set([
    'state',
    'sessions',
    'items',
    'projects',
    'main',
    'marks',
    'keys',
  ]);
  world.state = state;
  world.cursor = state.cursor;
  world.main = state.main;
  world.sessions = new Map(state.sessions.map((session) => [session.id, named(session)]));
  world.items = new Map(state.items.map((item) => [item.id, named(item)]));
  world.projects = new Map(state.projects.map((project) => [project.id, project]));
  world.marks = new Map(state.marks.map((mark) => [mark.thread_id, mark]));
  for (const id of world.queued.keys()) changes.add(`queue:${id}`);
  world.queued = new Map();
  for (const { thread_id, message } of state.queued) {
    queueOf(world, thread_id).set(message.id, message);
    changes.add(`queue:${thread_id}`);
  }
  for (const topic of takeOpenMessages(world, state.open_messages)) changes.add(topic);
  return changes;
}

export function takeOpenMessages(world: World, messages: OpenMessage[]): Changes {
  const changes: Changes = new Set();
  for (const message of world.open.values()) changes.add(`open:${message.thread_id}`);
  const before = world.open;
  // What calls put out is told by the stream alone.
  world.open = new Map([...before].filter(([, { what }]) => what === 'output'));
  world.torn = false;
  for (const message of messages) {
    if (world.settled.has(message.message_id)) continue;
    const held = before.get(message.message_id);
    const points = pointsIn(message.text);
    // What came meanwhile may already be longer.
    world.open.set(
      message.message_id,
      held && held.points > points ? held : { ...message, points },
    );
    changes.add(`open:${message.thread_id}`);
  }
  return changes;
}

/** A window onto a thread that was read beside the stream, in place of what was held of it. */
export function takeWindow(world: World, threadId: string, page: Page): Changes {
  const held = world.logs.get(threadId);
  world.logs.delete(threadId);
  const log = logOf(world, threadId);
  log.loaded = true;
  log.first = page.events[0]?.seq ?? 0;
  log.last = page.events.at(-1)?.seq ?? 0;
  log.atEnd = log.last >= page.newest;
  log.newest = Math.max(page.newest, held?.newest ?? 0);
  return add(world, threadId, log, page, held?.early ?? []);
}

/** The end of a thread as it was read before, while the server can't be asked; it is mended once it can. */
export function takeKept(
  world: World,
  threadId: string,
  kept: { first: number; last: number; entries: Entry[] },
): Changes {
  const log = logOf(world, threadId);
  if (log.loaded) return noChanges();
  log.entries = new Map(kept.entries.map((entry) => [entry.key, entry]));
  log.first = kept.first;
  log.last = log.newest = kept.last;
  log.loaded = log.atEnd = true;
  return new Set<Topic>([`log:${threadId}`]);
}

/** The page before or behind the window. One that does not lie beside it any more is left out. */
export function takePage(
  world: World,
  threadId: string,
  page: Page,
  side: 'older' | 'newer',
): Changes {
  const log = world.logs.get(threadId);
  const head = page.events[0]?.seq ?? 0;
  const tail = page.events.at(-1)?.seq ?? 0;
  if (!log?.loaded) return noChanges();
  if (side === 'older') {
    if (tail !== log.first - 1) return noChanges();
    log.first = head;
  } else {
    if (head > log.last + 1) return noChanges();
    log.last = Math.max(log.last, tail);
    log.first ||= head;
    log.atEnd ||= log.last >= page.newest;
    log.gap = false;
  }
  log.newest = Math.max(log.newest, page.newest);
  const early = log.early;
  log.early = [];
  return add(world, threadId, log, page, early);
}

function add(world: World, threadId: string, log: Log, page: Page, early: Event[]): Changes {
  const changes: Changes = new Set<Topic>([`log:${threadId}`]);
  for (const event of page.events) {
    place(log, event);
    settle(world, event, changes);
  }
  for (const event of page.later ?? []) if (log.entries.has(keyOf(event))) place(log, event);
  for (const event of early) follow(log, event);
  // What came by the stream while the page was on its way, and was not kept.
  if (log.atEnd && log.newest > log.last) log.gap = true;
  return changes;
}

/**
 * Forget what is farthest from where the reader is, when there is much. `at`: the place that is read; past all where
 * the end is followed.
 */
export function trimLog(world: World, threadId: string, at: number): Changes {
  const log = world.logs.get(threadId);
  if (!log || log.entries.size <= MOST) return noChanges();
  const entries = inOrder(log);
  const before = entries.findIndex((entry) => entry.place >= at);
  const fromEnd = before >= 0 && before < entries.length / 2;
  const kept = fromEnd ? entries.slice(0, KEPT) : entries.slice(-KEPT);
  log.entries = new Map(kept.map((entry) => [entry.key, entry]));
  if (fromEnd) {
    log.last = kept.at(-1)?.place ?? 0;
    log.atEnd = log.gap = false;
    log.early = [];
  } else log.first = kept[0]?.place ?? 0;
  return new Set<Topic>([`log:${threadId}`]);
}

export function takeEvent(world: World, event: Event): Changes {
  const changes: Changes = new Set();
  const known = world.cursor !== '' && !isLater(event.cursor, world.cursor);
  const log = world.logs.get(event.thread_id);
  if (log && follow(log, event)) changes.add(`log:${event.thread_id}`);
  if (known) return changes;
  world.cursor = event.cursor;
  settle(world, event, changes);
  if (isNews(event)) {
    const { thread_id } = event;
    const { read = 0, replies = 0 } = world.marks.get(thread_id) ?? {};
    const more = event.kind === 'message' && event.body.role === 'assistant' ? 1 : 0;
    world.marks.set(thread_id, { thread_id, read, told: event.seq, replies: replies + more });
    changes.add('marks');
  }
  takeEffect(world, event, changes);
  return changes;
}

/** Whether an event tells the person something that they have not said themselves: what can be unread. */
export function isNews(event: Event): boolean {
  switch (event.kind) {
    case 'message':
      return event.body.role !== 'user';
    case 'item':
      return event.body.state === 'open' && !event.body.snoozed_at;
    default:
      return event.kind === 'result';
  }
}

/** How far a thread was read, as the server says. */
export function takeMark(world: World, mark: Mark): Changes {
  const held = world.marks.get(mark.thread_id);
  // An event may have overtaken it.
  world.marks.set(mark.thread_id, {
    ...mark,
    told: Math.max(mark.told, held?.told ?? 0),
    replies: Math.max(mark.replies, held?.replies ?? 0),
  });
  return new Set<Topic>(['marks']);
}

/** Which keys the person has changed, on whatever device. */
export function takeKeys(world: World, keys: Keys): Changes {
  if (!world.state) return noChanges();
  world.state = { ...world.state, person: { ...world.state.person, keys } };
  return new Set<Topic>(['keys']);
}

/** What an event means beyond its place in the log. */
function takeEffect(world: World, event: Event, changes: Changes): void {
  const thread = event.thread_id;
  switch (event.kind) {
    case 'session':
      world.sessions.set(event.body.id, named(withNewestStatus(world, event.body)));
      changes.add('sessions');
      break;
    case 'item':
      for (const topic of takeItem(world, event.body)) changes.add(topic);
      break;
    case 'message': {
      const message = event.body;
      if (message.status === 'queued') queueOf(world, thread).set(message.id, message);
      changes.add(`queue:${thread}`);
      break;
    }
    case 'turn_started':
      if (thread === MAIN) {
        world.main = { ...world.main, turn: event.body.turn, working: true };
        changes.add('main');
      }
      break;
    case 'turn_ended':
      if (thread === MAIN) {
        world.main = { ...world.main, working: false };
        changes.add('main');
      }
      for (const message of world.open.values()) {
        if (message.thread_id !== thread || message.turn > event.body.turn) continue;
        world.open.delete(message.message_id);
        changes.add(`open:${thread}`);
      }
      break;
    default:
      break;
  }
  if (thread === MAIN) world.main = { ...world.main, seq: event.seq };
}

export function takeDelta(world: World, delta: Delta): Changes {
  // It may have landed already, on its way through another tab.
  if (world.settled.has(delta.message_id)) return noChanges();
  const held = world.open.get(delta.message_id);
  const output = delta.what === 'output';
  let have = held?.points ?? 0;
  let before = held?.text ?? '';
  if (delta.offset > have) {
    if (!output) {
      world.torn = true;
      return new Set();
    }
    // What lies between was left out.
    have = delta.offset;
    before = '';
  }
  const fresh =
    delta.offset === have ? delta.text : [...delta.text].slice(have - delta.offset).join('');
  if (!fresh && held) return new Set();
  world.open.set(delta.message_id, {
    thread_id: delta.thread_id,
    message_id: delta.message_id,
    what: delta.what,
    turn: delta.turn,
    text: output ? (before + fresh).slice(-NEWEST) : before + fresh,
    points: have + pointsIn(fresh),
  });
  return new Set<Topic>([`open:${delta.thread_id}`]);
}

/** What an agent does right now: announced, never in the log. */
export function takeStatus(world: World, news: StatusNews): Changes {
  const { thread_id, ...status } = news;
  if (thread_id === MAIN) {
    world.main = { ...world.main, status };
    return new Set<Topic>(['main']);
  }
  const session = world.sessions.get(thread_id);
  if (!session) return noChanges();
  world.sessions.set(thread_id, { ...session, status });
  return new Set<Topic>(['sessions']);
}

/** Announcements overtake events: while the state stays the same, what was announced is the newer word. */
function withNewestStatus(world: World, session: Session): Session {
  const held = world.sessions.get(session.id);
  return held?.state === session.state ? { ...session, status: held.status } : session;
}

export function takeItem(world: World, item: Item): Changes {
  if (item.state === 'open') world.items.set(item.id, named(item));
  else world.items.delete(item.id);
  return new Set<Topic>(['items']);
}

/** Its title stands in lists, lines and labels, beside what others say: nothing in it turns letters around. */
function named<T extends Session | Item>(one: T): T {
  return { ...one, title: upright(one.title) };
}

export function takeProject(world: World, project: Project): Changes {
  world.projects.set(project.id, project);
  return new Set(['projects']);
}

export function takeSession(world: World, session: Session): Changes {
  const held = world.sessions.get(session.id);
  if (held && held.updated_at > session.updated_at) return new Set();
  world.sessions.set(session.id, named(session));
  return new Set(['sessions']);
}

/** The answer to a send or a change; the stream may have been faster. */
export function takeQueued(world: World, threadId: string, message: MessageBody): Changes {
  if (world.settled.has(message.id)) return noChanges();
  if (message.status === 'queued') queueOf(world, threadId).set(message.id, message);
  else queueOf(world, threadId).delete(message.id);
  return new Set<Topic>([`queue:${threadId}`]);
}

function queueOf(world: World, threadId: string): Map<string, MessageBody> {
  let queue = world.queued.get(threadId);
  if (!queue) {
    queue = new Map();
    world.queued.set(threadId, queue);
  }
  return queue;
}

/** It stands in the log: neither in the queue any more nor as what is being written, also where a page was faster. */
function settle(world: World, event: Event, changes: Changes): void {
  const { kind, thread_id: thread } = event;
  if (kind === 'tool_call') {
    const over = event.body.status !== 'running' && world.open.delete(event.body.id);
    if (over) changes.add(`open:${thread}`);
    return;
  }
  if (kind !== 'reasoning' && !(kind === 'message' && event.body.status !== 'queued')) return;
  world.settled.add(event.body.id);
  if (queueOf(world, thread).delete(event.body.id)) changes.add(`queue:${thread}`);
  if (world.open.delete(event.body.id)) changes.add(`open:${thread}`);
}

/** Add an event that came by the stream; true if the log changed. */
function follow(log: Log, event: Event): boolean {
  log.newest = Math.max(log.newest, event.seq);
  if (!log.loaded) {
    log.early.push(event);
    return false;
  }
  if (event.seq <= log.last) return false;
  if (!log.atEnd) {
    // It lies beyond the window, and may be news of something inside.
    if (log.entries.has(keyOf(event))) place(log, event);
    return true;
  }
  if (event.seq > log.last + 1) {
    log.early.push(event);
    log.gap = true;
    return false;
  }
  log.last = event.seq;
  log.first ||= event.seq;
  place(log, event);
  return true;
}

function keyOf(event: Event): string {
  switch (event.kind) {
    case 'message':
    case 'tool_call':
    case 'item':
    case 'reasoning':
      return `${event.kind}:${event.body.id}`;
    case 'todo':
      return `todo:${event.body.turn}`;
    case 'session_started':
      return `session_started:${event.body.session_id}`;
    default:
      return `${event.kind}:${event.seq}`;
  }
}

/** A queued message has no place in the timeline yet, and a withdrawn one has none any more. */
function counts(event: Event): boolean {
  if (event.kind === 'session') return false;
  return !(
    event.kind === 'message' &&
    (event.body.status === 'queued' || event.body.status === 'withdrawn')
  );
}

/** The newest body wins; the place is that of the first event that counts, however pages arrive. */
function place(log: Log, event: Event): void {
  if (!counts(event)) return;
  const key = keyOf(event);
  const held = log.entries.get(key);
  if (!held) {
    log.entries.set(key, { key, place: event.seq, at: event.at, event });
    return;
  }
  const earlier = event.seq < held.place;
  const newer = event.seq > held.event.seq;
  if (!earlier && !newer) return;
  log.entries.set(key, {
    key,
    place: earlier ? event.seq : held.place,
    at: earlier ? event.at : held.at,
    event: newer ? event : held.event,
  });
}

/** The entries of a log in their order. */
export function inOrder(log: Log): Entry[] {
  return [...log.entries.values()].sort((a, b) => a.place - b.place);
}
