/** What a session's state means to the eye: chip, end of its line, group in the list. */
import type { LineEnd, Tone } from '@mainloop/ui';
import { seen } from '@mainloop/ui/unseen';
import { en } from '$lib/messages/en';
import type { Item, Session, Status } from '$lib/live/types';
import { lasting, momentInWords, timeOfDay } from '$lib/shared/time';

export type IconName =
  'question' | 'plan' | 'permission' | 'stuck' | 'check' | 'cross' | 'merged' | 'stopped' | 'clock';

export interface Face {
  tone: Tone;
  text: string;
  icon: IconName | null;
  end: LineEnd;
}

export type Group = 'working' | 'to_review' | 'earlier';

const words = en.sessions.states;

/** Until when an item is put off, in words. */
export function snoozedWords(item: Item, now = Date.now()): string {
  const { snoozed_until: until } = item;
  return en.snooze.state(until ? en.snooze.until(momentInWords(until, now)) : en.snooze.untilBack);
}

const ASKING: Record<string, [string, IconName] | undefined> = {
  plan: [words.plan, 'plan'],
  permission: [words.permission, 'permission'],
};

export function faceOfItem(item: Item): Face {
  if (item.snoozed_at) {
    return { tone: 'quiet', text: snoozedWords(item), icon: 'clock', end: 'paused' };
  }
  const wait = (text: string, icon: IconName): Face => ({ tone: 'attn', text, icon, end: 'wait' });
  if (item.kind === 'failure') {
    return { tone: 'bad', text: words.failed, icon: 'cross', end: 'fail' };
  }
  if (item.kind === 'watch') return wait(en.asks.kinds.watch ?? '', 'clock');
  if (item.kind === 'order') return wait(words.question, 'question');
  if (!item.ask) return wait(en.sessions.stuckBy(item.kind), 'stuck');
  // Of a kind that has no words of its own here, that it asks is all there is to say.
  const [text, icon] = ASKING[item.kind] ?? [words.question, 'question'];
  return wait(text, icon);
}

/** A call that runs, or a silence, for longer than this is worth a word. */
const LONG = 10 * 60_000;

/** What is known of what an agent does right now, in one line; `since` when. */
export interface Doing {
  chip: string;
  verb: string;
  target: string;
  since: string | null;
  /** A runner lives and something is under way. */
  live: boolean;
}

export function doingOf(status: Status | undefined, now: number): Doing {
  const said = en.sessions;
  const { activity, heard_at, last_seen } = status ?? {};
  if (last_seen) {
    const at = timeOfDay(last_seen);
    return {
      chip: said.lastSeen(at),
      verb: said.unseen(at),
      target: '',
      since: last_seen,
      live: false,
    };
  }
  if (activity && activity.kind !== 'tool') {
    const tries = said.attempt(activity.attempt ?? 0, activity.of ?? 0);
    return {
      chip: words[activity.kind] + (activity.attempt ? said.attempt(activity.attempt, 0) : ''),
      verb: activity.text,
      target: tries.trim(),
      since: activity.since,
      live: activity.kind !== 'restarting',
    };
  }
  if (activity) {
    const took = now - Date.parse(activity.since);
    const [verb = '', ...target] = activity.text.split(' ');
    return {
      chip: took < LONG ? words.working : said.oneCallFor(lasting(took)),
      verb,
      target: seen(target.join(' ')),
      since: activity.since,
      live: true,
    };
  }
  const silence = heard_at ? now - Date.parse(heard_at) : 0;
  const silent = silence > LONG;
  return {
    chip: silent ? said.silentFor(lasting(silence)) : words.working,
    verb: silent ? said.silentFor(lasting(silence)) : en.chat.working,
    target: '',
    since: heard_at ?? null,
    live: !silent,
  };
}

/** When it came to stand as it does. That its process has ended since, or another one began, is no news of it. */
export function stoodSince(session: Session, items: Item[] = []): string {
  const { state, result, turn, ended_at, updated_at } = session;
  if (ended_at) return ended_at;
  const answered = state === 'idle' || state === 'in_review';
  if (answered && result && result.turn === turn) return result.at;
  const asked = items.find(({ kind }) => kind !== 'watch');
  return (state === 'waiting' && asked?.opened_at) || updated_at;
}

/** How long a session has taken so far: the time runs while it works, and stands when it does not. */
export function tookOf(session: Session, now: number, items: Item[] = []): string {
  const end = isAtWork(session) ? null : stoodSince(session, items);
  return lasting((end ? Date.parse(end) : now) - Date.parse(session.created_at));
}

function startingWords(session: Session, ahead: number | null): string {
  if (session.status?.activity?.kind === 'unwritten') return words.unwritten;
  if (session.held_at) return words.held;
  return ahead === null ? session.reason || words.starting : en.sessions.queuedAhead(ahead);
}

/** `items`: the open items of this session, most urgent first. `ahead`: how many are before it in the queue. */
export function faceOf(
  session: Session,
  items: Item[] = [],
  { now = Date.now(), ahead = null }: { now?: number; ahead?: number | null } = {},
): Face {
  // What one asked to be told says how it stands, and keeps it from nothing.
  const item = items.find(({ kind }) => kind !== 'watch');
  switch (session.state) {
    case 'starting':
      if (session.held_at && item) return faceOfItem(item);
      return {
        tone: 'quiet',
        text: startingWords(session, ahead),
        icon: 'clock',
        end: 'stub',
      };
    case 'working': {
      if (item && !item.snoozed_at) return faceOfItem(item);
      const doing = doingOf(session.status, now);
      return doing.live
        ? { tone: 'busy', text: doing.chip, icon: null, end: 'live' }
        : { tone: 'quiet', text: doing.chip, icon: 'clock', end: 'lost' };
    }
    case 'waiting':
      return item
        ? faceOfItem(item)
        : { tone: 'attn', text: session.reason || words.waiting, icon: 'stuck', end: 'wait' };
    case 'idle':
      if (item) return faceOfItem(item);
      // It branched off another one, and nobody has said anything to it.
      if (session.turn === 0)
        return { tone: 'quiet', text: words.ready, icon: 'clock', end: 'stub' };
      // Its last turn was interrupted, or ended without a word.
      if (session.result?.turn !== session.turn)
        return { tone: 'quiet', text: words.unanswered, icon: 'stopped', end: 'stop' };
      return { tone: 'quiet', text: words.idle, icon: 'check', end: 'merged' };
    case 'in_review':
      return item
        ? faceOfItem(item)
        : { tone: 'ok', text: words.in_review, icon: 'check', end: 'merge' };
    case 'failed':
      return { tone: 'bad', text: words.failed, icon: 'cross', end: 'fail' };
    case 'cancelled':
      return { tone: 'quiet', text: words.cancelled, icon: 'stopped', end: 'stop' };
    case 'done':
      return {
        tone: 'quiet',
        text: session.change?.state === 'merged' ? words.merged : words.done,
        icon: 'merged',
        end: 'merged',
      };
  }
}

export function groupOf(session: Session): Group {
  switch (session.state) {
    case 'starting':
    case 'working':
    case 'waiting':
      return 'working';
    case 'in_review':
      return 'to_review';
    default:
      return 'earlier';
  }
}

/** Holds one of the places at work; who waits for one, or for other sessions, does not. */
export function isAtWork(session: Session): boolean {
  const waits = session.queued_at ?? session.held_at;
  return session.state === 'working' || (session.state === 'starting' && !waits);
}

/** The next round sum above what it has cost (dollars): 1, 2, 5, 10, 20 and so on. */
export function boundAbove(usd: number): number {
  const ten = 10 ** Math.floor(Math.log10(Math.max(usd, 1)));
  return [1, 2, 5].map((sum) => sum * ten).find((sum) => sum > usd) ?? 10 * ten;
}

/** What may be done to a session, described once. */
export interface SessionActs {
  stop: boolean;
  cancel: boolean;
  close: boolean;
  park: boolean;
  resume: boolean;
}

export function actsOf(session: Session): SessionActs {
  const { state } = session;
  const over = state === 'done' || state === 'cancelled' || state === 'failed';
  return {
    stop: state === 'working',
    cancel: !over,
    close:
      ['idle', 'in_review', 'failed', 'cancelled'].includes(state) ||
      (state === 'starting' && Boolean(session.held_at)),
    park: (state === 'idle' || state === 'waiting') && !session.parked,
    resume: over,
  };
}
