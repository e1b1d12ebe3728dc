/** What is unread, and what becomes read because somebody looks at it. */
import { MAIN } from '$lib/live/reducer';
import type { Mark } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';

/** On the screen for this long is read. */
const READ_MS = 1000;
/** What was read is said at most this often. */
const SAY_MS = 700;

/** How far every thread was read. */
export class Marks {
  #all = $state.raw<Record<string, Mark>>({});

  constructor(connection: Connection) {
    connection.onchange((changes) => {
      if (changes.has('marks')) this.#all = Object.fromEntries(connection.live.world.marks);
    });
  }

  of(threadId: string): Mark | undefined {
    return this.#all[threadId];
  }

  /** How many messages its agent has written. */
  repliesOf(threadId: string): number {
    return this.#all[threadId]?.replies ?? 0;
  }

  isUnread(threadId: string): boolean {
    const mark = this.#all[threadId];
    return threadId !== MAIN && mark !== undefined && mark.told > mark.read;
  }
}

/** One observer for all rows on the page. */
const watched = new WeakMap<Element, (visible: boolean) => void>();
let observer: IntersectionObserver | undefined;

function watch(row: HTMLElement, tell: (visible: boolean) => void): () => void {
  observer ??= new IntersectionObserver((entries) => {
    for (const entry of entries) watched.get(entry.target)?.(entry.isIntersecting);
  });
  watched.set(row, tell);
  observer.observe(row);
  return () => {
    observer?.unobserve(row);
    watched.delete(row);
  };
}

/** Reads one thread, while its rows are on the screen. */
export class Reader {
  readonly #say: (seq: number) => void;
  #upTo = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The person made something unread: nothing is read until they come again. */
  #paused = false;

  constructor(say: (seq: number) => void) {
    this.#say = say;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  begin(): void {
    this.#paused = false;
    this.#upTo = 0;
  }

  /** An attachment for a row. `seq`: up to where the thread is read once it was seen. */
  row(seq: () => number): (node: HTMLElement) => () => void {
    return (node) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const look = () => {
        timer = setTimeout(look, READ_MS);
        if (document.visibilityState === 'visible' && document.hasFocus()) this.#read(seq());
      };
      const stop = watch(node, (visible) => {
        clearTimeout(timer);
        timer = visible ? setTimeout(look, READ_MS) : undefined;
      });
      return () => {
        clearTimeout(timer);
        stop();
      };
    };
  }

  #read(seq: number): void {
    if (this.#paused || seq <= this.#upTo) return;
    this.#upTo = seq;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#say(this.#upTo);
    }, SAY_MS);
  }
}
