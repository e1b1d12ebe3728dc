import { expect, test } from 'vitest';
import { wordsOf } from './begun';

// spec: writing-17
test('what was begun to an ask is its texts, whatever they were said to, and nothing that was only chosen', () => {
  const begun = new Map([
    ['0', ' neither of them '],
    ['chosen', '{"Which?":["one"],"zone":"eu"}'],
    ['note', 'for now'],
    ['steps', '{"1":"not yet","3":" "}'],
    ['form', '{"name":"Ada"}'],
  ]);
  expect(wordsOf(begun)).toBe('neither of them\nfor now\nnot yet\nAda');
  expect(wordsOf(new Map([['chosen', '{}']]))).toBe('');
});

test('a draft that is damaged goes on as it is', () => {
  const begun = new Map([
    ['steps', '{"1":"not y'],
    ['note', 'for now'],
  ]);
  expect(wordsOf(begun)).toBe('{"1":"not y\nfor now');
});
