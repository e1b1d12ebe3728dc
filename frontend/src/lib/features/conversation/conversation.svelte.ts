import { MAIN, inOrder, type Entry, type Growing } from '$lib/live/reducer';
import type { WaitingMessage } from '$lib/live/outbox';
import type { MessageBody, State } from '$lib/live/types';
import { indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import { dayKey } from '$lib/shared/time';
import type { Drafts } from '$lib/shared/drafts';
import type { Sessions } from '$lib/features/sessions/sessions.svelte';
import { rowsOf, type Row } from './rows';

/** One thread as the page shows and writes it: the main thread's or a session's. */
export class Conversation {
  readonly id: string;
  readonly #connection: Connection;
  readonly #sessions: Sessions;
  readonly #drafts: Drafts;
  #entries = $state.raw<Entry[]>([]);
  #growing = $state.raw<Growing[]>([]);
  #queue = $state.raw<MessageBody[]>([]);
  #loaded = $state(false);
  #more = $state(true);
  #loadingOlder = $state(false);
  #failure = $state('');
  #mainTurn = $state.raw<State['main']>({ id: MAIN, turn: 0, working: false, seq: 0, status: {} });
  #draft = $state('');
  #away = $state.raw<{ from: number; to: number } | null>(null);

  readonly #pending = $derived.by(() =>
    this.#connection.outbox.filter(
      (entry): entry is WaitingMessage => entry.kind === 'message' && entry.thread_id === this.id,
    ),
  );

  readonly #byKey = $derived(indexBy(this.#entries, (entry) => entry.key));

  readonly working = $derived.by(() =>
    this.id === MAIN ? this.#mainTurn.working : this.#sessions.get(this.id)?.state === 'working',
  );

  /** What its agent does right now, where that can be said. */
  readonly status = $derived.by(() =>
    this.id === MAIN ? this.#mainTurn.status : this.#sessions.get(this.id)?.status,
  );

  /** The newest turn. */
  readonly turn = $derived.by(() =>
    this.id === MAIN ? this.#mainTurn.turn : (this.#sessions.get(this.id)?.turn ?? 0),
  );

  readonly rows: Row[] = $derived.by(() => {
    const known = this.#byKey;
    return rowsOf({
      entries: this.#entries,
      growing: this.#growing,
      pending: this.#pending.filter(
        (entry) =>
          !known.has(`message:${entry.id}`) &&
          !this.#queue.some((queued) => queued.id === entry.id),
      ),
      next: this.working ? null : (this.#queue[0] ?? null),
      turn: this.working ? this.turn : null,
      away: this.#away,
      today: dayKey(Date.now()),
      complete: this.#loaded && !this.#more,
    });
  });

  /** Every call of a tool, in order. */
  readonly steps = $derived(
    this.#entries.flatMap(({ event, at }) =>
      event.kind === 'tool_call' ? [{ body: event.body, at }] : [],
    ),
  );

  /** What stands in line behind the running turn. */
  readonly queue = $derived(this.working ? this.#queue : this.#queue.slice(1));

  constructor(id: string, connection: Connection, sessions: Sessions, drafts: Drafts) {
    this.id = id;
    this.#connection = connection;
    this.#sessions = sessions;
    this.#drafts = drafts;
    this.#draft = drafts.read(id);
    this.#readLog();
    this.#readGrowing();
    this.#readQueue();
    this.#mainTurn = connection.live.world.main;
    connection.onchange((changes) => {
      if (changes.has(`log:${id}`)) this.#readLog();
      if (changes.has(`open:${id}`)) this.#readGrowing();
      if (changes.has(`queue:${id}`)) this.#readQueue();
      if (changes.has('main')) this.#mainTurn = connection.live.world.main;
    });
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  /** There are earlier pages. */
  get more(): boolean {
    return this.#more;
  }

  get loadingOlder(): boolean {
    return this.#loadingOlder;
  }

  /** Why the log could not be read, in words. */
  get failure(): string {
    return this.#failure;
  }

  get empty(): boolean {
    return this.#loaded && this.rows.every((row) => row.kind === 'origin');
  }

  get draft(): string {
    return this.#draft;
  }

  set draft(text: string) {
    this.#draft = text;
    this.#drafts.write(this.id, text);
  }

  growing(messageId: string): Growing | undefined {
    return this.#growing.find((message) => message.message_id === messageId);
  }

  /** Read the newest page. Inside an effect it runs again when the line is back. */
  async open(): Promise<void> {
    if (!this.#connection.state || this.#connection.link.state === 'down') return;
    try {
      await this.#connection.live.openThread(this.id);
      this.#failure = '';
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
  }

  async loadOlder(): Promise<void> {
    if (this.#loadingOlder || !this.#loaded || !this.#more) return;
    this.#loadingOlder = true;
    try {
      await this.#connection.live.loadOlder(this.id);
    } catch {
      // Offline: scrolling again tries again.
    } finally {
      this.#loadingOlder = false;
    }
  }

  /** Send the draft. */
  async send(mode: 'queue' | 'steer' = 'queue'): Promise<void> {
    const text = this.#draft.trim();
    if (!text) return;
    this.draft = '';
    this.#drafts.flush();
    await this.#connection.live.sendMessage(this.id, text, mode);
  }

  async stop(): Promise<void> {
    const { api, live } = this.#connection;
    await live.call(() => api.interrupt(this.id, this.turn));
  }

  /** Take a message that was not accepted back into the composer. */
  async takeBack(entry: WaitingMessage): Promise<void> {
    this.draft = this.#draft ? `${entry.text}\n${this.#draft}` : entry.text;
    await this.#connection.live.discard(entry.id);
  }

  async discard(entry: WaitingMessage): Promise<void> {
    await this.#connection.live.discard(entry.id);
  }

  async changeQueued(
    messageId: string,
    change: { text?: string; mode?: 'queue' | 'steer' },
  ): Promise<void> {
    await this.#connection.live.changeQueued(this.id, messageId, change);
  }

  async withdraw(messageId: string): Promise<void> {
    await this.#connection.live.withdraw(this.id, messageId);
  }

  markAway(from: number, to: number): void {
    this.#away = { from, to };
  }

  #readLog(): void {
    const log = this.#connection.live.world.logs.get(this.id);
    this.#entries = log ? inOrder(log) : [];
    this.#loaded = log?.loaded ?? false;
    this.#more = log?.more ?? true;
  }

  #readGrowing(): void {
    const { open } = this.#connection.live.world;
    this.#growing = [...open.values()].filter((message) => message.thread_id === this.id);
  }

  #readQueue(): void {
    this.#queue = [...(this.#connection.live.world.queued.get(this.id)?.values() ?? [])];
  }
}

/** The conversations that were looked at, one object each, so that a draft and a place survive a change of view. */
export class Conversations {
  readonly #make: (id: string) => Conversation;
  readonly #all: Record<string, Conversation> = {};

  constructor(connection: Connection, sessions: Sessions, drafts: Drafts) {
    this.#make = (id) => {
      let conversation: Conversation | undefined;
      // Under a root of its own: it outlives the component that happened to ask for it first.
      $effect.root(() => {
        conversation = new Conversation(id, connection, sessions, drafts);
      });
      return conversation as unknown as Conversation;
    };
  }

  get main(): Conversation {
    return this.of(MAIN);
  }

  of(id: string): Conversation {
    return (this.#all[id] ??= this.#make(id));
  }
}
