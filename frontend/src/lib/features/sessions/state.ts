/** What a session's state means to the eye: chip, end of its line, group in the list. */
import type { LineEnd, Tone } from '@mainloop/ui';
import { en } from '$lib/messages/en';
import type { Item, Session } from '$lib/live/types';

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

export function faceOfItem(item: Item): Face {
  const wait = (text: string, icon: IconName): Face => ({ tone: 'attn', text, icon, end: 'wait' });
  switch (item.kind) {
    case 'question':
      return wait(words.question, 'question');
    case 'plan':
      return wait(words.plan, 'plan');
    case 'permission':
      return wait(words.permission, 'permission');
    case 'failure':
      return { tone: 'bad', text: words.failed, icon: 'cross', end: 'fail' };
    default:
      return wait(words.stuck, 'stuck');
  }
}

/** `items`: the open items of this session, most urgent first. */
export function faceOf(session: Session, items: Item[] = []): Face {
  const item = items[0];
  switch (session.state) {
    case 'starting':
      return {
        tone: 'quiet',
        text: session.reason || words.starting,
        icon: 'clock',
        end: 'stub',
      };
    case 'working':
      return item
        ? faceOfItem(item)
        : { tone: 'busy', text: words.working, icon: null, end: 'live' };
    case 'waiting':
      return item
        ? faceOfItem(item)
        : { tone: 'attn', text: session.reason || words.waiting, icon: 'stuck', end: 'wait' };
    case 'idle':
      return item
        ? faceOfItem(item)
        : { tone: 'quiet', text: words.idle, icon: 'check', end: 'merged' };
    case 'in_review':
      return { tone: 'ok', text: words.in_review, icon: 'check', end: 'merge' };
    case 'failed':
      return { tone: 'bad', text: words.failed, icon: 'cross', end: 'fail' };
    case 'cancelled':
      return { tone: 'quiet', text: words.cancelled, icon: 'stopped', end: 'stop' };
    case 'done':
      return { tone: 'quiet', text: words.done, icon: 'merged', end: 'merged' };
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

export function isAtWork(session: Session): boolean {
  return session.state === 'starting' || session.state === 'working';
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
    close: state === 'idle' || state === 'in_review' || state === 'failed' || state === 'cancelled',
    park: (state === 'idle' || state === 'waiting') && !session.parked,
    resume: over,
  };
}
