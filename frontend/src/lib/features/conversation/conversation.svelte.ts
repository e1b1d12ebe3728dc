import { MAIN, inOrder, type Entry, type Growing } from '$lib/live/reducer';
import type { WaitingMessage } from '$lib/live/outbox';
import type { MessageBody, State } from '$lib/live/types';
import { indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import { dayKey } from '$lib/shared/time';
import type { Drafts } from '$lib/shared/drafts';
import type { Sessions } from '$lib/features/sessions/sessions.svelte';
import { Reader } from './reading.svelte';
import { rowsOf, type Row } from './rows';

/** How many pages are read to find the first that is unread. */
const PAGES_BACK = 5;

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
  /** What came after this was unread when the person came here; null where nothing was. */
  #newAfter = $state<number | null>(null);
  readonly reader: Reader;
  #entered = false;

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
      newAfter: this.#newAfter,
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
    this.reader = new Reader((seq) => void this.#read(seq));
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

  /** The person has left this session: the next time what is unread then is marked. */
  leave(): void {
    this.#entered = false;
  }

  /** The person comes to this session: what is unread gets its mark, and what they see from now on is read. */
  async enter(): Promise<void> {
    await this.open();
    const { live } = this.#connection;
    if (!this.#loaded || this.#entered) return;
    this.#entered = true;
    this.#newAfter = null;
    this.reader.begin();
    try {
      await live.fetchMark(this.id);
      const mark = live.world.marks.get(this.id);
      if (!mark || mark.told <= mark.read) return;
      for (let pages = 0; pages < PAGES_BACK && this.#more; pages++) {
        if ((live.world.logs.get(this.id)?.first ?? 0) <= mark.read + 1) break;
        await live.loadOlder(this.id);
      }
      this.#newAfter = mark.read;
    } catch {
      // Offline: then nothing is marked as new.
    }
  }

  /** Where the first unread stands; null where nothing is. */
  get newAfter(): number | null {
    return this.#newAfter;
  }

  /** What is read once a row at this place was seen: at the end also what has no row of its own. */
  readTo(place: number): number {
    const newest = this.rows.findLast((row) => row.place < Number.MAX_SAFE_INTEGER);
    if (place >= Number.MAX_SAFE_INTEGER) return 0;
    return place >= (newest?.place ?? 0)
      ? (this.#connection.live.world.logs.get(this.id)?.last ?? place)
      : place;
  }

  /** Unread from a place on, until the person comes here again; without one from the newest that tells something. */
  async unreadFrom(place?: number): Promise<void> {
    const { live } = this.#connection;
    const seq = place ?? live.world.marks.get(this.id)?.told ?? 0;
    if (seq < 1) return;
    this.reader.pause();
    await live.markRead(this.id, seq, true);
    this.#newAfter = seq - 1;
  }

  async #read(seq: number): Promise<void> {
    const { live } = this.#connection;
    if (seq <= (live.world.marks.get(this.id)?.read ?? 0)) return;
    // Where it can't be said now, the next time will say more.
    await live.markRead(this.id, seq).catch(() => this.reader.begin());
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
