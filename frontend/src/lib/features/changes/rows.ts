/** A file's hunks as the rows of a screen, one column or two, with what lies folded between them. */
import { isUnseen, seen, UNSEEN } from '@mainloop/ui/unseen';
import type { DiffHunk, FileDiff } from '$lib/live/types';

export interface Line {
  /** The same for the same line, wherever it moves to. */
  key: string;
  op: ' ' | '+' | '-';
  old: number | null;
  new: number | null;
  text: string;
  /** What of it is another word, as places of the text. */
  words: [number, number][];
  /** How many signs of it are not here. */
  cut: number;
  /** It ends without a line break. */
  unended: boolean;
}

export interface Gap {
  key: string;
  /** What the lines below it stand in. */
  heading: string;
  /** The first folded line on both sides, and how many there are; -1: to the end of the file. */
  old: number;
  new: number;
  count: number;
}

export type Part = { gap: Gap; lines?: never } | { gap?: never; lines: Line[] };

/** A row of the screen: one line, or what was beside what is. */
export interface Row {
  key: string;
  lines: readonly (Line | null)[];
}

/** So many rows at most that one looks at together, or a gap. */
export type Block =
  | { key: string; gap: Gap; rows?: never }
  | {
      key: string;
      gap?: never;
      rows: Row[];
      wide: number;
      hunk: readonly Line[];
      commented: Line[];
    };

/** The hunks of a file in order, and the gaps before, between and behind them. */
export function partsOf(
  diff: FileDiff,
  isOpen: (gap: string) => boolean,
  whole: readonly string[] | null,
): Part[] {
  const parts: Part[] = [];
  const seen: Record<string, number> = {};
  let old = 1;
  let now = 1;
  for (const [number, hunk] of diff.hunks.entries()) {
    // Of an empty side the start is the line before it.
    const oldStart = hunk.old_start + (oldCount(hunk) ? 0 : 1);
    const newStart = hunk.new_start + (newCount(hunk) ? 0 : 1);
    const gap = {
      key: `gap${number}`,
      heading: hunk.heading,
      old,
      new: now,
      count: newStart - now,
    };
    parts.push(...gapParts(gap, isOpen, whole, seen));
    const lines = linesOf(hunk, oldStart, newStart, seen);
    parts.push({ lines });
    old = oldStart + oldCount(hunk);
    now = newStart + newCount(hunk);
  }
  // Of a file that is new or gone nothing is left out.
  const whollyHere = diff.hunks.some((hunk) => hunk.old_start === 0 || hunk.new_start === 0);
  if (diff.hunks.length > 0 && !diff.more && !whollyHere) {
    const left = whole ? whole.length - now + 1 : -1;
    if (left)
      parts.push(
        ...gapParts({ key: 'end', heading: '', old, new: now, count: left }, isOpen, whole, seen),
      );
  }
  return parts;
}

function gapParts(
  gap: Gap,
  isOpen: (gap: string) => boolean,
  whole: readonly string[] | null,
  seen: Record<string, number>,
): Part[] {
  if (gap.count === 0) return gap.heading || gap.key !== 'gap0' ? [{ gap }] : [];
  if (!whole || !isOpen(gap.key)) return [{ gap }];
  const texts = whole.slice(gap.new - 1, gap.new - 1 + gap.count);
  const lines = texts.map((text, i) => line(' ', gap.old + i, gap.new + i, text, seen));
  return lines.length > 0 ? [{ lines }] : [];
}

function linesOf(
  hunk: DiffHunk,
  oldStart: number,
  newStart: number,
  seen: Record<string, number>,
): Line[] {
  let old = oldStart;
  let now = newStart;
  return hunk.lines.map((raw, i) => {
    const op = raw[0] as Line['op'];
    const made = line(op, op === '+' ? null : old++, op === '-' ? null : now++, raw.slice(1), seen);
    made.words = (hunk.words?.[i] ?? []) as [number, number][];
    made.cut = hunk.cut?.[i] ?? 0;
    made.unended = hunk.unended?.includes(i) ?? false;
    return made;
  });
}

function line(
  op: Line['op'],
  old: number | null,
  now: number | null,
  text: string,
  seen: Record<string, number>,
): Line {
  const name = op + text;
  const nth = (seen[name] = (seen[name] ?? 0) + 1);
  return { key: `${name}#${nth}`, op, old, new: now, text, words: [], cut: 0, unended: false };
}

const oldCount = (hunk: DiffHunk) => hunk.lines.filter((raw) => raw[0] !== '+').length;
const newCount = (hunk: DiffHunk) => hunk.lines.filter((raw) => raw[0] !== '-').length;

const BLOCK = 20;

/** Parts as what is drawn together: a comment ends a block, since it stands below its line. */
export function blocksOf(
  parts: readonly Part[],
  split: boolean,
  comments: Readonly<Record<string, unknown>>,
): Block[] {
  const blocks: Block[] = [];
  for (const { gap, lines } of parts) {
    if (gap) {
      blocks.push({ key: gap.key, gap });
      continue;
    }
    let rows: Row[] = [];
    const end = (commented: Line[]) => {
      const signs = rows.flatMap((row) => row.lines.map((one) => one?.text.length ?? 0));
      const wide = Math.max(...signs);
      if (rows[0]) blocks.push({ key: rows[0].key, rows, wide, hunk: lines, commented });
      rows = [];
    };
    for (const row of split
      ? pairsOf(lines)
      : lines.map((one) => ({ key: one.key, lines: [one] }))) {
      rows.push(row);
      const here = new Set(row.lines.filter((one) => one !== null));
      const commented = [...here].filter(({ key }) => comments[key]);
      if (commented.length > 0 || rows.length === BLOCK) end(commented);
    }
    end([]);
  }
  return blocks;
}

/** Lines side by side: what was taken away beside what came for it. */
export function pairsOf(lines: readonly Line[]): Row[] {
  const pairs: Row[] = [];
  let removed: Line[] = [];
  let added: Line[] = [];
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) {
      const left = removed[i] ?? null;
      const right = added[i] ?? null;
      pairs.push({ key: `${left?.key ?? ''}|${right?.key ?? ''}`, lines: [left, right] });
    }
    removed = [];
    added = [];
  };
  for (const one of lines) {
    if (one.op === '-') removed.push(one);
    else if (one.op === '+') added.push(one);
    else {
      flush();
      pairs.push({ key: one.key, lines: [one, one] });
    }
  }
  flush();
  return pairs;
}

export interface Piece {
  /** Where in the line it begins. */
  at: number;
  text: string;
  changed: boolean;
  /** A sign that no screen shows, by its name. */
  unseen: boolean;
}

/** A line in pieces: the words that changed, signs that can't be seen otherwise, and what is between. */
export function piecesOf({ text, words }: Line): Piece[] {
  if (words.length === 0 && text.search(UNSEEN) < 0)
    return [{ at: 0, text, changed: false, unseen: false }];
  const cuts = new Set([0, text.length, ...words.flat()]);
  for (const { index, 0: sign } of text.matchAll(UNSEEN)) cuts.add(index).add(index + sign.length);
  const places = [...cuts].filter((place) => place <= text.length).sort((a, b) => a - b);
  return places.slice(0, -1).map((at, i) => {
    const part = text.slice(at, places[i + 1]);
    const unseen = isUnseen(part);
    const changed = words.some(([start, end]) => start <= at && at < end);
    return { at, text: seen(part), changed, unseen };
  });
}

/** A colour of a line, and where in a piece of it. */
export interface Tint {
  piece: number;
  from: number;
  to: number;
  colour: string;
}

/** The colours of a line in its pieces. What has changed has one colour already. */
export function tintsOf(
  pieces: readonly Piece[],
  colours: readonly { text: string; colour: string }[],
): Tint[] {
  const tints: Tint[] = [];
  let start = 0;
  for (const { text, colour } of colours) {
    const end = start + text.length;
    if (colour && text.trim())
      for (const [piece, { at, text: own, changed, unseen }] of pieces.entries()) {
        const [from, to] = [Math.max(start, at) - at, Math.min(end, at + own.length) - at];
        if (from < to && !changed && !unseen) tints.push({ piece, from, to, colour });
      }
    start = end;
  }
  return tints;
}
