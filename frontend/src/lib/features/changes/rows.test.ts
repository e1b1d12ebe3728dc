import { describe, expect, it } from 'vitest';
import { seen } from '@mainloop/ui/unseen';
import type { DiffHunk, FileDiff } from '$lib/live/types';
import { pairsOf, partsOf, piecesOf, tintsOf, blocksOf, type Line, type Part } from './rows';

const NOTHING = () => false;

function hunk(old_start: number, new_start: number, ...lines: string[]): DiffHunk {
  return { old_start, new_start, heading: '', lines, words: {}, cut: {}, unended: [] };
}

function file(...hunks: DiffHunk[]): FileDiff {
  return { id: 'x', hunks, more: 0 };
}

const shown = (parts: Part[]) =>
  parts.map(({ gap, lines }) =>
    gap
      ? gap.count
      : lines.map((line) => `${line.old ?? ''}|${line.new ?? ''}|${line.op}${line.text}`),
  );

function lineOf(text: string, more: Partial<Line> = {}): Line {
  return {
    key: text,
    op: '+',
    old: null,
    new: 1,
    text,
    words: [],
    cut: 0,
    unended: false,
    ...more,
  };
}

describe('the rows of a file', () => {
  const diff = file(hunk(3, 3, ' c', '-d', '+D', '+E', ' e'), hunk(9, 9, '-i'));

  it('are all there where a file is new or gone', () => {
    expect(shown(partsOf(file(hunk(0, 1, '+a', '+b')), NOTHING, null))).toEqual([
      ['|1|+a', '|2|+b'],
    ]);
    expect(shown(partsOf(file(hunk(1, 0, '-a')), NOTHING, null))).toEqual([['1||-a']]);
  });

  it('have the numbers of both sides, and gaps where lines are folded', () => {
    expect(shown(partsOf(diff, NOTHING, null))).toEqual([
      2,
      ['3|3| c', '4||-d', '|4|+D', '|5|+E', '5|6| e'],
      3,
      ['9||-i'],
      -1,
    ]);
  });

  it('hold what is opened, in the place of the gap', () => {
    const whole = ['a', 'b', 'c', 'D', 'E', 'e', 'f', 'g', 'h', 'j'];
    expect(shown(partsOf(diff, (gap) => gap === 'gap1', whole))).toEqual([
      2,
      ['3|3| c', '4||-d', '|4|+D', '|5|+E', '5|6| e'],
      ['6|7| f', '7|8| g', '8|9| h'],
      ['9||-i'],
      1,
    ]);
    expect(shown(partsOf(diff, (gap) => gap === 'end', whole)).at(-1)).toEqual(['10|10| j']);
  });

  it('begin at one in a file that is new or gone', () => {
    expect(shown(partsOf(file(hunk(0, 1, '+a', '+b')), NOTHING, ['a', 'b']))).toEqual([
      ['|1|+a', '|2|+b'],
    ]);
    expect(shown(partsOf(file(hunk(1, 0, '-a')), NOTHING, []))).toEqual([['1||-a']]);
  });

  it('keep their keys when lines come before them', () => {
    const key = (diff: FileDiff, text: string) =>
      partsOf(diff, NOTHING, null)
        .flatMap(({ lines }) => lines ?? [])
        .find((line) => line.text === text)?.key;
    const later = file(hunk(3, 3, '+new', ' c', '-d', '+D', ' e'));
    expect(key(later, 'D')).toBe(key(diff, 'D'));
  });

  it('are drawn in blocks, each of which ends at a line with comments', () => {
    const many = file(hunk(0, 1, ...Array.from({ length: 50 }, (_, n) => `+line ${n}`)));
    const blocks = (comments: Record<string, unknown>) =>
      blocksOf(partsOf(many, NOTHING, null), false, comments).map(({ rows }) => rows?.length);
    expect(blocks({})).toEqual([20, 20, 10]);
    expect(blocks({ '+line 4#1': [] })).toEqual([5, 20, 20, 5]);
    const [first] = blocksOf(partsOf(diff, NOTHING, null), true, { '-d#1': [], '+D#1': [] }).slice(
      1,
    );
    expect(first?.rows?.map(({ lines }) => lines.map((line) => line?.text))).toEqual([
      ['c', 'c'],
      ['d', 'D'],
    ]);
    expect(first?.gap ? [] : first?.commented.map(({ text }) => text)).toEqual(['d', 'D']);
  });

  it('stand side by side, what went beside what came', () => {
    const [, part] = partsOf(diff, NOTHING, null);
    const pairs = pairsOf(part?.lines ?? []);
    expect(pairs.map(({ lines }) => lines.map((line) => line?.text))).toEqual([
      ['c', 'c'],
      ['d', 'D'],
      [undefined, 'E'],
      ['e', 'e'],
    ]);
  });
});

// spec: changes-13
describe('a line', () => {
  it('shows what hides in it', () => {
    expect(seen('a\u202eb\r')).toBe('a‹U+202E›b␍');
    const pieces = piecesOf(lineOf('if (\u2066x\u2069)\r'));
    expect(pieces.map(({ text }) => text).join('')).toBe('if (‹U+2066›x‹U+2069›)␍');
    expect(pieces.filter(({ unseen }) => unseen)).toHaveLength(3);
    expect(piecesOf(lineOf('\tplain ünïcode 🙂'))).toHaveLength(1);
  });

  it('has its colours and the words that changed, whatever they cut', () => {
    const pieces = piecesOf(lineOf('return value', { words: [[3, 9]] }));
    expect(pieces.map(({ text, changed }) => [text, changed])).toEqual([
      ['ret', false],
      ['urn va', true],
      ['lue', false],
    ]);
    const colours = [
      { text: 'return', colour: 'k' },
      { text: ' va', colour: '' },
      { text: 'lue', colour: 'n' },
    ];
    expect(tintsOf(pieces, colours)).toEqual([
      { piece: 0, from: 0, to: 3, colour: 'k' },
      { piece: 2, from: 0, to: 3, colour: 'n' },
    ]);
  });
});
