/**
 * The rows in view, anchored to the end: what is read never moves when rows come before it, and who is at the
 * end stays there when the last one grows. A thin wrapper with runes around TanStack's virtualiser.
 */
import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
} from '@tanstack/virtual-core';
import { flushSync, untrack } from 'svelte';

/** This near to the end counts as being there. */
const AT_END_PX = 80;
/** A row that is gone to stands this far below the edge, where it is not faded. */
const BELOW_EDGE_PX = 8;
/** For so many frames a row that is gone to is where it should be, before it counts as resting. */
const RESTS = 12;
/** Rows that are drawn beyond the view: enough for a turn of the wheel. */
const BEYOND = 6;
/** The first paint has those in view, as nobody scrolls before it. */
const BEYOND_AT_FIRST = 0;
/** A scroll this soon after the reader's hand moved is theirs. */
const REACH_MS = 600;

export interface VirtualOptions {
  count: () => number;
  key: (index: number) => string;
  estimate: (index: number) => number;
  /** Whether the last row is the last there is: only that end is followed. */
  atEnd: () => boolean;
  paddingEnd: number;
}

export class VirtualRows {
  #items = $state.raw<VirtualItem[]>([]);
  #total = $state(0);
  #following = $state(true);
  #scroller: HTMLElement | null = null;
  #lastTop = 0;
  #settling = 0;
  #painted = 0;
  #beyond = BEYOND_AT_FIRST;
  /** Was at the end with its first rows. */
  #landed = false;
  /** The key of the row that is gone to, until it rests in its place. */
  #goal: string | null = null;
  /** The conversation begins there: it may be the end already. */
  #begins = false;
  #going = 0;
  #reached = -REACH_MS;
  /** Inside an effect Svelte flushes by itself, and must not be asked to. */
  #inEffect = false;
  readonly #options: VirtualOptions;
  readonly #virtualizer: Virtualizer<HTMLElement, HTMLElement>;

  constructor(options: VirtualOptions) {
    this.#options = options;
    this.#virtualizer = new Virtualizer(this.#settings());
  }

  get items(): VirtualItem[] {
    return this.#items;
  }

  get total(): number {
    return this.#total;
  }

  /** At the end, and staying there. Any scroll upwards by the reader ends it. */
  get following(): boolean {
    return this.#following && this.#options.atEnd();
  }

  /** Attach to the element that scrolls. */
  attach = (scroller: HTMLElement): (() => void) => {
    this.#scroller = scroller;
    const unmount = this.#virtualizer._didMount();
    this.#effect(() => {
      this.#virtualizer.setOptions(this.#settings());
      this.#virtualizer._willUpdate();
      this.#read();
    });
    const end = requestAnimationFrame(() => {
      if (this.#following) this.scrollToEnd();
    });
    const resized = new ResizeObserver(() => {
      if (this.#follows) this.scrollToEnd();
    });
    resized.observe(scroller);
    return () => {
      cancelAnimationFrame(end);
      cancelAnimationFrame(this.#painted);
      resized.disconnect();
      unmount();
      this.#scroller = null;
    };
  };

  /** Attach to every row. */
  measure = (row: HTMLElement): (() => void) => {
    this.#effect(() => this.#virtualizer.measureElement(row));
    return () => this.#virtualizer.measureElement(null);
  };

  /** Call before the rows are drawn. */
  rowsWillChange(): void {
    this.#effect(() => {
      const virtualizer = this.#virtualizer;
      const first = virtualizer.options.count === 0;
      virtualizer.setOptions(this.#settings());
      // The first rows are drawn where they will be seen: those at the head of the list would be drawn for nothing.
      if (first && this.#follows) {
        const { height } = virtualizer.scrollRect ?? { height: 0 };
        virtualizer.scrollOffset = Math.max(0, virtualizer.getTotalSize() - height);
      }
      this.#read();
    });
  }

  /** Call after the rows were drawn. */
  rowsChanged(): void {
    this.#effect(() => this.#virtualizer._willUpdate());
    if (!this.#painted && this.#virtualizer.options.count > 0) this.#drawBeyond();
    if (!this.#follows) return;
    // The first rows are painted at the end, not on their way to it.
    if (!this.#landed) this.#effect(() => this.#toEnd());
    cancelAnimationFrame(this.#settling);
    this.#settling = requestAnimationFrame(() => this.#toEnd());
  }

  /** After the first rows were painted come those around them. */
  #drawBeyond(): void {
    this.#painted = requestAnimationFrame(() => {
      this.#painted = requestAnimationFrame(() => {
        this.#beyond = BEYOND;
        this.#virtualizer.setOptions(this.#settings());
        this.#read();
      });
    });
  }

  /** A row that came while the view was still finding the end would be left below it. */
  #toEnd(): void {
    const scroller = this.#scroller;
    if (!scroller || !this.#follows) return;
    const left = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    if (left > 1) this.scrollToEnd();
    else if (this.#virtualizer.options.count > 0) this.#landed = true;
  }

  /** The reader reaches for something above: a wheel, a finger, a key, the scroll bar. */
  reachUp(): void {
    this.letGo();
    this.#reached = performance.now();
  }

  /** The view scrolled, by whom ever. */
  scrolled(): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const upwards = scroller.scrollTop < this.#lastTop - 0.5;
    this.#lastTop = scroller.scrollTop;
    const left = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    // Our own corrections move it too; only a reader's hand ends the following.
    if (upwards && performance.now() - this.#reached < REACH_MS) this.#setFollowing(false);
    // On the way to a row the end is where it is thought to be.
    else if (this.#goal === null && !upwards && left <= AT_END_PX && this.#options.atEnd())
      this.#setFollowing(true);
  }

  /** The first row that is not above the view. */
  get top(): number {
    const top = this.#scroller?.scrollTop ?? 0;
    return this.#items.find((item) => item.end > top)?.index ?? 0;
  }

  scrollToEnd(): void {
    this.letGo();
    this.#setFollowing(true);
    this.#virtualizer.scrollToEnd({ behavior: 'auto' });
  }

  scrollToIndex(index: number): void {
    this.#setFollowing(false);
    this.#goal = this.#options.key(index);
    this.#begins = false;
    this.#virtualizer.scrollToIndex(index, { align: 'start' });
    this.#toGoal(0);
  }

  /**
   * Stay with the row that is gone to until it rests: rows above it get their heights, and a page may come before it,
   * after which another row has its number.
   */
  #toGoal(rested: number): void {
    cancelAnimationFrame(this.#going);
    this.#going = requestAnimationFrame(() => {
      const scroller = this.#scroller;
      const { count, key } = this.#options;
      if (!scroller || this.#goal === null) return;
      let index = untrack(count) - 1;
      while (index >= 0 && key(index) !== this.#goal) index--;
      if (index < 0) return this.letGo();
      const [offset] = this.#virtualizer.getOffsetForIndex(index, 'start') ?? [scroller.scrollTop];
      const there = Math.abs(offset - scroller.scrollTop) <= 1;
      if (!there) this.#virtualizer.scrollToIndex(index, { align: 'start' });
      if (there && rested === RESTS) this.#rests();
      else this.#toGoal(there ? rested + 1 : 0);
    });
  }

  /** The reader's hand is on it. */
  letGo(): void {
    this.#goal = null;
    this.#begins = false;
  }

  /** Begin with a row at the top; where all that follows fits below it, at the end. */
  beginAt(index: number): void {
    this.scrollToIndex(index);
    this.#begins = true;
  }

  /** The row that was gone to rests: what is below it has its heights by now, so it is known whether that is the end. */
  #rests(): void {
    const scroller = this.#scroller;
    const begins = this.#begins;
    this.letGo();
    if (!scroller) return;
    const left = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    if (left > AT_END_PX || !this.#options.atEnd()) return;
    if (begins) this.scrollToEnd();
    else this.#setFollowing(true);
  }

  /** Not to be tracked by whoever asks. */
  get #follows(): boolean {
    return untrack(() => this.following);
  }

  #setFollowing(following: boolean): void {
    if (this.#following === following) return;
    this.#following = following;
    this.#virtualizer.setOptions(this.#settings());
  }

  #settings() {
    const { count, key, estimate, paddingEnd } = this.#options;
    return {
      count: untrack(count),
      getItemKey: key,
      estimateSize: estimate,
      paddingEnd,
      getScrollElement: () => this.#scroller,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      overscan: this.#beyond,
      scrollPaddingStart: BELOW_EDGE_PX,
      anchorTo: 'end' as const,
      followOnAppend: this.#follows,
      scrollEndThreshold: this.#follows ? AT_END_PX : -1,
      onChange: (_: unknown, sync: boolean) => {
        this.#read();
        if (sync && !this.#inEffect) flushSync();
      },
    };
  }

  #read(): void {
    this.#items = this.#virtualizer.getVirtualItems();
    this.#total = this.#virtualizer.getTotalSize();
  }

  #effect(work: () => void): void {
    const before = this.#inEffect;
    this.#inEffect = true;
    try {
      untrack(work);
    } finally {
      this.#inEffect = before;
    }
  }
}
