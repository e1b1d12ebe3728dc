import { MAIN } from '$lib/live/reducer';
import type { MessageBody, Session } from '$lib/live/types';
import { en } from '$lib/messages/en';

export interface Known {
  /** The person's name. */
  person: string;
  /** Whose thread the message stands in; null for the main thread. */
  session: Pick<Session, 'agent'> | null;
  /** The handle of a session; undefined while it is not known here. */
  handleOf: (id: string) => string | undefined;
}

export interface Writer {
  name: string;
  /** Written by the person, not by an agent in the person's place. */
  person: boolean;
}

/** Who wrote a message: one that came from a thread was written by that thread's agent, whatever its role. */
export function writerOf(body: MessageBody, known: Known): Writer {
  if (body.role === 'system') return { name: en.chat.system, person: false };
  const from = body.from_thread;
  if (from) {
    const name = from === MAIN ? en.app.loop : (known.handleOf(from) ?? en.chat.someSession);
    return { name, person: false };
  }
  if (body.role === 'user') return { name: known.person, person: true };
  return { name: known.session?.agent ?? en.app.loop, person: false };
}
