/**
 * The rows of a file's lines, made by hand: there may be thousands, and components for each cost several times as much.
 * Colours are ranges of the text, not elements, and only what is near the screen has them.
 */
import { highlight, type Coloured } from '@mainloop/ui/highlight';
import { piecesOf, tintsOf, type Line, type Piece, type Row } from './rows';
import { changes as words } from '$lib/messages/changes';

export interface Look {
  split: boolean;
  /** One number a line, as on a phone. */
  narrow: boolean;
  language: string;
}

interface Cell {
  element: HTMLElement;
  line: Line | null;
  pieces: Piece[];
  text: HTMLElement | null;
}

interface Drawn {
  element: HTMLElement;
  cells: Cell[];
}

interface Box {
  rows: readonly Row[];
  hunk: readonly Line[];
  near: boolean;
  ranges: [Highlight, StaticRange][];
}

const SIGN = { ' ': '', '+': ' add', '-': ' del' } as const;
/** How far from what is seen lines are laid out and have colours; and how many boxes of a file from the beginning. */
const MARGIN = '300px 0px';
const FIRST = 2;
const SEARCHED = typeof document !== 'undefined' && 'onbeforematch' in document;
const TINTED = typeof CSS !== 'undefined' && 'highlights' in CSS;

export class DrawnRows {
  readonly #look: Look;
  readonly #drawn = new Map<string, Drawn>();
  readonly #boxes = new Map<HTMLElement, Box>();
  readonly #observer: IntersectionObserver;
  /** Colours by what was coloured: a side of a hunk. */
  #colours = new Map<string, Map<string, Coloured[]> | null>();

  constructor(look: Look, scroller: Element | null) {
    this.#look = look;
    this.#observer = new IntersectionObserver((seen) => this.#see(seen), {
      root: scroller,
      rootMargin: MARGIN,
    });
  }

  /** Have these rows in a box, and nothing else. What was drawn of them before is drawn on. */
  fill(element: HTMLElement, rows: readonly Row[], hunk: readonly Line[]): void {
    let at = element.firstChild;
    for (const row of rows) {
      const own = this.#row(row);
      if (own === at) at = at.nextSibling;
      else element.insertBefore(own, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    const box = this.#boxes.get(element);
    if (box) {
      Object.assign(box, { rows, hunk });
      this.#colour(box);
      this.#show(element, box.near);
    } else {
      const near = this.#boxes.size < FIRST;
      const fresh = { rows, hunk, near, ranges: [] };
      this.#boxes.set(element, fresh);
      this.#colour(fresh);
      this.#show(element, near);
      this.#observer.observe(element);
    }
  }

  /** A box is gone. */
  drop(element: HTMLElement): void {
    const box = this.#boxes.get(element);
    if (box) bleach(box);
    this.#boxes.delete(element);
    this.#observer.unobserve(element);
  }

  /** Of rows and colours that are nowhere any more nothing is kept. */
  tidy(): void {
    const here = new Set(
      [...this.#boxes.values()].flatMap(({ rows }) => rows.map(({ key }) => key)),
    );
    for (const key of this.#drawn.keys()) if (!here.has(key)) this.#drawn.delete(key);
    const sides = new Set(
      [...this.#boxes.values()].flatMap(({ hunk }) =>
        ['+', '-'].map((side) => sideOf(hunk, side as '+' | '-').text),
      ),
    );
    for (const text of this.#colours.keys()) if (!sides.has(text)) this.#colours.delete(text);
  }

  end(): void {
    this.#observer.disconnect();
    this.#boxes.forEach(bleach);
    this.#boxes.clear();
  }

  #row({ key, lines }: Row): HTMLElement {
    let drawn = this.#drawn.get(key);
    if (!drawn) {
      const cells = lines.map((): Cell => ({
        element: document.createElement('div'),
        line: null,
        pieces: [],
        text: null,
      }));
      const [first] = cells;
      let element = first?.element;
      if (!element || cells.length > 1) {
        element = made('div', 'pair');
        element.append(...cells.map((cell) => cell.element));
      }
      drawn = { element, cells };
      this.#drawn.set(key, drawn);
      for (const [i, cell] of cells.entries()) this.#draw(cell, lines[i] ?? null, i);
    } else
      for (const [i, cell] of drawn.cells.entries()) {
        const line = lines[i] ?? null;
        if (cell.line !== line && !(cell.line && line && isSame(cell.line, line)))
          this.#draw(cell, line, i);
      }
    return drawn.element;
  }

  #draw(cell: Cell, line: Line | null, side: number): void {
    const { element } = cell;
    cell.line = line;
    element.className = line ? `ln${SIGN[line.op]}` : 'ln none';
    if (!line) {
      delete element.dataset['key'];
      cell.pieces = [];
      cell.text = null;
      return element.replaceChildren();
    }
    element.dataset['key'] = line.key;
    const { split, narrow } = this.#look;
    const numbers = split
      ? [side ? line.new : line.old]
      : narrow
        ? [line.new ?? line.old]
        : [line.old, line.new];
    const gutter = made(
      'span',
      'no tnum',
      numbers.map((one) => String(one ?? '').padStart(narrow ? 4 : 6)).join(''),
    );
    cell.pieces = piecesOf(line);
    const text = made('span', 'tx');
    text.append(
      ...cell.pieces.map((piece) =>
        piece.changed || piece.unseen
          ? made(piece.changed ? 'mark' : 'b', piece.unseen ? 'unseen' : '', piece.text)
          : piece.text,
      ),
    );
    if (line.cut) text.append(made('i', '', words.cut(line.cut)));
    if (line.unended) {
      const end = made('i', '', '⏎̸');
      end.title = words.unended;
      text.append(end);
    }
    cell.text = text;
    element.replaceChildren(gutter, text);
  }

  // -- colours ----------------------------------------------------------------------------------------------------
  #see(seen: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of seen) {
      const box = this.#boxes.get(target as HTMLElement);
      if (!box || box.near === isIntersecting) continue;
      box.near = isIntersecting;
      this.#show(target as HTMLElement, isIntersecting);
      this.#colour(box);
    }
  }

  /** What is far away is not laid out; the browser's own search finds it. */
  #show(element: HTMLElement, near: boolean): void {
    if (!SEARCHED) return;
    if (near) element.removeAttribute('hidden');
    else element.setAttribute('hidden', 'until-found');
  }

  /** Put the colours on a box, as far as they are here; ask for those that are not. */
  #colour(box: Box): void {
    bleach(box);
    if (!box.near || !TINTED) return;
    const now = this.#sideOf(box.hunk, '+');
    const was = box.hunk.some(({ op }) => op === '-') ? this.#sideOf(box.hunk, '-') : null;
    for (const { key } of box.rows)
      for (const { line, pieces, text } of this.#drawn.get(key)?.cells ?? []) {
        // What both sides have is as it is now.
        const colours = line && (line.op === '-' ? was : now)?.get(line.key);
        if (!colours || !text) continue;
        for (const { piece, from, to, colour } of tintsOf(pieces, colours)) {
          const node = text.childNodes[piece];
          if (!node) continue;
          const place = highlightOf(colour);
          const range = new StaticRange({
            startContainer: node,
            startOffset: from,
            endContainer: node,
            endOffset: to,
          });
          place.add(range);
          box.ranges.push([place, range]);
        }
      }
  }

  #sideOf(hunk: readonly Line[], side: '+' | '-'): Map<string, Coloured[]> | null {
    const { lines, text } = sideOf(hunk, side);
    const found = this.#colours.get(text);
    if (found !== undefined) return found;
    this.#colours.set(text, null);
    void highlight(text, this.#look.language)
      .then((pieces) => {
        if (!pieces || !this.#colours.has(text)) return;
        const colours = new Map<string, Coloured[]>();
        let own: Coloured[] = [];
        let at = 0;
        for (const piece of pieces)
          if (piece.text === '\n') {
            colours.set(lines[at++]?.key ?? '', own);
            own = [];
          } else own.push(piece);
        colours.set(lines[at]?.key ?? '', own);
        this.#colours.set(text, colours);
        for (const box of this.#boxes.values())
          if (sideOf(box.hunk, side).text === text) this.#colour(box);
      })
      .catch(() => undefined);
    return null;
  }
}

const sides = new WeakMap<
  readonly Line[],
  Partial<Record<'+' | '-', { lines: Line[]; text: string }>>
>();

/** A side of a hunk as it was written. */
function sideOf(hunk: readonly Line[], side: '+' | '-'): { lines: Line[]; text: string } {
  const made = sides.get(hunk) ?? {};
  sides.set(hunk, made);
  if (!made[side]) {
    const lines = hunk.filter(({ op }) => op === side || op === ' ');
    made[side] = { lines, text: lines.map(({ text }) => text).join('\n') };
  }
  return made[side];
}

function isSame(one: Line, other: Line): boolean {
  return (
    one.key === other.key &&
    one.old === other.old &&
    one.new === other.new &&
    one.cut === other.cut &&
    one.unended === other.unended &&
    String(one.words) === String(other.words)
  );
}

/** The ranges of a colour, by the variable of the theme that has it. */
function highlightOf(colour: string): Highlight {
  const name = colour.slice('var(--'.length, -1);
  let found = CSS.highlights.get(name);
  if (!found) CSS.highlights.set(name, (found = new Highlight()));
  return found;
}

function bleach(box: Box): void {
  for (const [place, range] of box.ranges) place.delete(range);
  box.ranges = [];
}

function made(tag: string, name: string, text = ''): HTMLElement {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (name) element.className = name;
  return element;
}
