/**
 * The key of this browser, lent to its worker: answers that are given on a notification are given without a page, and a
 * worker can't read where the page keeps it.
 */
import { done } from './outbox';

const DATABASE = 'mainloop-lent';
const STORE = 'key';

let opening: Promise<IDBDatabase> | undefined;

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  opening ??= open();
  return (await opening).transaction(STORE, mode).objectStore(STORE);
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

/** Lend it; without one nothing is lent any more. Where a browser has no database its notifications open the page. */
export async function lend(key: string | null): Promise<void> {
  try {
    const kept = await store('readwrite');
    if (key === null) await done(kept.clear());
    else await done(kept.put(key, STORE));
  } catch {
    // As said.
  }
}

export async function lent(): Promise<string | null> {
  try {
    return ((await done((await store('readonly')).get(STORE))) as string | undefined) ?? null;
  } catch {
    return null;
  }
}
