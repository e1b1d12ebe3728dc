import type { GivenAnswer, Problem } from '$lib/live/api';
import type { WaitingAnswer } from '$lib/live/outbox';
import type { Answer, Item } from '$lib/live/types';
import { en } from '$lib/messages/en';
import { groupBy, indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import type { Toasts } from '$lib/shared/toasts.svelte';

const URGENCY: Record<Item['kind'], number> = {
  permission: 0,
  question: 1,
  plan: 2,
  sign_in: 3,
  ceiling: 4,
  stall: 5,
  failure: 6,
};

/** An answer in a few words. */
export function inWords(answer: Answer | GivenAnswer): string {
  switch (answer.decision) {
    case 'allow': {
      const always = 'always' in answer ? answer.always : 'pattern' in answer && answer.pattern;
      return always ? en.asks.allowedAlways(always) : en.asks.allowed;
    }
    case 'deny':
      return answer.text ? `${en.asks.denied}: ${answer.text}` : en.asks.denied;
    case 'approve':
      return en.asks.approved;
    case 'revise':
      return answer.text ? `${en.asks.revised}: ${answer.text}` : en.asks.revised;
    case 'dismiss':
      return en.asks.dismissed;
    case 'retry':
      return en.asks.retried;
    case 'raise_once':
      return en.asks.raisedOnce;
    case 'raise':
      return en.asks.raised;
    case 'stop':
      return en.asks.stopped;
    case 'answer': {
      const said = Object.values(answer.answers ?? {}).flat();
      return [...said, answer.text].filter(Boolean).join(', ');
    }
  }
}

/** What waits for the person. */
export class Inbox {
  readonly #connection: Connection;
  readonly #toasts: Toasts;
  #items = $state.raw<Item[]>([]);
  readonly #bySession = $derived(groupBy(this.#items, (item) => item.session_id ?? item.thread_id));
  readonly #held = $derived.by(() =>
    indexBy(
      this.#connection.outbox.filter((entry): entry is WaitingAnswer => entry.kind === 'answer'),
      (entry) => entry.item_id,
    ),
  );

  constructor(connection: Connection, toasts: Toasts) {
    this.#connection = connection;
    this.#toasts = toasts;
    connection.onchange((changes) => {
      if (!changes.has('items')) return;
      this.#items = [...connection.live.world.items.values()].sort(
        (a, b) =>
          (URGENCY[a.kind] ?? 9) - (URGENCY[b.kind] ?? 9) || (a.opened_at < b.opened_at ? -1 : 1),
      );
    });
    connection.onrefused((entry, problem) => {
      if (entry.kind === 'answer') this.#tellRefusal(problem);
    });
  }

  /** Open ones, most urgent first. */
  get items(): Item[] {
    return this.#items;
  }

  /** The open items of a session, or of the main thread. */
  of(threadId: string): Item[] {
    return this.#bySession.get(threadId) ?? [];
  }

  /** The answer that was given here and is not yet accepted. */
  held(itemId: string): WaitingAnswer | undefined {
    return this.#held.get(itemId);
  }

  async answer(item: Item, answer: Omit<GivenAnswer, 'id'>): Promise<void> {
    if (this.held(item.id)?.state === 'waiting') return;
    await this.#connection.live.giveAnswer(item.id, answer);
  }

  /** What `Z` does: take back the newest answer that is still held. */
  undoNewest(): boolean {
    const newest = [...this.#held.values()]
      .filter((entry) => entry.state === 'waiting' && entry.not_before > Date.now())
      .at(-1);
    if (newest) void this.undo(newest.id);
    return newest !== undefined;
  }

  async undo(answerId: string): Promise<void> {
    await this.#connection.live.discard(answerId);
  }

  #tellRefusal(problem: Problem): void {
    const first = problem.body['item'] as Item | undefined;
    if (problem.code !== 'already_answered') this.#toasts.show({ text: problem.detail });
    else if (first?.answer) this.#toasts.show({ text: en.asks.already(inWords(first.answer)) });
    else this.#toasts.show({ text: problem.detail || en.asks.alreadyClosed });
  }
}
