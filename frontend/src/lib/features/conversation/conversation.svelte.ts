import { MAIN, hasOlder, inOrder, type Entry, type Growing } from '$lib/live/reducer';
import type { WaitingFile, WaitingMessage } from '$lib/live/outbox';
import type { MessageBody, State } from '$lib/live/types';
import { en } from '$lib/messages/en';
import { indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import { isoDay, momentOf } from '$lib/shared/time';
import type { Drafts } from '$lib/shared/drafts';
import type { Sessions } from '$lib/features/sessions/sessions.svelte';
import { Reader } from './reading.svelte';
import { rowsOf, withTail, type GrowingRow, type Row } from './rows';

/** A place that was asked for: an event, or the first of a day. */
export interface Target {
  place: number;
  of: 'event' | 'day';
}

/** A file in the composer. `sent`: how much of it has gone out, while it does. `sound`: that it can be used. */
export interface DraftFile extends WaitingFile {
  key: string;
  sent: number | null;
  sound?: Promise<boolean>;
  /** How large it was before it was made smaller, so that a model takes it. */
  was?: number;
}

function keptFiles(draft: string): DraftFile[] {
  try {
    const kept = JSON.parse(draft || '[]') as Omit<DraftFile, 'data' | 'sent'>[];
    return kept.map((file) => ({ ...file, data: null, sent: null }));
  } catch {
    return [];
  }
}

/** What the server keeps of them already, as a draft keeps it. */
function asKept(files: readonly DraftFile[]): string {
  const kept = files.flatMap(({ key, name, size, type, id, was }) =>
    id ? [{ key, name, size, type, id, was }] : [],
  );
  return kept.length > 0 ? JSON.stringify(kept) : '';
}

/** One thread as the page shows and writes it: the main thread's or a session's. */
export class Conversation {
  readonly id: string;
  readonly #connection: Connection;
  readonly #sessions: Sessions;
  readonly #drafts: Drafts;
  #entries = $state.raw<Entry[]>([]);
  /** What is being written, whenever a piece of it has come. */
  #texts = $state.raw<Growing[]>([]);
  /** The same, changed only where one begins or ends. */
  #growing = $state.raw<GrowingRow[]>([]);
  #queue = $state.raw<MessageBody[]>([]);
  #loaded = $state(false);
  #older = $state(true);
  #newer = $state(false);
  #target = $state.raw<Target | null>(null);
  #readingAt = Infinity;
  #failure = $state('');
  #mainTurn = $state.raw<State['main']>({ id: MAIN, turn: 0, working: false, seq: 0, status: {} });
  #draft = $state('');
  #files = $state.raw<DraftFile[]>([]);
  /** What came after this was unread when the person came here; null where nothing was. */
  #newAfter = $state<number | null>(null);
  readonly reader: Reader;
  #entered = false;

  /** What was written here and is not on the server. */
  readonly pending = $derived.by(() =>
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

  readonly #settled = $derived.by(() =>
    rowsOf({
      entries: this.#entries,
      turn: this.working ? this.turn : null,
      newAfter: this.#newAfter,
      today: isoDay(Date.now()),
      complete: this.#loaded && !this.#older,
      ended: !this.#newer,
      turns: this.id !== MAIN,
    }),
  );

  readonly rows: Row[] = $derived.by(() => {
    // What comes next stands at the end of the thread, which may not be here.
    if (this.#newer) return this.#settled;
    const known = this.#byKey;
    return withTail(this.#settled, {
      growing: this.#growing,
      pending: this.pending.filter(
        (entry) =>
          !known.has(`message:${entry.id}`) &&
          !this.#queue.some((queued) => queued.id === entry.id),
      ),
      next: this.working ? null : (this.#queue[0] ?? null),
      turn: this.working ? this.turn : null,
    });
  });

  /** Every call of a tool, in order. */
  readonly steps = $derived(
    this.#entries.flatMap(({ event, at }) =>
      event.kind === 'tool_call' ? [{ body: event.body, at }] : [],
    ),
  );

  /** The turns that have ended, in order. */
  readonly turns = $derived(
    this.#entries.flatMap(({ event }) => (event.kind === 'turn_ended' ? [event.body] : [])),
  );

  /** What stands in line behind the running turn. */
  readonly queue = $derived(this.working ? this.#queue : this.#queue.slice(1));

  constructor(id: string, connection: Connection, sessions: Sessions, drafts: Drafts) {
    this.id = id;
    this.#connection = connection;
    this.#sessions = sessions;
    this.#drafts = drafts;
    this.#draft = drafts.read(id);
    this.#files = keptFiles(drafts.read(this.#filesDraft));
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
  get older(): boolean {
    return this.#older;
  }

  /** There are later pages: what is here ends before the thread does. */
  get newer(): boolean {
    return this.#newer;
  }

  /** The place that was asked for last, by an address or by choosing a day. */
  get target(): Target | null {
    return this.#target;
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
    if (!text && this.#files.length === 0) this.#edits = [];
  }

  /** What the next message takes along. */
  get files(): DraftFile[] {
    return this.#files;
  }

  set files(files: DraftFile[]) {
    this.#files = files;
    // What the server keeps already survives a reload as well.
    this.#drafts.write(this.#filesDraft, asKept(files));
    if (!this.#draft && files.length === 0) this.#edits = [];
  }

  /** Another tab has changed what is kept: where it was the same here, it stays the same. */
  changedElsewhere({ key, oldValue, newValue }: StorageEvent): void {
    const before = oldValue ?? '';
    const now = newValue ?? '';
    const drafts = this.#drafts;
    if (key === drafts.keyOf(this.id)) {
      if (this.#draft === before) this.#draft = now;
    } else if (key === drafts.keyOf(this.#filesDraft)) {
      if (asKept(this.#files) === before) this.#files = keptFiles(now);
    }
  }

  /** Go on with words that were begun elsewhere. */
  goOn(words: string): void {
    this.draft = [this.#draft, words].filter(Boolean).join('\n');
  }

  /** Messages that were taken back into the draft. */
  get #edits(): string[] {
    return this.#drafts.read(`${this.id}:edits`).split(' ').filter(Boolean);
  }

  set #edits(ids: string[]) {
    this.#drafts.write(`${this.id}:edits`, ids.join(' '));
  }

  get #filesDraft(): string {
    return `${this.id}:files`;
  }

  /** A message that is being written, or what a running call has put out. */
  growing(messageId: string): Growing | undefined {
    return this.#texts.find((message) => message.message_id === messageId);
  }

  /** Read the newest page, unless something is here. Inside an effect it runs again when the line is back. */
  async open(): Promise<void> {
    const { live, link, state } = this.#connection;
    if (!state) return;
    if (link.state !== 'down') await this.#try(() => live.openThread(this.id));
    else if (!this.#loaded) {
      await live.openKept(this.id);
      const away = this.#connection.link.state === 'down';
      if (away && !live.world.logs.get(this.id)?.loaded) this.#failure = en.link.notHere;
    }
  }

  /** Go to a place: the number of an event, or a moment as one writes it (`2026-11-02`, with or without a time). */
  async goTo(where: string): Promise<void> {
    if (!this.#connection.state) return;
    const { live } = this.#connection;
    if (/^\d{1,15}$/.test(where)) {
      const place = Number(where);
      if (await this.#try(() => live.openAround(this.id, { around: place }))) {
        this.#target = { place, of: 'event' };
      }
      return;
    }
    const at = momentOf(where);
    if (!at) return;
    if (!(await this.#try(() => live.openAround(this.id, { at })))) return;
    const log = live.world.logs.get(this.id);
    const first = this.#entries.find((entry) => Date.parse(entry.at) >= Date.parse(at));
    this.#target = { place: first?.place ?? log?.last ?? 0, of: 'day' };
  }

  /** Have the end of the thread here. */
  async toEnd(): Promise<void> {
    this.#target = null;
    await this.#try(() => this.#connection.live.openAtEnd(this.id));
  }

  /** The view of it is gone: the next one begins at the end. */
  closed(): void {
    this.#target = null;
    this.#readingAt = Infinity;
    if (this.#newer) void this.#connection.live.openAtEnd(this.id).catch(() => undefined);
  }

  /** Where the reader is: past all where they follow the end. What is far from it may be let go. */
  readingAt(place: number): void {
    this.#readingAt = place;
  }

  async #try(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.#failure = '';
      return true;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      return false;
    }
  }

  /** The person has left this session: the next time what is unread then is marked. */
  leave(): void {
    this.#entered = false;
  }

  /**
   * The person comes to this session: what is unread gets its mark, and what they see from now on is read. `where`: a
   * place that they asked for.
   */
  async enter(where = ''): Promise<void> {
    await (where ? this.goTo(where) : this.open());
    const { live } = this.#connection;
    if (!this.#loaded || this.#entered) return;
    this.#entered = true;
    this.#newAfter = null;
    this.reader.begin();
    try {
      await live.fetchMark(this.id);
      const mark = live.world.marks.get(this.id);
      if (!mark || mark.told <= mark.read) return;
      // Where a place was asked for, that is where they go.
      if (!this.#target) await live.openAround(this.id, { around: mark.read + 1 });
      this.#newAfter = mark.read;
    } catch {
      // Offline: then nothing is marked as new.
    }
  }

  /** Where the first unread stands; null where nothing is. */
  get newAfter(): number | null {
    return this.#newAfter;
  }

  /** What is read once a row at this place was seen: at the end also what has no row of its own, or one that says nothing. */
  readTo(place: number): number {
    const newest = this.rows.findLast(
      (row) => row.place < Number.MAX_SAFE_INTEGER && row.kind !== 'turn',
    );
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

  /** Pages are asked for while one scrolls: offline, scrolling again tries again. */
  async load(side: 'older' | 'newer'): Promise<void> {
    if (!this.#loaded) return;
    const { live } = this.#connection;
    const loading = side === 'older' ? live.loadOlder(this.id) : live.loadNewer(this.id);
    await loading.catch(() => undefined);
  }

  /** Send the draft. */
  async send(mode: 'queue' | 'steer' = 'queue'): Promise<void> {
    // What turns out to be damaged goes nowhere, and the rest waits for the person to see that.
    const sound = this.#files.flatMap((file) => file.sound ?? []);
    if (sound.length > 0 && (await Promise.all(sound)).includes(false)) return;
    const text = this.#draft.trim();
    const files = this.#files.map(({ name, size, type, id, data }) => ({
      name,
      size,
      type,
      id,
      data: id ? null : data,
    }));
    if (!text && files.length === 0) return;
    const edits = this.#edits;
    this.files = [];
    this.draft = '';
    await this.#connection.live.sendMessage(this.id, text, mode, files, edits);
    // Only now: what was typed is kept in one place or the other.
    this.#drafts.flush();
  }

  async stop(): Promise<void> {
    const { api, live } = this.#connection;
    await live.call(() => api.interrupt(this.id, this.turn));
  }

  /** Take a message that was not accepted back into the composer. */
  async takeBack(entry: WaitingMessage): Promise<void> {
    this.draft = this.#draft ? `${entry.text}\n${this.#draft}` : entry.text;
    const back = (entry.files ?? []).map((file, i) => ({
      ...file,
      key: `${entry.id}-${i}`,
      sent: null,
    }));
    this.files = [...back, ...this.#files];
    // Its request may be under way: what is made of it takes its place, wherever it has come to.
    if (entry.state === 'waiting') this.#edits = [...this.#edits, ...(entry.edits ?? []), entry.id];
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

  /** What is being made of a message in line, over a reload and another view. */
  editOf(messageId: string): string {
    return this.#drafts.read(`queued:${messageId}`);
  }

  keepEdit(messageId: string, text: string): void {
    this.#drafts.write(`queued:${messageId}`, text);
  }

  async withdraw(messageId: string): Promise<void> {
    this.keepEdit(messageId, '');
    await this.#connection.live.withdraw(this.id, messageId);
  }

  #readLog(): void {
    const { live } = this.#connection;
    live.trim(this.id, this.#readingAt);
    const log = live.world.logs.get(this.id);
    this.#entries = log ? inOrder(log) : [];
    this.#loaded = log?.loaded ?? false;
    this.#older = !log || hasOlder(log);
    this.#newer = log !== undefined && log.loaded && !log.atEnd;
  }

  #readGrowing(): void {
    const { open } = this.#connection.live.world;
    const texts = [...open.values()].filter((message) => message.thread_id === this.id);
    this.#texts = texts;
    const rows = texts.filter(isRow);
    const same =
      rows.length === this.#growing.length &&
      rows.every((message, at) => message.message_id === this.#growing[at]?.message_id);
    if (!same) this.#growing = rows;
  }

  #readQueue(): void {
    const before = this.#queue;
    const queued = this.#connection.live.world.queued.get(this.id);
    this.#queue = [...(queued?.values() ?? [])];
    // Its turn came before its edit was done: what was made of it goes on as a message of its own.
    for (const { id, text } of before) {
      const made = queued?.has(id) ? '' : this.editOf(id);
      if (!made) continue;
      this.keepEdit(id, '');
      if (made.trim() && made !== text) this.goOn(made);
    }
  }
}

/** What a call puts out stands in the row of the call. */
function isRow(growing: Growing): growing is GrowingRow {
  return growing.what !== 'output';
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
    addEventListener('storage', (event) =>
      Object.values(this.#all).forEach((conversation) => conversation.changedElsewhere(event)),
    );
  }

  /** Whether a draft has a file that is nowhere but in this page. */
  get holdFiles(): boolean {
    return Object.values(this.#all).some(({ files }) => files.some((file) => !file.id));
  }

  get main(): Conversation {
    return this.of(MAIN);
  }

  of(id: string): Conversation {
    return (this.#all[id] ??= this.#make(id));
  }
}
