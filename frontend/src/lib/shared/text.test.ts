import { expect, test } from 'vitest';
import { brief, unmarked } from './text';

test.each([
  ['Use **pino** for the service.\n\n| a | b |', 'Use pino for the service.'],
  ['\n\n## What I found\ntext', 'What I found'],
  ['- run `npm test` first', 'run npm test first'],
  [
    'see [the notes](https://example.org/a_b) and ![a picture](x.png)',
    'see the notes and a picture',
  ],
  ['*soon* and _now_, ~~never~~', 'soon and now, never'],
  ['the file a_b_c and 2 * 3 * 4 stay', 'the file a_b_c and 2 * 3 * 4 stay'],
  ['1. first', 'first'],
  ['**It is `built`.**', 'It is built.'],
  ['delete `__init__.py`, or `__main__.py`?', 'delete __init__.py, or __main__.py?'],
  ['glob `**/*.py` and `**/*.ts`', 'glob **/*.py and **/*.ts'],
  ['', ''],
])('%j is shortened to %j', (text, words) => {
  expect(brief(text)).toBe(words);
});

test('the marks in the lines of a text go, and its lines stay', () => {
  expect(unmarked('Which **grey**?\n\n- `light`\n- _dark_')).toBe('Which grey?\n\n- light\n- dark');
});

test('a long text stays as it is, however many marks without an end are in it', () => {
  const long = ' *a'.repeat(20_000);
  expect(unmarked(long)).toBe(long);
});
