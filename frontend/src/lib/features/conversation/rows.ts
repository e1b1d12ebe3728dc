/** A log as the rows of a timeline. Pure: the same log gives the same rows. */
import type { WaitingMessage } from '$lib/live/outbox';
import { isNews, type Entry, type Growing } from '$lib/live/reducer';
import type {
  AwayBody,
  Item,
  MessageBody,
  NoticeBody,
  ReasoningBody,
  ResultBody,
  RunBody,
  TodoBody,
  ToolCallBody,
  TurnEndedBody,
} from '$lib/live/types';
import { isoDay } from '$lib/shared/time';

interface Placed {
  key: string;
  /** Its seq, or past all of them for what is not in the log yet. */
  place: number;
}

interface Told {
  /** Here the session spoke last. */
  newest: boolean;
  /** It speaks again in the very next row, which says all there is to say. */
  again: boolean;
}

export type Row = Placed &
  (
    | { kind: 'origin' }
    | { kind: 'day'; at: string }
    | { kind: 'new' }
    | { kind: 'away'; body: AwayBody }
    | { kind: 'message'; body: MessageBody; at: string }
    | { kind: 'pending'; entry: WaitingMessage }
    | { kind: 'reasoning'; body: ReasoningBody }
    | { kind: 'tools'; calls: ToolCallBody[]; running: boolean }
    | { kind: 'todo'; body: TodoBody }
    | ({ kind: 'session'; sessionId: string; at: string } & Told)
    | ({ kind: 'notice'; body: NoticeBody; at: string } & Told)
    | { kind: 'item'; body: Item; at: string }
    | { kind: 'result'; body: ResultBody; at: string }
    | { kind: 'ended'; body: TurnEndedBody; at: string }
    | { kind: 'turn'; body: TurnEndedBody; at: string }
    | { kind: 'run'; body: RunBody; at: string }
    | { kind: 'growing'; messageId: string; what: 'text' | 'reasoning' }
    | { kind: 'thinking' }
  );

export interface RowsOf {
  entries: Entry[];
  /** The turn that runs; null when none does. */
  turn: number | null;
  /** The place that was read up to, where what follows was unread. */
  newAfter: number | null;
  /** Today, as `isoDay` writes it: a log that begins today needs no mark of the day. */
  today: string;
  /** The first page is loaded. */
  complete: boolean;
  /** The last page is loaded: what is newest here is newest of all. */
  ended: boolean;
  /** The end of each turn has a row: one can go back there. */
  turns?: boolean;
}

/** A message that is being written, which has a row of its own. */
export type GrowingRow = Growing & { what: 'text' | 'reasoning' };

/** What is not in the log yet, and stands behind it. */
export interface Tail {
  growing: GrowingRow[];
  /** What was written here and is not on the server. */
  pending: WaitingMessage[];
  /** Accepted, next in line, and nothing else runs. */
  next: MessageBody | null;
  /** The turn that runs; null when none does. */
  turn: number | null;
}

const PAST_ALL = Number.MAX_SAFE_INTEGER;

/** Calls of ours whose effect has a row of its own. */
const SPEAKS_ELSEWHERE = /(^|__)(spawn_session|ask|report|AskUserQuestion|ExitPlanMode|TodoWrite)$/;

export function rowsOf(source: RowsOf): Row[] {
  const rows: Row[] = [];
  let day = '';
  let tools: Extract<Row, { kind: 'tools' }> | null = null;
  let newAfter = source.newAfter;
  const lastText = lastTextOfTurns(source.entries);

  if (source.complete) rows.push({ kind: 'origin', key: 'origin', place: 0 });

  for (const entry of source.entries) {
    const row = rowOf(entry, source.turn, lastText);
    if (!row || (row.kind === 'turn' && !source.turns)) continue;
    if (isoDay(entry.at) !== day) {
      const begins = day === '';
      day = isoDay(entry.at);
      // While there are earlier pages, whether a day begins here is not known, and a mark that moved would drag
      // the view with it.
      if (!begins || (source.complete && day !== source.today)) {
        rows.push({ kind: 'day', key: `day:${day}`, place: entry.place, at: entry.at });
      }
      tools = null;
    }
    // An ask that waits stands elsewhere, and there would be nothing below the mark.
    const marked = isNews(entry.event) && entry.event.kind !== 'item';
    if (newAfter !== null && entry.place > newAfter && marked) {
      rows.push({ kind: 'new', key: 'new', place: entry.place });
      newAfter = null;
      tools = null;
    }
    if (row.kind === 'tools' && tools) {
      tools.calls.push(...row.calls);
      tools.running ||= row.running;
      continue;
    }
    tools = row.kind === 'tools' ? row : null;
    rows.push(row);
  }
  markPlaces(rows, source.ended);
  return rows;
}

/** A line about a session that is none of its words: of the main agent, or what mainloop saw of it. */
export function isNote(body: NoticeBody): boolean {
  return ['note', 'overlap', 'apart'].includes(body.about);
}

/** The session that begins or speaks in a row. */
function speakerOf(row: Row | undefined): string | null {
  if (row?.kind === 'session') return row.sessionId;
  return row?.kind === 'notice' && !isNote(row.body) ? row.body.session_id : null;
}

/** A session stands whole where it spoke last. */
function markPlaces(rows: Row[], ended: boolean): void {
  const told = new Set<string>();
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i] as Row;
    const id = speakerOf(row);
    if (id === null || !('newest' in row)) continue;
    row.newest = ended && !told.has(id);
    row.again = speakerOf(rows[i + 1]) === id;
    told.add(id);
  }
}

/** The rows of the log, then what comes next. */
export function withTail(settled: Row[], source: Tail): Row[] {
  const rows = [...settled];
  const last = settled.at(-1);
  for (const message of source.growing) {
    const { message_id: messageId, what } = message;
    rows.push({
      kind: 'growing',
      key: `${what === 'text' ? 'message' : what}:${messageId}`,
      place: PAST_ALL,
      messageId,
      what,
    });
  }
  const busy = last?.kind === 'tools' && hasRunning(last.calls);
  if (source.turn !== null && source.growing.length === 0 && !busy) {
    rows.push({ kind: 'thinking', key: 'thinking', place: PAST_ALL });
  }
  if (source.next) {
    rows.push({
      kind: 'message',
      key: `message:${source.next.id}`,
      place: PAST_ALL,
      body: source.next,
      at: '',
    });
  }
  for (const entry of source.pending) {
    rows.push({ kind: 'pending', key: `message:${entry.id}`, place: PAST_ALL, entry });
  }
  return rows;
}

function hasRunning(calls: ToolCallBody[]): boolean {
  return calls.some((call) => call.status === 'running');
}

/** Turn → its last message, so that a result which only repeats it is not shown twice. */
function lastTextOfTurns(entries: Entry[]): Map<number, string> {
  const texts = new Map<number, string>();
  for (const { event } of entries) {
    if (
      event.kind === 'message' &&
      event.body.role === 'assistant' &&
      typeof event.body.turn === 'number'
    ) {
      texts.set(event.body.turn, event.body.text.trim());
    }
  }
  return texts;
}

const UNTOLD: Told = { newest: false, again: false };

function rowOf(entry: Entry, turn: number | null, lastText: Map<number, string>): Row | null {
  const { key, place, at, event } = entry;
  switch (event.kind) {
    case 'message':
      return { kind: 'message', key, place, at, body: event.body };
    case 'reasoning':
      return { kind: 'reasoning', key, place, body: event.body };
    case 'tool_call': {
      const { body } = event;
      if (SPEAKS_ELSEWHERE.test(body.tool) && body.status !== 'error') return null;
      return { kind: 'tools', key, place, calls: [body], running: body.turn === turn };
    }
    case 'todo':
      return { kind: 'todo', key, place, body: event.body };
    case 'session_started':
      return { kind: 'session', key, place, at, ...UNTOLD, sessionId: event.body.session_id };
    case 'notice':
      return { kind: 'notice', key, place, at, ...UNTOLD, body: event.body };
    case 'item':
      return { kind: 'item', key, place, at, body: event.body };
    case 'result':
      return lastText.get(event.body.turn) === event.body.text.trim()
        ? null
        : { kind: 'result', key, place, at, body: event.body };
    case 'turn_ended':
      return event.body.outcome === 'deferred'
        ? null
        : {
            kind: event.body.outcome === 'completed' ? 'turn' : 'ended',
            key,
            place,
            at,
            body: event.body,
          };
    case 'away':
      return { kind: 'away', key, place, body: event.body };
    case 'run':
      return event.body.text ? { kind: 'run', key, place, at, body: event.body } : null;
    case 'turn_started':
    case 'session':
      return null;
    default:
      // A kind from a newer server.
      return null;
  }
}

/** The turn that a row belongs to; null where it belongs to none. */
export function turnOf(row: Row): number | null {
  switch (row.kind) {
    case 'message':
    case 'reasoning':
    case 'result':
      return row.body.turn ?? null;
    case 'tools':
      return row.calls[0]?.turn ?? null;
    default:
      return null;
  }
}

/** Pictures stand side by side and are as high as each other. */
function filesHigh(files: { type: string }[] | undefined): number {
  if (!files?.length) return 0;
  return files.some((file) => file.type.startsWith('image/')) ? 168 : 44;
}

/** A first guess of a row's height in pixels, from the length of its text: fewer corrections later. */
export function estimate(row: Row | undefined, width: number): number {
  const lines = (text: string) =>
    Math.max(1, Math.ceil((text.length * 8) / Math.max(240, Math.min(608, width))));
  switch (row?.kind) {
    case 'message':
      return 44 + Math.min(lines(row.body.text), 400) * 24 + filesHigh(row.body.attachments);
    case 'pending':
      return 64 + Math.min(lines(row.entry.text), 40) * 24 + filesHigh(row.entry.files);
    case 'result':
      return 60 + Math.min(lines(row.body.text), 400) * 24;
    case 'session':
    case 'notice':
      return row.newest ? 150 : row.again ? 0 : 34;
    case 'tools':
      return 8 + Math.min(row.calls.length, 4) * 26;
    case 'item':
      return 56;
    case 'day':
    case 'new':
      return 52;
    case undefined:
      return 60;
    default:
      return 40;
  }
}
