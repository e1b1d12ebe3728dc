import 'fake-indexeddb/auto';
import { afterEach, expect, test, vi } from 'vitest';
import { Problem, Unreachable, type Api } from './api';
import { Cache } from './cache';
import { Live, type Link } from './live';
import type { OutboxStore, Waiting } from './outbox';
import { MAIN, inOrder } from './reducer';
import type { MessageBody, State } from './types';

const keepFile = vi.hoisted(() => vi.fn());
vi.mock('./files', () => ({ keepFile }));

/** A server behind the API's own methods, and the one line of its stream. */
class FakeServer {
  log: object[] = [];
  line: ReadableStreamDefaultController<Uint8Array> | null = null;
  refusal: Error | null = null;
  hangs = false;
  sent: unknown[] = [];
  stateGate: Promise<void> = Promise.resolve();
  streamGate: Promise<void> = Promise.resolve();

  say(text: string): object {
    const seq = this.log.length + 1;
    const body = { id: `m${seq}`, role: 'assistant', text, status: 'finished', turn: 1 };
    const event = { cursor: String(seq), thread_id: MAIN, seq, kind: 'message', at: '', body };
    this.log.push(event);
    this.push('event', event);
    return event;
  }

  push(name: string, data: object): void {
    this.line?.enqueue(
      new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`),
    );
  }

  readonly api = {
    state: async (signal: AbortSignal) => {
      if (this.refusal) throw this.refusal;
      if (this.hangs)
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      const cursor = String(this.log.length);
      await this.stateGate;
      return {
        cursor,
        marks: [],
        main: { id: MAIN, turn: 0, working: false, seq: 0, status: {} },
        sessions: [],
        items: [],
        projects: [],
        queued: [],
        open_messages: [],
      } as unknown as State;
    },
    stream: async (_: string, signal: AbortSignal) => {
      await this.streamGate;
      if (this.refusal) throw this.refusal;
      const body = new ReadableStream<Uint8Array>({ start: (line) => (this.line = line) });
      signal.addEventListener('abort', () => {
        this.line?.error(new DOMException('aborted', 'AbortError'));
        this.line = null;
      });
      return new Response(body);
    },
    events: async (_: string, { after = 0 }: { after?: number }) => ({
      events: this.log.slice(after),
      more: false,
      newest: this.log.length,
    }),
    sendMessage: async (_: string, message: unknown) => {
      if (this.refusal) throw this.refusal;
      this.sent.push(message);
      return { ...(message as object), status: 'queued' } as MessageBody;
    },
    answerOnTheWayOut: vi.fn(),
  } as unknown as Api;
}

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

const living: Live[] = [];
afterEach(() => {
  living.splice(0).forEach((live) => live.stop());
});

async function follow(server: FakeServer, store = new Memory()) {
  const links: Link[] = [];
  const live = new Live({
    api: server.api,
    onchange: () => undefined,
    onlink: (link) => links.push(link),
    onoutbox: () => undefined,
    onrefused: () => undefined,
    outboxStore: store,
  });
  living.push(live);
  await live.start();
  await live.openThread(MAIN).catch(() => undefined);
  await settle();
  return { live, links, store };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

const texts = (live: Live) => {
  const log = live.world.logs.get(MAIN);
  return log ? inOrder(log).map(({ event }) => (event.body as MessageBody).text) : [];
};

test('what was there and what comes are one conversation', async () => {
  const server = new FakeServer();
  server.say('one');
  const { live } = await follow(server);
  server.say('two');
  await settle();
  expect(texts(live)).toEqual(['one', 'two']);
});

test('what was said after the first page, which the shell asks for, and before the state is there', async () => {
  const server = new FakeServer();
  server.say('before');
  const asked = server.api.events(MAIN, {});
  await asked;
  server.say('between');
  vi.spyOn(server.api, 'events').mockReturnValueOnce(asked);
  const { live } = await follow(server);
  expect(texts(live)).toEqual(['before', 'between']);
});

test('nothing is lost while the snapshot is read again', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  let open: () => void = () => undefined;
  server.stateGate = new Promise((resolve) => (open = resolve));
  server.push('reset', {});
  await settle();
  server.say('said while the snapshot was on its way');
  await settle();
  open();
  await settle();
  expect(texts(live)).toEqual(['said while the snapshot was on its way']);
  expect(live.world.cursor).toBe('1');
});

test('a hole in the log is fetched', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  const line = server.line;
  server.line = null;
  server.say('missed');
  server.line = line;
  server.say('heard');
  await settle();
  expect(texts(live)).toEqual(['missed', 'heard']);
});

test('a message waits while the server is away, and is sent once when it is back', async () => {
  const server = new FakeServer();
  const { live, store } = await follow(server);
  server.refusal = new Unreachable(new TypeError('no network'));
  await live.sendMessage(MAIN, 'hello', 'queue');
  await settle();
  expect(store.kept.size).toBe(1);
  server.refusal = null;
  live.retry();
  await settle();
  expect(server.sent).toMatchObject([{ text: 'hello', mode: 'queue' }]);
  expect(store.kept.size).toBe(0);
});

test('a message that does not get through says that the line is gone, though the stream still stands', async () => {
  const server = new FakeServer();
  const { live, links } = await follow(server);
  expect(live.link.state).toBe('open');
  server.refusal = new Unreachable(new TypeError('no network'));
  await live.sendMessage(MAIN, 'hello', 'queue');
  await settle();
  expect(links.at(-1)?.state).toBe('down');
});

test('a browser that goes offline while the stream is opening has no line', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  dispatchEvent(new Event('offline'));
  server.refusal = new Unreachable(new TypeError('no network'));
  await settle();
  expect(live.link.state).toBe('down');
});

test('a message written before the line is up goes out when it is', async () => {
  // Locks are granted a moment later than they are asked for.
  const locks = {
    request: (_: string, __: object, work: () => Promise<void>) => settle().then(work),
  };
  Object.defineProperty(navigator, 'locks', { value: locks, configurable: true });
  const server = new FakeServer();
  let open: () => void = () => undefined;
  server.stateGate = new Promise((resolve) => (open = resolve));
  const following = follow(server);
  await settle();
  await living[0]?.sendMessage(MAIN, 'early', 'queue');
  open();
  await following;
  await settle();
  await settle();
  Reflect.deleteProperty(navigator, 'locks');
  expect(server.sent).toMatchObject([{ text: 'early' }]);
});

test('a message that is refused stays, with the sentence of the server', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  server.refusal = new Problem(413, 'too_long', 'This message is too long.');
  await live.sendMessage(MAIN, 'x', 'queue');
  await settle();
  expect(live.outbox.entries).toMatchObject([
    { state: 'rejected', reason: 'This message is too long.' },
  ]);
});

test('a message that is discarded while its file goes out is not sent, and the next one is', async () => {
  const server = new FakeServer();
  const { live, store } = await follow(server);
  const file = { name: 'a.txt', size: 1, type: 'text/plain', id: null, data: new Blob(['a']) };
  let going: () => void = () => undefined;
  const went = new Promise<void>((resolve) => (going = resolve));
  let arrive: () => void = () => undefined;
  keepFile.mockImplementationOnce(
    () =>
      new Promise((resolve) => {
        arrive = () => resolve({ id: 'f1', type: 'text/plain' });
        going();
      }),
  );
  await live.sendMessage(MAIN, 'with a file', 'queue', [file]);
  await live.sendMessage(MAIN, 'after it', 'queue');
  await went;
  await live.discard(live.outbox.entries[0]?.id ?? '');
  arrive();
  await vi.waitFor(() => expect(store.kept.size).toBe(0));
  expect(server.sent).toMatchObject([{ text: 'after it' }]);
});

test('a device that was signed out keeps what was typed', async () => {
  const server = new FakeServer();
  const { live, links, store } = await follow(server);
  server.refusal = new Problem(401, 'not_signed_in', 'This device was signed out.');
  await live.sendMessage(MAIN, 'hello', 'queue');
  await settle();
  expect(links.at(-1)).toEqual({ state: 'signed_out', reason: 'This device was signed out.' });
  expect([...store.kept.values()]).toMatchObject([{ text: 'hello', state: 'waiting' }]);
});

// spec: length-10
test('what was read before the line was open is kept, and nothing more has to come for that', async () => {
  const server = new FakeServer();
  server.say('one');
  let open = (): void => undefined;
  server.streamGate = new Promise((resolve) => (open = resolve));
  const { live } = await follow(server);
  expect(texts(live)).toEqual(['one']);
  open();
  const cache = await Cache.open();
  await vi.waitFor(
    async () => {
      const kept = await cache.read();
      expect(kept?.logs.map(({ entries }) => entries.length)).toEqual([1]);
    },
    { timeout: 10_000 },
  );
  await cache.clear();
});

test('once a device is signed out in one tab, no tab keeps what it has read', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  const { live: other } = await follow(server);
  const cache = await Cache.open();
  server.say('private');
  await settle();
  hide();
  await vi.waitFor(async () => expect(await cache.read()).not.toBeNull());
  document.dispatchEvent(new Event('visibilitychange'));
  await settle();
  server.say('more of it');
  await settle();
  live.signedOut('This device was signed out.');
  await vi.waitFor(() => expect(other.link.state).toBe('signed_out'));
  await vi.waitFor(async () => expect(await cache.read()).toBeNull());
  hide();
  await settle();
  expect(await cache.read()).toBeNull();
  expect(server.line).toBeNull();
});

/** The person looks at another tab: what was read is kept at once. */
function hide(): void {
  const looked = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  document.dispatchEvent(new Event('visibilitychange'));
  looked.mockRestore();
}

test('a server that takes the request and says nothing is no line, and is asked anew', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  const server = new FakeServer();
  server.hangs = true;
  const asked = Date.now();
  const following = follow(server);
  await vi.advanceTimersByTimeAsync(2500);
  const [live] = living;
  expect(live?.link).toEqual({ state: 'down', since: asked });
  vi.useRealTimers();
  server.hangs = false;
  live?.retry();
  await following;
  expect(live?.link.state).toBe('open');
});

test('an answer that is still held when the page goes away is sent on the way out', async () => {
  const server = new FakeServer();
  const { live } = await follow(server);
  await live.giveAnswer('i1', { decision: 'allow' });
  window.dispatchEvent(new Event('pagehide'));
  expect(server.api.answerOnTheWayOut).toHaveBeenCalledOnce();
});

/** A server that has messages by their ids, as the real one does: those in `delivered` can't be taken back. */
function keeps(server: FakeServer, delivered: string[] = []) {
  const has = new Map<string, string>();
  const refuse = (code: string, status: number) => {
    throw new Problem(status, code, code);
  };
  Object.assign(server.api, {
    sendMessage: async (_: string, { id, text }: { id: string; text: string }) => {
      if (server.refusal) throw server.refusal;
      if (has.has(id) && has.get(id) !== text) refuse('message_exists', 409);
      has.set(id, text);
      return { id, text, status: 'queued' } as MessageBody;
    },
    withdrawMessage: async (_: string, id: string) => {
      if (!has.get(id)) refuse('unknown_message', 404);
      if (delivered.includes(id)) refuse('message_delivered', 409);
      has.set(id, '');
    },
  });
  return { has, texts: () => [...has.values()].filter(Boolean) };
}

// spec: writing-15
test('a message that was edited while its request was under way is there once, as it was edited', async () => {
  for (const arrived of [true, false]) {
    const server = new FakeServer();
    const { has, texts } = keeps(server);
    const { live } = await follow(server);
    if (arrived) has.set('first', 'as it was');
    await live.sendMessage(MAIN, 'as it was edited', 'queue', [], ['first']);
    await settle();
    expect(texts()).toEqual(['as it was edited']);
    expect(live.outbox.entries).toEqual([]);
    // Once more: its own request may have been under way as well.
    await live.sendMessage(MAIN, 'once more', 'queue', [], ['first', ...[...has.keys()].slice(1)]);
    await settle();
    expect(texts()).toEqual(['once more']);
  }
});

// spec: writing-15
test('what the agent has already stays as it was, and the edited message waits with the reason', async () => {
  const server = new FakeServer();
  const { has, texts } = keeps(server, ['first']);
  has.set('first', 'as it was');
  const { live } = await follow(server);
  await live.sendMessage(MAIN, 'as it was edited', 'queue', [], ['first']);
  await settle();
  expect(texts()).toEqual(['as it was']);
  expect(live.outbox.entries).toMatchObject([{ state: 'rejected', reason: 'message_delivered' }]);
});
