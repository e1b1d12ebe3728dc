/**
 * What was said here and not yet accepted by the server. Kept in the browser's database until it is, sent by one
 * tab, in order per conversation; every entry carries its own id, so sending twice is the same as once.
 */
import type { GivenAnswer } from './answer';

interface Kept {
  id: string;
  /** Order of writing. */
  at: number;
  state: 'waiting' | 'rejected';
  /** The server's sentence, where it refused. */
  reason: string;
}

/** A file that is given with a message. Once the server keeps it, it has an id; until then its data wait here. */
export interface WaitingFile {
  name: string;
  size: number;
  type: string;
  id: string | null;
  data: Blob | null;
}

export interface WaitingMessage extends Kept {
  kind: 'message';
  thread_id: string;
  text: string;
  mode: 'queue' | 'steer';
  files?: WaitingFile[];
  /** Messages whose place it takes: they were taken back while a request of them may have been under way. */
  edits?: string[];
}

export interface WaitingAnswer extends Kept {
  kind: 'answer';
  item_id: string;
  answer: GivenAnswer;
  /** Held until then, so that it can be undone. */
  not_before: number;
  /** Answers that were given with one tap, and are undone with one. */
  batch?: string;
}

export type Waiting = WaitingMessage | WaitingAnswer;

export interface OutboxStore {
  all(): Promise<Waiting[]>;
  /** False where nobody but this program remembers it, for as long as it runs. */
  put(entry: Waiting): Promise<boolean>;
  /** Put an entry that is still kept; false where it is gone. */
  replace(entry: Waiting): Promise<boolean>;
  delete(id: string): Promise<void>;
}

export type Outcome =
  | { outcome: 'sent' }
  | { outcome: 'rejected'; reason: string }
  | { outcome: 'later' }
  /** Discarded while it was on its way. */
  | { outcome: 'gone' };

export interface OutboxOptions {
  store: OutboxStore;
  send: (entry: Waiting) => Promise<Outcome>;
  /** Whether this tab is the one that sends, and has a line to do so. */
  maySend: () => boolean;
  onchange: () => void;
  now?: () => number;
}

const RETRY_MS = 3000;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #now: () => number;
  #entries: Waiting[] = [];
  /** Counts what was said and discarded here. */
  #changes = 0;
  /** What is being sent, one after the other per lane; no lane waits for another. */
  readonly #lanes = new Map<string, Promise<void>>();
  /** When a lane is tried again: the server took something not now, be it a full disk or a database that is away. */
  readonly #later = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  get entries(): readonly Waiting[] {
    return this.#entries;
  }

  /** Read what is kept: at the start, and when another tab changed it. */
  async load(): Promise<void> {
    let kept: Waiting[];
    let changes: number;
    do {
      changes = this.#changes;
      kept = await this.#options.store.all();
      // Said or discarded while it was read: what was read may not know of that.
    } while (changes !== this.#changes);
    this.#entries = kept.sort((a, b) => a.at - b.at);
    this.#options.onchange();
  }

  async add(entry: Waiting): Promise<void> {
    this.#changes++;
    // Shown before it is stored: the person sees at once what they said.
    if (this.#has(entry.id)) this.#swap(entry);
    else this.#entries = [...this.#entries, entry];
    this.#options.onchange();
    this.#schedule();
    await this.#options.store.put(entry);
  }

  /** Change an entry where it stands. False where it is gone, be it that another tab discarded it. */
  async replace(entry: Waiting): Promise<boolean> {
    if (!this.#has(entry.id)) return false;
    const kept = await this.#options.store.replace(entry);
    // Discarded here while it was written: the store was told so after this.
    if (!this.#has(entry.id)) return false;
    if (kept) this.#swap(entry);
    else this.#entries = this.#entries.filter((other) => other.id !== entry.id);
    this.#options.onchange();
    return kept;
  }

  #has(id: string): boolean {
    return this.#entries.some((entry) => entry.id === id);
  }

  #swap(entry: Waiting): void {
    this.#entries = this.#entries.map((other) => (other.id === entry.id ? entry : other));
  }

  async remove(id: string): Promise<void> {
    this.#changes++;
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#options.onchange();
    await this.#options.store.delete(id);
  }

  /** Send what is due. Safe to call at any time and from any number of places. */
  async flush(): Promise<void> {
    this.#later.clear();
    if (this.#options.maySend()) {
      const due = this.#entries.filter((entry) => this.#isDue(entry));
      for (const lane of new Set(due.map(laneOf))) {
        if (this.#lanes.has(lane)) continue;
        this.#lanes.set(
          lane,
          Promise.resolve().then(() => this.#send(lane)),
        );
      }
    }
    this.#schedule();
    await Promise.all(this.#lanes.values());
  }

  async #send(lane: string): Promise<void> {
    try {
      while (this.#options.maySend()) {
        // Looked up anew each time: meanwhile some were discarded, and others came.
        const entry = this.#entries.find((kept) => laneOf(kept) === lane && this.#isDue(kept));
        if (!entry) return;
        const result = await this.#options.send(entry);
        if (result.outcome === 'later') {
          this.#later.set(lane, this.#now() + RETRY_MS);
          return;
        }
        if (result.outcome === 'sent') await this.remove(entry.id);
        else if (result.outcome === 'rejected') {
          // As it is now: its files may have been kept meanwhile.
          const now = this.#entries.find((kept) => kept.id === entry.id);
          if (now) await this.replace({ ...now, state: 'rejected', reason: result.reason });
        }
      }
    } finally {
      this.#lanes.delete(lane);
      this.#schedule();
    }
  }

  #isDue(entry: Waiting): boolean {
    if (entry.state !== 'waiting') return false;
    return entry.kind === 'message' || entry.not_before <= this.#now();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const held = this.#entries.flatMap((entry) =>
      entry.kind === 'answer' && entry.state === 'waiting' && entry.not_before > this.#now()
        ? [entry.not_before]
        : [],
    );
    const next = Math.min(...held, ...this.#later.values());
    if (next === Infinity) return;
    this.#timer = setTimeout(() => void this.flush(), Math.max(0, next - this.#now()));
  }
}

function laneOf(entry: Waiting): string {
  return entry.kind === 'message' ? `m:${entry.thread_id}` : `a:${entry.item_id}`;
}

const DATABASE = 'mainloop';
const STORE = 'outbox';

/** What a request to the browser's database finds. */
export function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () =>
      reject(request.error ?? new Error('The database of the browser failed.'));
  });
}

/** Once what a transaction wrote is kept. With files in it a full disk is told only here, not at its requests. */
function kept(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () =>
      reject(transaction.error ?? new Error('The database of the browser failed.'));
  });
}

/** The outbox in the browser's database; in memory where there is none, so that sending still works. */
export class BrowserOutboxStore implements OutboxStore {
  readonly #memory = new Map<string, Waiting>();
  #opening: Promise<IDBDatabase | null> | null = null;

  constructor(private readonly factory: IDBFactory | undefined = globalThis.indexedDB) {}

  async all(): Promise<Waiting[]> {
    const store = await this.#objects('readonly');
    const stored = store ? ((await done(store.getAll())) as Waiting[]) : [];
    // What could not be written again is newer here.
    return [...stored.filter(({ id }) => !this.#memory.has(id)), ...this.#memory.values()];
  }

  async put(entry: Waiting): Promise<boolean> {
    try {
      const store = await this.#objects('readwrite');
      if (!store) throw new Error('none');
      store.put(entry);
      await kept(store.transaction);
      this.#memory.delete(entry.id);
      return true;
    } catch {
      this.#memory.set(entry.id, entry);
      return false;
    }
  }

  async replace(entry: Waiting): Promise<boolean> {
    if (this.#memory.has(entry.id)) {
      this.#memory.set(entry.id, entry);
      return true;
    }
    const store = await this.#objects('readwrite');
    // In the one transaction: between two of them another tab may discard it.
    if (!store || (await done(store.getKey(entry.id))) === undefined) return false;
    store.put(entry);
    await kept(store.transaction).catch(() => this.#memory.set(entry.id, entry));
    return true;
  }

  async delete(id: string): Promise<void> {
    this.#memory.delete(id);
    const store = await this.#objects('readwrite');
    if (!store) return;
    store.delete(id);
    await kept(store.transaction);
  }

  async #objects(mode: IDBTransactionMode): Promise<IDBObjectStore | null> {
    this.#opening ??= this.#open();
    const database = await this.#opening;
    return database ? database.transaction(STORE, mode).objectStore(STORE) : null;
  }

  async #open(): Promise<IDBDatabase | null> {
    if (!this.factory) return null;
    try {
      const request = this.factory.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
      return await done(request);
    } catch {
      return null;
    }
  }
}
