import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { describe, expect, test, vi } from 'vitest';
import {
  BrowserOutboxStore,
  Outbox,
  type Outcome,
  type OutboxStore,
  type Waiting,
  type WaitingAnswer,
  type WaitingMessage,
} from './outbox';

class Memory implements OutboxStore {
  readonly kept = new Map<string, Waiting>();
  all = () => Promise.resolve([...this.kept.values()]);
  put = (entry: Waiting) => Promise.resolve(Boolean(this.kept.set(entry.id, entry)));
  replace = (entry: Waiting) => {
    if (!this.kept.has(entry.id)) return Promise.resolve(false);
    this.kept.set(entry.id, entry);
    return Promise.resolve(true);
  };
  delete = (id: string) => Promise.resolve(void this.kept.delete(id));
}

function message(id: string, thread = 'main', at = Number(id)): WaitingMessage {
  return {
    kind: 'message',
    id,
    thread_id: thread,
    text: `text ${id}`,
    mode: 'queue',
    at,
    state: 'waiting',
    reason: '',
  };
}

function answer(id: string, notBefore: number): WaitingAnswer {
  return {
    kind: 'answer',
    id,
    item_id: `item ${id}`,
    answer: { id, decision: 'allow' },
    not_before: notBefore,
    at: 1,
    state: 'waiting',
    reason: '',
  };
}

function outbox(send: (entry: Waiting) => Promise<Outcome>, store: OutboxStore = new Memory()) {
  const gate = { open: true, now: 0 };
  const box = new Outbox({
    store,
    send,
    maySend: () => gate.open,
    onchange: () => undefined,
    now: () => gate.now,
  });
  return { box, gate };
}

const sent: Outcome = { outcome: 'sent' };

describe('messages', () => {
  test('go out in order, one after the other, per conversation', async () => {
    const log: string[] = [];
    const { box, gate } = outbox(async (entry) => {
      log.push(`start ${entry.id}`);
      await Promise.resolve();
      log.push(`end ${entry.id}`);
      return sent;
    });
    gate.open = false;
    for (const id of ['1', '2', '3']) await box.add(message(id));
    gate.open = true;
    await box.flush();
    expect(log).toEqual(['start 1', 'end 1', 'start 2', 'end 2', 'start 3', 'end 3']);
    expect(box.entries).toEqual([]);
  });

  test('wait behind one that did not get through, and keep their order', async () => {
    const seen: string[] = [];
    let up = false;
    const { box } = outbox((entry) => {
      seen.push(entry.id);
      return Promise.resolve(up ? sent : { outcome: 'later' });
    });
    await box.add(message('1'));
    await box.add(message('2'));
    await box.flush();
    expect(seen).toEqual(['1']);
    up = true;
    await box.flush();
    expect(seen).toEqual(['1', '1', '2']);
  });

  test('of another conversation are not held up', async () => {
    const seen: string[] = [];
    const { box } = outbox((entry) => {
      seen.push(entry.id);
      return Promise.resolve(entry.id === '1' ? { outcome: 'later' } : sent);
    });
    await box.add(message('1', 'main'));
    await box.add(message('2', 's1'));
    await box.flush();
    expect(seen.sort()).toEqual(['1', '2']);
    expect(box.entries.map((entry) => entry.id)).toEqual(['1']);
  });

  test('that were refused stay with the reason and block nobody', async () => {
    const { box } = outbox((entry) =>
      Promise.resolve(entry.id === '1' ? { outcome: 'rejected', reason: 'Too long.' } : sent),
    );
    await box.add(message('1'));
    await box.add(message('2'));
    await box.flush();
    expect(box.entries).toMatchObject([{ id: '1', state: 'rejected', reason: 'Too long.' }]);
    await box.flush();
    expect(box.entries).toHaveLength(1);
  });

  test('are not sent by a tab that may not', async () => {
    const send = vi.fn(() => Promise.resolve(sent));
    const { box, gate } = outbox(send);
    gate.open = false;
    await box.add(message('1'));
    await box.flush();
    expect(send).not.toHaveBeenCalled();
  });

  test('are sent once, however often one asks for a flush', async () => {
    const seen: string[] = [];
    const { box } = outbox(async (entry) => {
      seen.push(entry.id);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return sent;
    });
    await box.add(message('1'));
    await Promise.all([box.flush(), box.flush(), box.flush()]);
    expect(seen).toEqual(['1']);
  });

  test('written while another is on its way follow it', async () => {
    const seen: string[] = [];
    let arrive: (outcome: Outcome) => void = () => undefined;
    const { box } = outbox((entry) => {
      seen.push(entry.id);
      if (entry.id !== '1') return Promise.resolve(sent);
      return new Promise((resolve) => (arrive = resolve));
    });
    await box.add(message('1'));
    const flushed = box.flush();
    await Promise.resolve();
    await box.add(message('2'));
    expect(seen).toEqual(['1']);
    arrive(sent);
    await flushed;
    expect(seen).toEqual(['1', '2']);
    expect(box.entries).toEqual([]);
  });

  test('that the server takes not now are tried again by themselves', async () => {
    vi.useFakeTimers();
    const seen: string[] = [];
    const { box, gate } = outbox((entry) => {
      seen.push(entry.id);
      return Promise.resolve(seen.length > 1 ? sent : { outcome: 'later' });
    });
    await box.add(message('1'));
    await box.flush();
    gate.now = 3000;
    await vi.advanceTimersByTimeAsync(3000);
    expect(seen).toEqual(['1', '1']);
    expect(box.entries).toEqual([]);
    vi.useRealTimers();
  });

  test('survive a reload', async () => {
    const factory = new IDBFactory();
    const before = outbox(
      () => Promise.resolve({ outcome: 'later' }),
      new BrowserOutboxStore(factory),
    );
    await before.box.add(message('2'));
    await before.box.add(message('1'));
    const after = outbox(() => Promise.resolve(sent), new BrowserOutboxStore(factory));
    await after.box.load();
    expect(after.box.entries.map((entry) => entry.id)).toEqual(['1', '2']);
    await after.box.flush();
    expect(await new BrowserOutboxStore(factory).all()).toEqual([]);
  });

  test('keep their place when they change', async () => {
    const { box } = outbox(() => Promise.resolve(sent));
    await box.add(message('1'));
    await box.add(message('2'));
    expect(await box.replace({ ...message('1'), text: 'changed' })).toBe(true);
    await box.add({ ...message('1'), text: 'said anew' });
    expect(box.entries).toMatchObject([{ text: 'said anew' }, { id: '2' }]);
  });

  test('that another tab discarded do not come back', async () => {
    const factory = new IDBFactory();
    const { box } = outbox(() => Promise.resolve(sent), new BrowserOutboxStore(factory));
    await box.add(message('1'));
    await box.add(message('2'));
    const store = new BrowserOutboxStore(factory);
    await store.delete('1');
    expect(await box.replace({ ...message('1'), text: 'changed' })).toBe(false);
    expect(box.entries).toMatchObject([{ id: '2' }]);
    expect(await store.all()).toMatchObject([{ id: '2' }]);
  });

  test('that are discarded while what is kept is read do not come back', async () => {
    const store = new BrowserOutboxStore(new IDBFactory());
    const { box } = outbox(() => Promise.resolve(sent), store);
    await box.add(message('1'));
    await box.add(message('2'));
    await Promise.all([box.load(), box.remove('1')]);
    expect(box.entries).toMatchObject([{ id: '2' }]);
  });

  test('that were discarded while they were on their way do not come back refused', async () => {
    const { box } = outbox(async (entry) => {
      await box.remove(entry.id);
      return { outcome: 'rejected', reason: 'Too long.' };
    });
    await box.add(message('1'));
    await box.flush();
    expect(box.entries).toEqual([]);
  });

  test('stay where the disk turns out to be full only at the end of writing', async () => {
    const factory = new IDBFactory();
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
    ) {
      const request = this.count();
      request.addEventListener('success', () => this.transaction.abort());
      return request as unknown as IDBRequest<IDBValidKey>;
    });
    const store = new BrowserOutboxStore(factory);
    const { box } = outbox(() => Promise.resolve(sent), store);
    await box.add(message('1'));
    put.mockRestore();
    await box.load();
    expect(box.entries).toMatchObject([{ id: '1', text: 'text 1' }]);
    await box.flush();
    expect(await store.all()).toEqual([]);
  });

  test('can be sent where the browser has no database', async () => {
    const { box } = outbox(
      () => Promise.resolve({ outcome: 'later' }),
      new BrowserOutboxStore(undefined),
    );
    await box.add(message('1'));
    await box.load();
    expect(box.entries).toHaveLength(1);
  });
});

describe('answers', () => {
  test('are held for their undo, then sent', async () => {
    vi.useFakeTimers();
    const seen: string[] = [];
    const { box, gate } = outbox((entry) => {
      seen.push(entry.id);
      return Promise.resolve(sent);
    });
    await box.add(answer('a', 3000));
    await box.flush();
    expect(seen).toEqual([]);
    gate.now = 3000;
    await vi.advanceTimersByTimeAsync(3000);
    expect(seen).toEqual(['a']);
    vi.useRealTimers();
  });

  test('go out while a file is still on its way', async () => {
    vi.useFakeTimers();
    const seen: string[] = [];
    const { box, gate } = outbox((entry) => {
      seen.push(entry.id);
      return entry.kind === 'message' ? new Promise(() => undefined) : Promise.resolve(sent);
    });
    await box.add(message('1'));
    void box.flush();
    await box.add(answer('a', 3000));
    void box.flush();
    gate.now = 3000;
    await vi.advanceTimersByTimeAsync(3000);
    expect(seen).toEqual(['1', 'a']);
    vi.useRealTimers();
  });

  test('that were undone are never sent', async () => {
    const send = vi.fn(() => Promise.resolve(sent));
    const { box, gate } = outbox(send);
    await box.add(answer('a', 3000));
    await box.flush();
    await box.remove('a');
    gate.now = 5000;
    await box.flush();
    expect(send).not.toHaveBeenCalled();
  });
});
