import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { VirtualRows } from './virtual.svelte';

/** What a row is thought to be high before it is drawn, the view, and how far below its edge a goal stands. */
const THOUGHT = 40;
const VIEW = 500;
const BELOW = 8;

const observers = new Set<Observer>();

/** Tells of heights that are others than it told last. */
class Observer {
  readonly #told = new Map<HTMLElement, number>();

  constructor(private readonly callback: (entries: object[]) => void) {
    observers.add(this);
  }

  observe(row: HTMLElement): void {
    this.#told.set(row, NaN);
  }

  unobserve(row: HTMLElement): void {
    this.#told.delete(row);
  }

  disconnect(): void {
    observers.delete(this);
  }

  tell(): void {
    for (const [row, told] of this.#told) {
      const blockSize = row.offsetHeight;
      if (blockSize === told) continue;
      this.#told.set(row, blockSize);
      this.callback([{ target: row, borderBoxSize: [{ blockSize, inlineSize: VIEW }] }]);
    }
  }
}

/** A list of rows with a browser's layout played: what is drawn has its height from then on. */
class Page {
  keys = Array.from({ length: 200 }, (_, n) => `row ${n}`);
  readonly heights: Record<string, number> = {};
  readonly scroller = document.createElement('div');
  readonly rows = new VirtualRows({
    count: () => this.keys.length,
    key: (index) => this.keys[index] ?? '',
    estimate: () => THOUGHT,
    atEnd: () => true,
    paddingEnd: 0,
  });
  readonly #drawn = new Map<string, HTMLElement>();
  readonly #stop: () => void;
  #top = 0;

  constructor() {
    const { scroller } = this;
    document.body.append(scroller);
    const furthest = () => Math.max(0, this.rows.total - VIEW);
    Object.defineProperties(scroller, {
      clientHeight: { value: VIEW },
      offsetHeight: { value: VIEW },
      offsetWidth: { value: VIEW },
      scrollHeight: { get: () => Math.max(VIEW, this.rows.total) },
      scrollTop: {
        get: () => this.#top,
        set: (top: number) => {
          this.#top = Math.min(Math.max(0, top), furthest());
          scroller.dispatchEvent(new Event('scroll'));
        },
      },
      scrollTo: { value: ({ top }: { top: number }) => void (scroller.scrollTop = top) },
    });
    scroller.addEventListener('scroll', () => this.rows.scrolled());
    this.#stop = this.rows.attach(scroller);
    this.rows.rowsWillChange();
    this.rows.rowsChanged();
  }

  /** Rows of other heights than was thought, each by its key. */
  heightOf(key: string): number {
    return this.heights[key] ?? THOUGHT + (Number(key.split(' ')[1]) % 7) * 30;
  }

  /** So many frames: what is in view is drawn in each, then the heights of the rows are told, as a browser does. */
  frames(number: number): void {
    for (let n = 0; n < number; n++) {
      vi.advanceTimersToNextFrame();
      const wanted = new Map(this.rows.items.map(({ index, key }) => [String(key), index]));
      for (const [key, row] of this.#drawn) {
        if (wanted.has(key)) continue;
        row.remove();
        this.#drawn.delete(key);
      }
      for (const [key, index] of wanted) {
        const row = this.#drawn.get(key) ?? this.#draw(key);
        row.dataset['index'] = String(index);
        if (!row.isConnected) {
          this.scroller.append(row);
          this.rows.measure(row);
        }
      }
      for (const observer of observers) observer.tell();
    }
  }

  #draw(key: string): HTMLElement {
    const row = document.createElement('div');
    Object.defineProperty(row, 'offsetHeight', { get: () => this.heightOf(key) });
    this.#drawn.set(key, row);
    return row;
  }

  /** How far below the edge of the view a row stands; nothing where it is not drawn. */
  below(key: string): number | undefined {
    const row = this.rows.items.find((item) => item.key === key);
    return row && row.start - this.scroller.scrollTop;
  }

  close(): void {
    this.#stop();
    this.scroller.remove();
  }
}

let page: Page;

beforeEach(() => {
  vi.useFakeTimers();
  observers.clear();
  vi.stubGlobal('ResizeObserver', Observer);
  page = new Page();
  page.frames(20);
});

afterEach(() => {
  page.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test('the first paint has the rows in view, those around them come after it', () => {
  page.close();
  page = new Page();
  const before = page.rows.items.length;
  expect(before).toBeLessThanOrEqual(VIEW / THOUGHT + 1);
  page.frames(1);
  expect(page.rows.items[0]?.end).toBeGreaterThan(page.scroller.scrollTop);
  page.frames(4);
  expect(page.rows.items[0]?.end).toBeLessThan(page.scroller.scrollTop);
  expect(page.rows.following).toBe(true);
});

test('a row that is gone to lands where it should, while the rows above it get their heights', () => {
  expect(page.rows.following).toBe(true);
  page.rows.scrollToIndex(90);
  page.frames(40);
  expect(page.below('row 90')).toBe(BELOW);
  expect(page.rows.following).toBe(false);
});

test('it stays there when rows above it grow once more, and when a page comes before it', () => {
  page.rows.scrollToIndex(90);
  page.frames(9);
  expect(page.below('row 90')).toBe(BELOW);
  // As a text does that is drawn anew, or a picture that has come.
  for (const n of [87, 88, 89]) page.heights[`row ${n}`] = 300;
  page.frames(3);
  expect(page.below('row 90')).toBe(BELOW);
  page.keys = [...Array.from({ length: 60 }, (_, n) => `older ${n}`), ...page.keys];
  page.rows.rowsWillChange();
  page.rows.rowsChanged();
  page.frames(40);
  expect(page.below('row 90')).toBe(BELOW);
});

test('whoever reaches for something above is not brought back', () => {
  page.rows.scrollToIndex(90);
  page.frames(2);
  page.rows.reachUp();
  page.scroller.scrollTop -= 400;
  page.frames(40);
  expect(page.below('row 90') ?? Infinity).toBeGreaterThan(300);
});

test('one begins at what is new though all below it is thought to fit, and is at the end where it does', () => {
  // Thought to be two short rows; the second is long, and known to be so a frame later than it is drawn.
  page.heights['row 198'] = THOUGHT;
  page.heights['row 199'] = THOUGHT;
  page.rows.beginAt(198);
  page.frames(3);
  page.heights['row 199'] = 3000;
  page.frames(40);
  expect(page.below('row 198')).toBe(BELOW);
  expect(page.rows.following).toBe(false);

  page.rows.scrollToIndex(20);
  page.frames(40);
  page.heights['row 199'] = THOUGHT;
  page.rows.beginAt(199);
  page.frames(40);
  expect(page.rows.following).toBe(true);
});
