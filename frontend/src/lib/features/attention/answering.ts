/** Answers that are given on a notification, in the worker: each is kept until the server has it, and sent once. */
import { KEY_HEADER, problemOf } from '@mainloop/api-client';
import { wholeAnswer, type GivenAnswer } from '$lib/live/answer';
import { lent } from '$lib/live/lent';
import { BrowserOutboxStore, type WaitingAnswer } from '$lib/live/outbox';
import { newId } from '$lib/shared/ids';

/** A server that has not answered by then is one that can't be reached. */
const PATIENCE_MS = 10_000;

export type Came =
  | { to: 'taken' }
  /** Refused for good, in the server's words: somebody was faster, or it does not wait any more. */
  | { to: 'refused'; why: string }
  /** It can't be sent now, and is here until it can. */
  | { to: 'kept' }
  /** Nobody said that it arrived, and this browser keeps nothing: a worker forgets what it only remembers. */
  | { to: 'lost' }
  | { to: 'signed_out' };

/** In the outbox of the page, which sends what the worker could not, under the same id. */
const outbox = new BrowserOutboxStore();

export async function give(item: string, decision: GivenAnswer['decision']): Promise<Came> {
  const id = newId();
  const at = Date.now();
  const entry: WaitingAnswer = {
    kind: 'answer',
    id,
    item_id: item,
    answer: { id, decision },
    // Nobody looks who could undo it.
    not_before: at,
    at,
    state: 'waiting',
    reason: '',
  };
  const stays = await outbox.put(entry);
  const came = await send(entry);
  const lost = came.to === 'kept' && !stays;
  // Whoever has to sign in decides anew, before the whole of it.
  if (came.to === 'signed_out' || lost) await forget(id);
  tellPages();
  return lost ? { to: 'lost' } : came;
}

/** What is kept, once there is a line; what came of each. Those that are held for an undo are the page's. */
export async function giveKept(): Promise<{ item: string; came: Came }[]> {
  const waiting = (await outbox.all()).filter(
    (entry): entry is WaitingAnswer =>
      entry.kind === 'answer' && entry.state === 'waiting' && entry.not_before <= Date.now(),
  );
  const all: { item: string; came: Came }[] = [];
  for (const entry of waiting) all.push({ item: entry.item_id, came: await send(entry) });
  tellPages();
  return all;
}

async function send({ id, item_id, answer }: WaitingAnswer): Promise<Came> {
  const key = await lent();
  if (key === null) return { to: 'signed_out' };
  const response = await fetch(`/api/inbox/${encodeURIComponent(item_id)}/answer`, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { [KEY_HEADER]: key, 'content-type': 'application/json' },
    body: JSON.stringify(wholeAnswer(answer)),
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(() => null);
  if (!response) return { to: 'kept' };
  if (response.ok) {
    await forget(id);
    return { to: 'taken' };
  }
  const problem = await problemOf(response);
  if (problem.status === 401) return { to: 'signed_out' };
  if (problem.passing) return { to: 'kept' };
  await forget(id);
  return { to: 'refused', why: problem.detail };
}

/** Also where the database is gone: what came of an answer is said all the same, and sent again it counts once. */
async function forget(id: string): Promise<void> {
  await outbox.delete(id).catch(() => undefined);
}

/** What is open reads the outbox anew. */
function tellPages(): void {
  const channel = new BroadcastChannel('mainloop');
  channel.postMessage({ type: 'outbox' });
  channel.close();
}
