/**
 * The link between this tab and the server: the snapshot, the one stream (held here or by another tab), pages of
 * logs, and what waits to be sent. Changes the world and says what changed; draws nothing.
 */
import {
  type Api,
  type GivenAnswer,
  Problem,
  type QueuedChange,
  Unreachable,
  problemOf,
} from './api';
import { once } from '$lib/shared/once';
import { Backoff } from './backoff';
import type { Cache } from './cache';
import { Leadership } from './leader';
import {
  BrowserOutboxStore,
  Outbox,
  type OutboxStore,
  type Outcome,
  type Waiting,
  type WaitingFile,
  type WaitingMessage,
} from './outbox';
import {
  type Changes,
  type Topic,
  type World,
  emptyWorld,
  hasOlder,
  isLater,
  logOf,
  takeDelta,
  takeEvent,
  takeItem,
  takeKept,
  takeKeys,
  takeMark,
  takeOpenMessages,
  takePage,
  takeProject,
  takeQueued,
  takeSession,
  takeState,
  takeStatus,
  takeWindow,
  trimLog,
} from './reducer';
import { EventStream, type Frame } from './stream';
import type { Item, Project, Session } from './types';
import { newId } from '$lib/shared/ids';

export type Link =
  | { state: 'starting' }
  | { state: 'open' }
  | { state: 'down'; since: number }
  | { state: 'signed_out'; reason: string };

/** What tabs tell each other. */
type Word =
  | { type: 'frame'; frame: Frame; after: string }
  | { type: 'pulse' }
  | { type: 'link'; link: Link }
  | { type: 'outbox' }
  | { type: 'who' };

export interface LiveOptions {
  api: Api;
  onchange: (changes: Changes) => void;
  onlink: (link: Link) => void;
  onoutbox: (entries: readonly Waiting[]) => void;
  /** An answer was refused, or someone else was faster. */
  onrefused: (entry: Waiting, problem: Problem) => void;
  outboxStore?: OutboxStore;
}

type PageQuery = { after?: number; before?: number; around?: number; at?: string };

const PAGE = 100;
/** Behind by more than this, a log is read anew from its end. */
const PAGES_TO_CATCH_UP = 5;
const UNDO_MS = 3000;
/** What was read is kept this long after it changed. */
const KEEP_MS = 1000;
/** A server that has said nothing by then is gone, until it does. */
const PATIENCE_MS = 2500;
/** A server that has not sent its state by then is asked again. */
const GIVE_UP_MS = 40_000;
/** A leader passes on a heartbeat every 15 s. */
const LEADER_SILENCE_MS = 50_000;

export class Live {
  readonly world: World = emptyWorld();
  readonly outbox: Outbox;
  readonly #options: LiveOptions;
  readonly #stream: EventStream;
  readonly #leadership: Leadership;
  readonly #channel: BroadcastChannel | null;
  readonly #loading = new Map<string, Promise<void>>();
  /** The first page of all was asked for by the shell, perhaps before the state: what came between is not in it. */
  #first = true;
  /** The place of each thread that was asked for last. */
  readonly #wanted = new Map<string, string>();
  #link: Link = { state: 'starting' };
  #reloading: Promise<void> | null = null;
  /** Frames that come while a snapshot is on its way: it may be older than they are. */
  #early: Frame[] | null = [];
  #lastPulse = Date.now();
  #watch: ReturnType<typeof setInterval> | undefined;
  readonly #cache = once(async () => {
    const { Cache } = await import('./cache');
    return (this.#opened = await Cache.open());
  });
  #opened: Cache | null = null;
  readonly #unkept = new Set<string>();
  #keeping: ReturnType<typeof setTimeout> | undefined;
  /** Ends the wait for the next try of reading the state. */
  #wake: () => void = () => undefined;
  /** The try itself. */
  #asking: AbortController | null = null;
  /** Before its first state this tab shows at best what was kept, whatever line another tab has. */
  #current = false;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#channel =
      typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('mainloop');
    this.#channel?.addEventListener('message', (message: MessageEvent<Word>) =>
      this.#hear(message.data),
    );
    this.#stream = new EventStream({
      open: (cursor, signal) => options.api.stream(cursor, signal),
      cursor: () => this.world.cursor,
      onframe: (frame) => {
        this.#say({ type: 'frame', frame, after: this.world.cursor });
        this.#take(frame);
      },
      onstatus: (status) => {
        if (status.state === 'open') {
          this.#setLink({ state: 'open' });
          // Also where the link was known to be open: from now on it is this tab that sends.
          void this.outbox.flush();
          // What could not be fetched while the line was away.
          for (const [threadId, log] of this.world.logs) if (log.gap) this.#mendSoon(threadId);
        } else if (status.state === 'waiting') this.#lostLine();
        else if (status.state === 'refused') {
          void problemOf(status.response).then((problem) => this.signedOut(problem.detail));
        }
      },
      onpulse: () => this.#say({ type: 'pulse' }),
    });
    this.#leadership = new Leadership({
      locks: this.#channel ? navigator.locks : undefined,
      page: document,
      onlead: () => this.#stream.start(),
      onfollow: () => this.#stream.stop(),
    });
    this.outbox = new Outbox({
      store: options.outboxStore ?? new BrowserOutboxStore(),
      send: (entry) => this.#send(entry),
      maySend: () => this.#leadership.leading && this.#link.state !== 'signed_out',
      onchange: () => options.onoutbox(this.outbox.entries),
    });
  }

  get link(): Link {
    return this.#link;
  }

  /** Load the snapshot, then follow. Resolves when the first screen can be drawn. */
  async start(): Promise<void> {
    await this.outbox.load();
    addEventListener('online', this.#retry);
    addEventListener('offline', this.#offline);
    document.addEventListener('visibilitychange', this.#visible);
    addEventListener('pagehide', this.#leave);
    await this.#loadState();
    if (this.#link.state === 'signed_out') return;
    await this.#catchUp().catch(() => undefined);
    this.#leadership.start();
    this.#say({ type: 'who' });
    this.#watch = setInterval(() => this.#minder(), 5000);
  }

  stop(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#keeping);
    removeEventListener('online', this.#retry);
    removeEventListener('offline', this.#offline);
    removeEventListener('pagehide', this.#leave);
    document.removeEventListener('visibilitychange', this.#visible);
    this.#stream.stop();
    this.#leadership.stop();
    this.#channel?.close();
  }

  /** Read the snapshot again: something changed that no event tells. */
  refresh(): Promise<void> {
    return this.#reload();
  }

  /** Try the line now. */
  retry(): void {
    this.#retry();
  }

  /** This device is not let in any more. What was typed stays. */
  signedOut(reason: string): void {
    this.#setLink({ state: 'signed_out', reason });
    this.#stream.stop();
    this.#leadership.stop();
    this.#asking?.abort();
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    this.#unkept.clear();
    void this.#cache().then(
      (cache) => cache.clear(),
      () => undefined,
    );
  }

  /** Runs a call; a 401 anywhere means that this device was signed out. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.signedOut(error.detail);
      throw error;
    }
  }

  /** The newest page of a thread, unless something of it is here; later events come by the stream. */
  openThread(threadId: string): Promise<void> {
    if (this.world.logs.get(threadId)?.loaded) return Promise.resolve();
    return this.openAtEnd(threadId);
  }

  /** What this browser has kept of a thread, where the server can't be asked; what came since follows with the line. */
  async openKept(threadId: string): Promise<void> {
    const kept = await this.#cache()
      .then((cache) => cache.readLog(threadId))
      .catch(() => null);
    if (!kept || this.#link.state === 'signed_out') return;
    const taken = takeKept(this.world, threadId, kept);
    if (taken.size === 0) return;
    logOf(this.world, threadId).gap = true;
    this.#changed(taken);
    if (this.#link.state === 'open') this.#mendSoon(threadId);
  }

  /** The newest page of a thread, in place of what is held of it where that ends elsewhere. */
  openAtEnd(threadId: string): Promise<void> {
    if (this.world.logs.get(threadId)?.atEnd) return Promise.resolve();
    return this.#open(threadId, {});
  }

  /** The page around an event or a moment, in place of what is held of the thread unless that has it. */
  openAround(threadId: string, place: { around: number } | { at: string }): Promise<void> {
    const log = this.world.logs.get(threadId);
    const held = 'around' in place && log?.loaded && log.first <= place.around;
    if (held && (place.around <= log.last || log.atEnd)) return Promise.resolve();
    return this.#open(threadId, place);
  }

  #open(threadId: string, place: PageQuery): Promise<void> {
    const wanted = `open:${threadId}:${JSON.stringify(place)}`;
    this.#wanted.set(threadId, wanted);
    return this.#once(wanted, async () => {
      logOf(this.world, threadId);
      const page = await this.call(() =>
        this.#options.api.events(threadId, { ...place, limit: PAGE }),
      );
      // Meanwhile another place was asked for.
      if (this.#wanted.get(threadId) !== wanted) return;
      this.#changed(takeWindow(this.world, threadId, page));
      const log = logOf(this.world, threadId);
      if (this.#first && log.atEnd) log.gap = true;
      this.#first = false;
      await this.#mend(threadId);
    });
  }

  /** One page further back. */
  loadOlder(threadId: string): Promise<void> {
    const log = logOf(this.world, threadId);
    if (!log.loaded || !hasOlder(log)) return Promise.resolve();
    return this.#load(threadId, 'older', { before: log.first });
  }

  /** One page further on, where the end is not here. */
  loadNewer(threadId: string): Promise<void> {
    const log = logOf(this.world, threadId);
    if (!log.loaded || log.atEnd) return Promise.resolve();
    return this.#load(threadId, 'newer', { after: log.last });
  }

  /** Let go of what is far from the place that is read. */
  trim(threadId: string, at: number): void {
    this.#changed(trimLog(this.world, threadId, at));
  }

  #load(threadId: string, side: 'older' | 'newer', from: PageQuery): Promise<void> {
    return this.#once(`${side}:${threadId}`, async () => {
      const query = { ...from, limit: PAGE };
      const page = await this.call(() => this.#options.api.events(threadId, query));
      this.#changed(takePage(this.world, threadId, page, side));
      await this.#mend(threadId);
    });
  }

  /** A session that is not in the snapshot: an old one, or one that does not exist (a `Problem`). */
  async fetchSession(id: string): Promise<Session> {
    const session = await this.call(() => this.#options.api.session(id));
    this.#changed(takeSession(this.world, session));
    return session;
  }

  takeSession(session: Session): void {
    this.#changed(takeSession(this.world, session));
  }

  takeItem(item: Item): void {
    this.#changed(takeItem(this.world, item));
  }

  takeProject(project: Project): void {
    this.#changed(takeProject(this.world, project));
  }

  async sendMessage(
    threadId: string,
    text: string,
    mode: 'queue' | 'steer',
    files: WaitingFile[] = [],
    edits: string[] = [],
    id: string = newId(),
  ): Promise<void> {
    await this.#putInOutbox({
      kind: 'message',
      id,
      thread_id: threadId,
      text,
      mode,
      ...(files.length > 0 && { files }),
      ...(edits.length > 0 && { edits }),
      at: Date.now(),
      state: 'waiting',
      reason: '',
    });
  }

  /** Held for three seconds with an undo, then sent. Returns the id under which it can be undone. */
  async giveAnswer(
    itemId: string,
    answer: Omit<GivenAnswer, 'id'>,
    batch?: string,
  ): Promise<string> {
    const id = newId();
    await this.#putInOutbox({
      kind: 'answer',
      id,
      item_id: itemId,
      answer: { ...answer, id },
      not_before: Date.now() + UNDO_MS,
      ...(batch && { batch }),
      at: Date.now(),
      state: 'waiting',
      reason: '',
    });
    return id;
  }

  /** Undo an answer that is still held, or throw away what was not accepted. */
  async discard(id: string): Promise<void> {
    await this.outbox.remove(id);
    this.#say({ type: 'outbox' });
  }

  /** A thread was read up to an event; with `unread` it is unread from there. Without a line it is said another time. */
  async markRead(threadId: string, seq: number, unread = false): Promise<void> {
    const mark = await this.call(() => this.#options.api.markRead(threadId, seq, unread));
    this.#changed(takeMark(this.world, mark));
  }

  /** How far a thread was read that is not in the snapshot. */
  async fetchMark(threadId: string): Promise<void> {
    if (this.world.marks.has(threadId)) return;
    this.#changed(takeMark(this.world, await this.call(() => this.#options.api.mark(threadId))));
  }

  async changeQueued(threadId: string, messageId: string, change: QueuedChange): Promise<void> {
    const message = await this.call(() =>
      this.#options.api.changeMessage(threadId, messageId, change),
    );
    this.#changed(takeQueued(this.world, threadId, message));
  }

  async withdraw(threadId: string, messageId: string): Promise<void> {
    await this.call(() => this.#options.api.withdrawMessage(threadId, messageId));
    this.world.queued.get(threadId)?.delete(messageId);
    this.#changed(new Set<Topic>([`queue:${threadId}`]));
  }

  async #putInOutbox(entry: Waiting): Promise<void> {
    await this.outbox.add(entry);
    this.#say({ type: 'outbox' });
    void this.outbox.flush();
  }

  async #send(entry: Waiting): Promise<Outcome> {
    const { api } = this.#options;
    try {
      if (entry.kind === 'message') {
        const { id, text, mode } = entry;
        const attachments = await this.#keepFiles(entry);
        if (!attachments) return { outcome: 'gone' };
        const said = { id, text, mode, attachments };
        const message = await this.call(() => this.#post(entry, said));
        this.#changed(takeQueued(this.world, entry.thread_id, message));
      } else {
        const item = await this.call(() => api.answer(entry.item_id, entry.answer));
        this.#changed(takeItem(this.world, item));
      }
      return { outcome: 'sent' };
    } catch (error) {
      if (error instanceof Unreachable) {
        // A stream over a line that is gone stays silent for long; what can't be sent says it at once.
        this.#stream.drop();
        return { outcome: 'later' };
      }
      if (!(error instanceof Problem)) throw error;
      if (error.passing || error.status === 401) return { outcome: 'later' };
      this.#options.onrefused(entry, error);
      // An answer that came too late is not kept: what was answered first stands in the log.
      if (entry.kind === 'answer' && (error.status === 409 || error.status === 404)) {
        const first = error.body['item'];
        if (first) this.#changed(takeItem(this.world, first as Item));
        return { outcome: 'sent' };
      }
      return { outcome: 'rejected', reason: error.detail };
    } finally {
      this.#say({ type: 'outbox' });
    }
  }

  /** Say it in the place of what it was made of: under the same name, unless that has arrived and is taken back now. */
  async #post(entry: WaitingMessage, said: Parameters<Api['sendMessage']>[1]) {
    const { api } = this.#options;
    const { thread_id: thread, edits: [first, ...others] = [] } = entry;
    const takeBack = (id: string) =>
      api.withdrawMessage(thread, id).catch((error: unknown) => {
        if (!isProblem(error, 'unknown_message')) throw error;
      });
    if (!first) return api.sendMessage(thread, said);
    for (const id of others) await takeBack(id);
    try {
      return await api.sendMessage(thread, { ...said, id: first });
    } catch (error) {
      if (!isProblem(error, 'message_exists')) throw error;
    }
    await takeBack(first);
    return api.sendMessage(thread, said);
  }

  /**
   * What waited here with a message goes ahead of it. Kept once, it need not be sent again. Null where the message was
   * discarded, or taken back, meanwhile.
   */
  async #keepFiles(entry: WaitingMessage): Promise<{ id: string; name: string }[] | null> {
    if (!entry.files) return [];
    const files: WaitingFile[] = [];
    for (const file of entry.files) {
      const { data } = file;
      if (file.id || !data) files.push(file);
      else {
        const { keepFile } = await import('./files');
        const { id, type } = await this.call(() => keepFile(this.#options.api, data));
        files.push({ ...file, id, type });
      }
    }
    const sent = files.some((file, i) => file.id !== entry.files?.[i]?.id);
    if (sent && !(await this.outbox.replace({ ...entry, files }))) return null;
    return files.map(({ id, name }) => ({ id: id ?? '', name }));
  }

  async #loadState(): Promise<void> {
    this.#early ??= [];
    try {
      await this.#readState();
    } finally {
      const early = this.#early;
      this.#early = null;
      early.forEach((frame) => this.#take(frame));
    }
  }

  async #readState(): Promise<void> {
    const backoff = new Backoff();
    const since = Date.now();
    const late = setTimeout(() => {
      if (this.#current) return;
      this.#setLink({ state: 'down', since });
      void this.#readKept();
    }, PATIENCE_MS);
    try {
      await this.#readStateAtLast(backoff);
    } finally {
      clearTimeout(late);
    }
  }

  /** What this browser has read before, while the server can't be asked. */
  async #readKept(): Promise<void> {
    if (this.world.state) return;
    const kept = await this.#cache()
      .then((cache) => cache.read())
      .catch(() => null);
    if (!kept || this.world.state || this.#link.state === 'signed_out') return;
    this.#changed(takeState(this.world, kept.state));
    for (const log of kept.logs) {
      if (log.entries.length > 0) this.#changed(takeKept(this.world, log.thread, log));
    }
  }

  async #readStateAtLast(backoff: Backoff): Promise<void> {
    for (;;) {
      const asking = (this.#asking = new AbortController());
      const over = setTimeout(() => asking.abort(), GIVE_UP_MS);
      try {
        const state = await this.call(() => this.#options.api.state(asking.signal));
        this.#current = true;
        this.#changed(takeState(this.world, state));
        return;
      } catch (error) {
        if (this.#link.state === 'signed_out') return;
        if (asking.signal.aborted) continue;
        if (error instanceof Problem && !error.passing) throw error;
        this.#lostLine();
        void this.#readKept();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          setTimeout(resolve, backoff.next());
        });
      } finally {
        clearTimeout(over);
      }
    }
  }

  /** Too far behind, or something was missed: the snapshot again, then what the open logs lack. */
  #reload(): Promise<void> {
    this.#reloading ??= (async () => {
      await this.#loadState();
      await this.#catchUp();
    })().finally(() => {
      this.#reloading = null;
    });
    return this.#reloading;
  }

  async #catchUp(): Promise<void> {
    for (const [threadId, log] of this.world.logs) {
      // A window in the past has lost nothing.
      if (!log.loaded || !log.atEnd) continue;
      log.gap = true;
      await this.#mend(threadId);
    }
  }

  #mendSoon(threadId: string): void {
    // Without a line it is tried again when there is one.
    this.#once(`mend:${threadId}`, () => this.#mend(threadId)).catch(() => undefined);
  }

  /** Fetch what is missing at the end of a log. */
  async #mend(threadId: string): Promise<void> {
    for (let pages = 0; pages < PAGES_TO_CATCH_UP; pages++) {
      const log = this.world.logs.get(threadId);
      if (!log?.gap) return;
      const query = { after: log.last, limit: PAGE };
      const page = await this.call(() => this.#options.api.events(threadId, query));
      this.#changed(takePage(this.world, threadId, page, 'newer'));
      if (page.more) log.gap = true;
    }
    await this.#open(threadId, {});
  }

  #take(frame: Frame): void {
    if (this.#early) {
      this.#early.push(frame);
      return;
    }
    switch (frame.type) {
      case 'event': {
        this.#changed(takeEvent(this.world, frame.event));
        const threadId = frame.event.thread_id;
        if (this.world.logs.get(threadId)?.gap) this.#mendSoon(threadId);
        break;
      }
      case 'delta':
        this.#changed(takeDelta(this.world, frame.delta));
        if (this.world.torn) void this.#once('torn', () => this.#patchOpenMessages());
        break;
      case 'status':
        this.#changed(takeStatus(this.world, frame.status));
        break;
      case 'read':
        this.#changed(takeMark(this.world, frame.mark));
        break;
      case 'keys':
        this.#changed(takeKeys(this.world, frame.keys));
        break;
      case 'preferences':
        this.#changed(new Set(['preferences']));
        break;
      case 'reset':
        void this.#reload();
        break;
    }
  }

  async #patchOpenMessages(): Promise<void> {
    const state = await this.call(() => this.#options.api.state());
    this.#changed(takeOpenMessages(this.world, state.open_messages));
  }

  #hear(word: Word): void {
    this.#lastPulse = Date.now();
    switch (word.type) {
      case 'frame':
        if (this.#leadership.leading) return;
        if (!this.#early && isLater(word.after, this.world.cursor)) void this.#reload();
        this.#take(word.frame);
        break;
      case 'link':
        if (word.link.state === 'signed_out') {
          if (this.#link.state !== 'signed_out') this.signedOut(word.link.reason);
        } else if (!this.#leadership.leading && this.#current) this.#setLink(word.link);
        break;
      case 'outbox':
        void this.outbox.load().then(() => this.outbox.flush());
        break;
      case 'who':
        if (this.#leadership.leading) this.#say({ type: 'link', link: this.#link });
        break;
      case 'pulse':
        break;
    }
  }

  #say(word: Word): void {
    try {
      this.#channel?.postMessage(word);
    } catch {
      // The channel is closed: this tab is going away.
    }
  }

  #setLink(link: Link): void {
    // What is signed out stays so until the page is loaded again.
    if (this.#link.state === 'signed_out' && link.state !== 'signed_out') return;
    if (link.state === 'down' && this.#link.state === 'down') return;
    if (link.state === this.#link.state && link.state !== 'signed_out') return;
    this.#link = link;
    this.#options.onlink(link);
    if (this.#leadership.leading || link.state === 'signed_out') this.#say({ type: 'link', link });
    if (link.state !== 'open') return;
    void this.outbox.flush();
    // What was read before the line was there.
    this.#keepSoon();
  }

  #lostLine(): void {
    this.#setLink({ state: 'down', since: Date.now() });
  }

  #changed(changes: Changes): void {
    if (changes.size === 0) return;
    this.#options.onchange(changes);
    // What was kept is not kept once more.
    if (!this.#current) return;
    for (const topic of changes) if (topic.startsWith('log:')) this.#unkept.add(topic.slice(4));
    this.#keepSoon();
  }

  #keepSoon(): void {
    if (this.#link.state === 'open') this.#keeping ??= setTimeout(() => this.#keep(), KEEP_MS);
  }

  #keep(): void {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    if (this.#link.state === 'signed_out') return;
    // Without waiting, where that can be: the page may be going away.
    if (this.#opened) this.#keepIn(this.#opened);
    else
      void this.#cache()
        .then((cache) => this.#keepIn(cache))
        .catch(() => undefined);
  }

  #keepIn(cache: Cache): void {
    // The cache may have opened only after that.
    if (this.#link.state === 'signed_out') return;
    const threads = [...this.#unkept];
    this.#unkept.clear();
    cache.keep(this.world, threads);
  }

  #once(name: string, work: () => Promise<void>): Promise<void> {
    let running = this.#loading.get(name);
    if (!running) {
      running = work().finally(() => this.#loading.delete(name));
      this.#loading.set(name, running);
    }
    return running;
  }

  #retry = (): void => {
    this.#wake();
    // One that hangs. Without a line only: with one it is on its way.
    if (this.#link.state === 'down') this.#asking?.abort();
    this.#stream.retry();
    void this.outbox.flush();
  };

  #offline = (): void => {
    // Also an opening that is under way: its answer would say that there is a line.
    if (this.#leadership.leading) this.#stream.drop();
  };

  #visible = (): void => {
    if (document.visibilityState !== 'visible') {
      if (this.#keeping) this.#keep();
      return;
    }
    this.#retry();
    this.#say({ type: 'who' });
  };

  #minder(): void {
    // What the server was too busy for is tried again.
    if (this.#link.state === 'open') void this.outbox.flush();
    const quiet = Date.now() - this.#lastPulse > LEADER_SILENCE_MS;
    if (quiet && !this.#leadership.leading && document.visibilityState === 'visible') {
      this.#lastPulse = Date.now();
      this.#leadership.steal();
    }
  }

  /** The page goes away: an answer that was only held for its undo is meant, so it is sent. */
  #leave = (): void => {
    for (const entry of this.outbox.entries) {
      if (entry.kind === 'answer' && entry.state === 'waiting' && entry.not_before > Date.now()) {
        this.#options.api.answerOnTheWayOut(entry.item_id, entry.answer);
      }
    }
  };
}

function isProblem(error: unknown, code: string): boolean {
  return error instanceof Problem && error.code === code;
}
