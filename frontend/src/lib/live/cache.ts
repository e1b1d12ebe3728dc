/**
 * What was read of the server, kept in the browser's database, so that it can be read again where the server is gone:
 * the state of the first screen and the end of every thread that was looked at.
 */
import { done } from './outbox';
import { type Entry, type Log, type World, inOrder } from './reducer';
import type { State } from './types';

const DATABASE = 'mainloop-read';
const STORE = 'read';
const STATE = 'state';
const LOG = 'log:';
/** So many entries of a thread's end are kept, of so many threads. */
const ENTRIES = 300;
const THREADS = 30;

export interface KeptLog {
  thread: string;
  at: number;
  first: number;
  last: number;
  entries: Entry[];
}

export interface Kept {
  state: State;
  logs: KeptLog[];
}

/** What a reload would be told by the server, as far as this browser knows it. */
export function stateOf(world: World): State | null {
  if (!world.state) return null;
  return {
    ...world.state,
    cursor: world.cursor,
    main: world.main,
    sessions: [...world.sessions.values()],
    items: [...world.items.values()],
    projects: [...world.projects.values()],
    marks: [...world.marks.values()],
    queued: [...world.queued].flatMap(([thread_id, messages]) =>
      [...messages.values()].map((message) => ({ thread_id, message })),
    ),
    open_messages: [],
  };
}

/** The end of a thread; null for a window in its past. */
export function endOf(thread: string, log: Log, at: number): KeptLog | null {
  if (!log.loaded || !log.atEnd) return null;
  const entries = inOrder(log).slice(-ENTRIES);
  const first = entries.length < log.entries.size ? (entries[0]?.place ?? log.last) : log.first;
  return { thread, at, first, last: log.last, entries };
}

export class Cache {
  /** Open once it was asked for; null where there is none. */
  #database: IDBDatabase | null = null;

  static async open(factory: IDBFactory | null = globalThis.indexedDB ?? null): Promise<Cache> {
    const cache = new Cache();
    if (!factory) return cache;
    const request = factory.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    cache.#database = await done(request).catch(() => null);
    return cache;
  }

  /** Write the state, and the ends of these threads: at once, for the page may be going away. */
  keep(world: World, threads: Iterable<string>, now = Date.now()): void {
    const state = stateOf(world);
    const store = this.#store('readwrite');
    if (!state || !store) return;
    store.put(state, STATE);
    for (const thread of threads) {
      const log = world.logs.get(thread);
      const end = log && endOf(thread, log, now);
      if (end) store.put(end, LOG + thread);
    }
    // Else it would end when its last answer is heard, which a page that goes away does not live to hear.
    store.transaction.commit();
  }

  async read(): Promise<Kept | null> {
    const store = this.#store('readonly');
    if (!store) return null;
    const state = done(store.get(STATE)) as Promise<State | undefined>;
    const logs = (await done(store.getAll(IDBKeyRange.bound(LOG, `${LOG}\uffff`)))) as KeptLog[];
    const kept = await state;
    if (!kept) return null;
    this.#forgetOldest(logs);
    return { state: kept, logs };
  }

  /** The end of one thread. */
  async readLog(thread: string): Promise<KeptLog | null> {
    const store = this.#store('readonly');
    return store ? (((await done(store.get(LOG + thread))) as KeptLog | undefined) ?? null) : null;
  }

  /** This device is not let in any more: what it has read is not left lying about. */
  async clear(): Promise<void> {
    const store = this.#store('readwrite');
    if (store) await done(store.clear());
  }

  #forgetOldest(logs: KeptLog[]): void {
    if (logs.length <= THREADS) return;
    const store = this.#store('readwrite');
    const oldest = [...logs].sort((a, b) => b.at - a.at).slice(THREADS);
    for (const { thread } of oldest) store?.delete(LOG + thread);
  }

  #store(mode: IDBTransactionMode): IDBObjectStore | null {
    return this.#database?.transaction(STORE, mode).objectStore(STORE) ?? null;
  }
}
