import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Backoff } from './backoff';
import { EventStream, type Frame } from './stream';

/** A server whose connections are driven by hand. */
class FakeServer {
  readonly cursors: string[] = [];
  readonly lines: ReadableStreamDefaultController<Uint8Array>[] = [];
  status = 200;

  open = (cursor: string, signal: AbortSignal): Promise<Response> => {
    this.cursors.push(cursor);
    if (this.status === 0) return Promise.reject(new TypeError('no network'));
    const body = new ReadableStream<Uint8Array>({
      start: (line) => {
        this.lines.push(line);
        signal.addEventListener('abort', () => {
          try {
            line.error(new DOMException('aborted', 'AbortError'));
          } catch {
            // It had ended.
          }
        });
      },
    });
    return Promise.resolve(new Response(body, { status: this.status }));
  };

  say(text: string): void {
    this.lines.at(-1)?.enqueue(new TextEncoder().encode(text));
  }

  hangUp(): void {
    this.lines.at(-1)?.close();
  }
}

function follow(server: FakeServer, silenceMs = 40_000) {
  const frames: Frame[] = [];
  const statuses: string[] = [];
  let cursor = '7';
  const stream = new EventStream({
    open: server.open,
    cursor: () => cursor,
    onframe: (frame) => {
      frames.push(frame);
      if (frame.type === 'event') cursor = frame.event.cursor;
    },
    onstatus: (status) => statuses.push(status.state),
    silenceMs,
    backoff: new Backoff(() => 1),
  });
  stream.start();
  return { stream, frames, statuses };
}

const settle = () => vi.advanceTimersByTimeAsync(1);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const frame = (cursor: string) =>
  `event: event\nid: ${cursor}\ndata: {"cursor":"${cursor}","seq":1}\n\n`;

test('reads frames that arrive in pieces', async () => {
  const server = new FakeServer();
  const { stream, frames } = follow(server);
  await settle();
  const text =
    frame('8') + 'event: delta\ndata: {"text":"hé"}\n\n: beat\n\nevent: reset\ndata: {}\n\n';
  for (const piece of text.match(/[\s\S]{1,7}/g) ?? []) server.say(piece);
  await settle();
  expect(frames.map((one) => one.type)).toEqual(['event', 'delta', 'reset']);
  stream.stop();
});

test('resumes from the cursor it reached, after a quarter of a second', async () => {
  const server = new FakeServer();
  const { stream, statuses } = follow(server);
  await settle();
  server.say(frame('8'));
  await settle();
  server.hangUp();
  await vi.advanceTimersByTimeAsync(260);
  expect(server.cursors).toEqual(['7', '8']);
  expect(statuses).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open']);
  stream.stop();
});

test('waits longer each time, at most 15 seconds, and goes on for ever', async () => {
  const server = new FakeServer();
  server.status = 0;
  const { stream } = follow(server);
  await vi.advanceTimersByTimeAsync(250 + 500 + 1000 + 2000 + 4000 + 8000 + 10);
  expect(server.cursors).toHaveLength(7);
  await vi.advanceTimersByTimeAsync(15_000);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(server.cursors).toHaveLength(9);
  stream.stop();
});

test('retries at once when told to', async () => {
  const server = new FakeServer();
  server.status = 0;
  const { stream } = follow(server);
  await vi.advanceTimersByTimeAsync(8000);
  const before = server.cursors.length;
  stream.retry();
  await settle();
  expect(server.cursors.length).toBe(before + 1);
  stream.stop();
});

test('takes 40 seconds of silence for a dead line, and a heartbeat for life', async () => {
  const server = new FakeServer();
  const { stream } = follow(server);
  await settle();
  for (let i = 0; i < 4; i++) {
    await vi.advanceTimersByTimeAsync(15_000);
    server.say(': beat\n\n');
  }
  await settle();
  expect(server.cursors).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(40_300);
  expect(server.cursors).toHaveLength(2);
  stream.stop();
});

test('stops for good where this device may not come in', async () => {
  const server = new FakeServer();
  server.status = 401;
  const { statuses } = follow(server);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.cursors).toHaveLength(1);
  expect(statuses.at(-1)).toBe('refused');
});

test('has one connection only, also when stopped and started in a hurry', async () => {
  const server = new FakeServer();
  const { stream } = follow(server);
  await settle();
  stream.stop();
  stream.start();
  await vi.advanceTimersByTimeAsync(5000);
  expect(server.cursors).toHaveLength(2);
  stream.stop();
});
