/**
 * The one event stream of this browser: reads, resumes where it stopped, and never gives up.
 *
 * `fetch` instead of EventSource, because the key travels in a header and a 401 must be seen.
 */
import { createParser } from 'eventsource-parser';
import { Backoff } from './backoff';
import type { Delta, Event, Keys, Mark, StatusNews } from './types';

export type Frame =
  | { type: 'event'; event: Event }
  | { type: 'delta'; delta: Delta }
  | { type: 'status'; status: StatusNews }
  | { type: 'read'; mark: Mark }
  | { type: 'keys'; keys: Keys }
  /** They are others now, and to be read. */
  | { type: 'preferences' }
  | { type: 'reset' };

export type StreamStatus =
  | { state: 'connecting' }
  | { state: 'open' }
  | { state: 'waiting' }
  | { state: 'refused'; response: Response };

export interface StreamOptions {
  open: (cursor: string, signal: AbortSignal) => Promise<Response>;
  cursor: () => string;
  onframe: (frame: Frame) => void;
  onstatus: (status: StreamStatus) => void;
  /** Anything came over the wire, heartbeats included. */
  onpulse?: () => void;
  /** The server says something every 15 s; longer silence than this is a dead line. */
  silenceMs?: number;
  backoff?: Backoff;
}

export class EventStream {
  readonly #options: StreamOptions;
  readonly #backoff: Backoff;
  /** Raised by start and stop: a run that is not of this number has been told to end. */
  #life = 0;
  #running = false;
  #attempt: AbortController | null = null;
  #wake: (() => void) | null = null;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff();
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run(++this.#life);
  }

  stop(): void {
    this.#running = false;
    this.#life++;
    this.#attempt?.abort();
    this.#wake?.();
  }

  /** Try now instead of at the end of the wait: the network came back, or someone looks. */
  retry(): void {
    this.#backoff.reset();
    this.#wake?.();
  }

  /** This connection is not to be trusted any more: end it and open another. */
  drop(): void {
    this.#attempt?.abort();
  }

  async #run(life: number): Promise<void> {
    while (this.#life === life) {
      this.#options.onstatus({ state: 'connecting' });
      const refused = await this.#connect();
      if (this.#life !== life) return;
      if (refused) {
        this.#running = false;
        this.#options.onstatus({ state: 'refused', response: refused });
        return;
      }
      this.#options.onstatus({ state: 'waiting' });
      await this.#sleep(this.#backoff.next());
    }
  }

  /** One connection, until it ends. Returns the response that says this device may not. */
  async #connect(): Promise<Response | null> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    let refused = false;
    let watch: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => attempt.abort(), this.#options.silenceMs ?? 40_000);
      this.#options.onpulse?.();
    };
    heard();
    try {
      const response = await this.#options.open(this.#options.cursor(), attempt.signal);
      if (response.status === 401) {
        refused = true;
        return response;
      }
      if (!response.ok || !response.body) return null;
      this.#options.onstatus({ state: 'open' });
      this.#backoff.reset();
      const parser = createParser({
        onEvent: (message) => {
          const frame = parseFrame(message.event, message.data);
          if (frame) this.#options.onframe(frame);
        },
      });
      const reader = response.body
        .pipeThrough(
          new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>,
        )
        .getReader();
      for (;;) {
        heard();
        const { done, value } = await reader.read();
        if (done) return null;
        parser.feed(value);
      }
    } catch {
      return null;
    } finally {
      clearTimeout(watch);
      // A refusal has a sentence in it, which is still to be read.
      if (!refused) attempt.abort();
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      this.#wake = null;
    });
  }
}

function parseFrame(name: string | undefined, data: string): Frame | null {
  switch (name) {
    case 'event':
      return { type: 'event', event: JSON.parse(data) as Event };
    case 'delta':
      return { type: 'delta', delta: JSON.parse(data) as Delta };
    case 'status':
      return { type: 'status', status: JSON.parse(data) as StatusNews };
    case 'read':
      return { type: 'read', mark: JSON.parse(data) as Mark };
    case 'keys':
      return { type: 'keys', keys: (JSON.parse(data) as { keys: Keys }).keys };
    case 'preferences':
    case 'reset':
      return { type: name };
    default:
      return null;
  }
}
