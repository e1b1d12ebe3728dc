import { seen } from '@mainloop/ui/unseen';
import { SvelteSet } from 'svelte/reactivity';
import type { GivenAnswer, Problem } from '$lib/live/api';
import type { WaitingAnswer } from '$lib/live/outbox';
import type { Answer, Item } from '$lib/live/types';
import { en } from '$lib/messages/en';
import { momentInWords } from '$lib/shared/time';
import { wordsOf } from './begun';
import { groupBy, indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import type { Drafts } from '$lib/shared/drafts';
import type { Toasts } from '$lib/shared/toasts.svelte';

const UNDO_MS = 3000;

/** Whether an answer that is the same for several fits this one. What is not there whole can't be allowed. */
export function takes(item: Item, decision: 'allow' | 'deny' | 'dismiss'): boolean {
  return item.decisions.includes(decision) && !(decision === 'allow' && item.blob);
}

/** An answer in a few words, and the person's own where it was given in the conversation. */
export function inWords(answer: Answer | GivenAnswer): string {
  const said = 'said' in answer ? answer.said?.words : undefined;
  return said ? `${decided(answer)} · ${en.asks.said(said)}` : decided(answer);
}

/** What was decided, in a few words. */
export function decided(answer: Answer | GivenAnswer): string {
  // What was said is shown as what it is.
  const said = 'said' in answer && answer.said?.words === answer.text;
  return inShort(said ? { ...answer, text: '' } : answer);
}

function spoken(value: string | number | boolean | string[]): string {
  if (typeof value === 'boolean') return value ? en.asks.yes : en.asks.no;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function inShort(answer: Answer | GivenAnswer): string {
  switch (answer.decision) {
    case 'allow': {
      const always = 'always' in answer ? answer.always : 'pattern' in answer && answer.pattern;
      return always ? en.asks.allowedAlways(seen(always).replaceAll('\n', ', ')) : en.asks.allowed;
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
    case 'begin':
      return en.asks.begun;
    case 'stop':
      return en.asks.stopped;
    case 'answer': {
      const said = Object.values(answer.answers ?? {}).flat();
      const filled = Object.entries(answer.values ?? {}).map(
        ([name, value]) => `${name}: ${spoken(value)}`,
      );
      return [...said, ...filled, answer.text].filter(Boolean).join(', ');
    }
  }
}

/** What waits for the person. */
export class Inbox {
  readonly #connection: Connection;
  readonly #toasts: Toasts;
  #all = $state.raw<Item[]>([]);
  readonly #byId = $derived(indexBy(this.#all, (item) => item.id));
  readonly #bySession = $derived(groupBy(this.#all, (item) => item.session_id ?? item.thread_id));
  /** Open ones, most urgent first: what is counted. */
  readonly items = $derived(this.#all.filter((item) => !item.snoozed_at));
  /** Put off, the next to come back first; what waits for the person to be back comes last. */
  readonly snoozed = $derived(
    this.#all
      .filter((item) => item.snoozed_at)
      .sort((a, b) => ((a.snoozed_until ?? '~') < (b.snoozed_until ?? '~') ? -1 : 1)),
  );
  /** Several are being chosen, to be answered together. */
  selecting = $state(false);
  readonly #selected = new SvelteSet<string>();
  /** Chosen, in the order of the list. */
  readonly selected = $derived(
    this.items.filter((item) => this.#selected.has(item.id) && !this.isHeld(item.id)),
  );
  /** What the person is about to put off. */
  snoozing = $state.raw<Item[]>([]);
  readonly #held = $derived.by(() =>
    indexBy(
      this.#connection.outbox.filter((entry): entry is WaitingAnswer => entry.kind === 'answer'),
      (entry) => entry.item_id,
    ),
  );

  /** Words that go with an answer from here, until it is known to be the first. */
  readonly #given: Record<string, { item: Item; words: string }> = {};
  /** Items that somebody else was the first to answer. */
  readonly #beaten: Record<string, boolean> = {};

  /** `onleft`: an ask is over, and with it its form; what was begun there and not sent, in words. */
  constructor(
    connection: Connection,
    toasts: Toasts,
    drafts: Drafts,
    onleft: (item: Item, words: string) => void,
  ) {
    this.#connection = connection;
    this.#toasts = toasts;
    connection.onchange((changes) => {
      if (!changes.has('items')) return;
      const open = connection.live.world.items;
      // Until then an answer can be undone or refused, and what was filled in is there again.
      for (const item of this.#all) {
        if (open.has(item.id)) continue;
        const words = wordsOf(drafts.take(`item:${item.id}:`));
        const goes = this.isHeld(item.id) && !this.#beaten[item.id];
        if (goes) this.#given[item.id] = { item, words };
        onleft(item, goes ? '' : words);
      }
      this.#all = [...open.values()].sort(
        (a, b) =>
          Number(Boolean(a.snoozed_at)) - Number(Boolean(b.snoozed_at)) ||
          a.urgency - b.urgency ||
          (a.opened_at < b.opened_at ? -1 : 1),
      );
    });
    connection.onrefused((entry, problem) => {
      if (entry.kind !== 'answer') return;
      this.#tellRefusal(problem);
      const given = this.#given[entry.item_id];
      if (given) onleft(given.item, given.words);
      else if (problem.status === 409) this.#beaten[entry.item_id] = true;
    });
  }

  /** Whether it still waits for an answer, put off or not. */
  isOpen(itemId: string): boolean {
    return this.#byId.has(itemId);
  }

  get(itemId: string): Item | undefined {
    return this.#byId.get(itemId);
  }

  /** The open items of a session, or of the main thread; what is put off comes last. */
  of(threadId: string): Item[] {
    return this.#bySession.get(threadId) ?? [];
  }

  /** The answer that was given here and is not yet accepted. */
  held(itemId: string): WaitingAnswer | undefined {
    return this.#held.get(itemId);
  }

  async answer(item: Item, answer: Omit<GivenAnswer, 'id'>): Promise<void> {
    if (this.isHeld(item.id)) return;
    await this.#connection.live.giveAnswer(item.id, answer);
  }

  /** It was answered here, and the answer is on its way. */
  isHeld(itemId: string): boolean {
    return this.held(itemId)?.state === 'waiting';
  }

  /** The same answer for each of these, as if each had been given alone; undone together. */
  async answerSeveral(items: Item[], decision: GivenAnswer['decision']): Promise<void> {
    const { live } = this.#connection;
    const given = items.filter((item) => !this.isHeld(item.id));
    const batch = given[0]?.id;
    if (batch === undefined) return;
    this.stopSelecting();
    await Promise.all(given.map((item) => live.giveAnswer(item.id, { decision }, batch)));
    this.#toasts.show(
      {
        text: en.several.done(given.length, inWords({ id: '', decision })),
        action: en.app.undo,
        hotkey: 'undo',
        act: () => void this.undoNewest(),
      },
      UNDO_MS,
    );
  }

  isSelected(itemId: string): boolean {
    return this.#selected.has(itemId);
  }

  /** Choose or unchoose one; the first begins choosing, the last taken away ends it. */
  toggle(itemId: string): void {
    if (!this.#selected.delete(itemId)) this.#selected.add(itemId);
    this.selecting = this.#selected.size > 0;
  }

  selectAll(): void {
    for (const item of this.items) this.#selected.add(item.id);
  }

  stopSelecting(): void {
    this.selecting = false;
    this.#selected.clear();
  }

  /** Put items off until a moment; without one until the person is back. Can be undone. */
  async snooze(items: Item[], until: Date | null): Promise<void> {
    this.stopSelecting();
    const put = await this.#each(items, (id) => this.#connection.api.snooze(id, until));
    // What went wrong was said.
    if (put.length === 0) return;
    const words = until ? en.snooze.until(momentInWords(until, Date.now())) : en.snooze.untilBack;
    this.#toasts.show({
      text: en.snooze.done(put.length, words),
      action: en.app.undo,
      act: () => void this.wake(put),
    });
  }

  /** They count again. */
  async wake(items: Item[]): Promise<void> {
    await this.#each(items, (id) => this.#connection.api.wake(id));
  }

  /** Those with which it worked; of each other it is said why not. */
  async #each(items: Item[], work: (id: string) => Promise<Item>): Promise<Item[]> {
    const { live } = this.#connection;
    const worked: Item[] = [];
    for (const item of items) {
      try {
        live.takeItem(await live.call(() => work(item.id)));
        worked.push(item);
      } catch (error) {
        this.#toasts.show({ text: error instanceof Error ? error.message : String(error) });
      }
    }
    return worked;
  }

  /** What `Z` does: take back the newest answer that is still held, and what was given with it. */
  undoNewest(): boolean {
    const held = [...this.#held.values()].filter(
      (entry) => entry.state === 'waiting' && entry.not_before > Date.now(),
    );
    const newest = held.at(-1);
    for (const entry of held) {
      const together = newest?.batch !== undefined && entry.batch === newest.batch;
      if (entry === newest || together) void this.undo(entry.id);
    }
    return newest !== undefined;
  }

  async undo(answerId: string): Promise<void> {
    await this.#connection.live.discard(answerId);
  }

  #tellRefusal(problem: Problem): void {
    const first = problem.body['item'] as Item | undefined;
    if (problem.code !== 'already_answered') this.#toasts.show({ text: problem.detail });
    else if (first?.answer) {
      this.#toasts.show({ text: en.asks.already(first.title, inWords(first.answer)) });
    } else this.#toasts.show({ text: problem.detail || en.asks.alreadyClosed });
  }
}
