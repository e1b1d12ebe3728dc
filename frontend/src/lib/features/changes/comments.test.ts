import { describe, expect, it } from 'vitest';
import { merged, messageOf, nameOf, placeOf, repliesOf, type LineComment } from './comments';
import { partsOf } from './rows';

const comment = (more: Partial<LineComment>): LineComment => ({
  id: 'n',
  file: 'f',
  path: 'src/a.py',
  side: 'new',
  line: 3,
  quote: '  three',
  text: 'Why?',
  state: 'kept',
  outdated: false,
  ...more,
});

function parts(start: number, ...lines: string[]) {
  const hunk = {
    old_start: start,
    new_start: start,
    heading: '',
    lines,
    words: {},
    cut: {},
    unended: [],
  };
  return partsOf({ id: 'f', hunks: [hunk], more: 0 }, () => false, null);
}

// spec: changes-17
describe('a comment', () => {
  const where = (...given: Parameters<typeof placeOf>) => {
    const place = placeOf(...given);
    return typeof place === 'string' ? place : place.at.new;
  };

  it('stays at its line, also where that has moved', () => {
    expect(where(comment({}), parts(2, ' two', '+  three', '+  three'))).toBe(3);
    expect(where(comment({}), parts(2, ' two', '+new', '+newer', '+  three'))).toBe(5);
  });

  it('is outdated where its line is gone, and folded where that is not shown', () => {
    expect(where(comment({}), parts(2, ' two', '+3', ' four'))).toBe('outdated');
    expect(where(comment({}), parts(20, ' two', '+3', ' four'))).toBe('folded');
    expect(where(comment({ quote: '' }), parts(2, ' two', '+x', '+', ' four'))).toBe('outdated');
  });

  it('on a line that was taken away is not one on a line that came', () => {
    const shown = parts(2, ' two', '-  three', '+  three');
    expect(placeOf(comment({ side: 'old' }), shown)).toMatchObject({ at: { op: '-' } });
    expect(placeOf(comment({}), shown)).toMatchObject({ at: { op: '+' } });
  });
});

// spec: changes-18
it('comments are one message with exact places, whatever signs are in them', () => {
  const text = messageOf([
    comment({ path: 'z.md', line: 0, quote: '', text: 'Is this file needed?' }),
    comment({ line: 46, quote: '    x = `a` + ```b```', text: ' Say why.\n' }),
    comment({ line: 4, side: 'old', quote: 'gone', text: 'Keep it.', outdated: true }),
    comment({ path: 'a`b\n.py', line: 1, quote: '', text: 'Odd name.' }),
  ]);
  expect(text).toBe(
    [
      '4 comments on your change:',
      '**``a`b‹U+000A›.py``, line 1** (comment n)',
      'Odd name.',
      '**`src/a.py`, line 4 as it was before your change (you have changed this line since)** (comment n)\n```\ngone\n```',
      'Keep it.',
      '**`src/a.py`, line 46** (comment n)\n````\n    x = `a` + ```b```\n````',
      'Say why.',
      '**`z.md`** (comment n)',
      'Is this file needed?',
    ].join('\n\n'),
  );
});

// spec: changes-16
describe('comments of two pages', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => comment({ id })) as [
    LineComment,
    LineComment,
    LineComment,
  ];

  it('are those of both, without what one of them has removed', () => {
    expect(merged([a, b], [a], [a, c]).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(merged([a, b], [a, b], [b])).toEqual([b]);
    expect(merged([b], [a, b], [a, b, c])).toEqual([b, c]);
  });

  it('have the text of who wrote last, and stay sent', () => {
    expect(merged([a], [a], [{ ...a, text: 'New' }])).toEqual([{ ...a, text: 'New' }]);
    expect(merged([{ ...a, text: 'Mine' }], [a], [a, b])[0]?.text).toBe('Mine');
    const sent = { ...a, state: 'sent' as const };
    expect(merged([sent], [a], [{ ...a, text: 'Late' }])).toEqual([sent]);
    expect(merged([a], [a], [sent])).toEqual([sent]);
  });

  it('become a message of the same name, in whatever order', () => {
    const name = nameOf([a, b]);
    expect(name).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(nameOf([b, a])).toBe(name);
    expect(nameOf([a])).not.toBe(name);
    expect(nameOf([a, { ...b, text: 'Else' }])).not.toBe(name);
  });
});

// spec: changes-67
it('has what its agent has said to it, also where that is not here any more', () => {
  const call = (comment: string, text: string, status: 'ok' | 'error' = 'ok') => ({
    tool: 'reply',
    status,
    input: { comment, text },
  });
  const one = comment({ id: '1700000000000-abcdefghij' });
  const calls = [call('fghij', 'Yes.'), call('other', 'No.'), call('fghij', 'Lost.', 'error')];
  expect(repliesOf(one, calls)).toEqual(['Yes.']);
  expect(repliesOf({ ...one, replies: ['Yes.'] }, [])).toEqual(['Yes.']);
  expect(messageOf([one])).toContain('(comment fghij)');
});
