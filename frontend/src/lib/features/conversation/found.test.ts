import { expect, test } from 'vitest';
import { finderOf, placesIn } from './found';

function found(text: string, query: string): string[] {
  const finder = finderOf(query);
  return finder ? placesIn(text, finder).map(([start, end]) => text.slice(start, end)) : [];
}

// spec: page-18
test('words are found by their beginnings, without case and accents', () => {
  expect(found('Search the searches, research', 'sear')).toEqual(['Search', 'searches']);
  expect(found('Eine Überraschung: e\u0301te\u0301!', 'uber été')).toEqual([
    'Überraschung',
    'e\u0301te\u0301',
  ]);
  expect(found('see ranking/score.py now', 'score.p')).toEqual(['score.py']);
  expect(found('score the python', 'score.p')).toEqual([]);
  expect(found('行った東京の人', '東京')).toEqual(['東京']);
  expect(found('done 🎉 at last', '🎉')).toEqual(['🎉']);
  expect(found('a 👩‍👩‍👧 and words after it', 'words')).toEqual(['words']);
});

// spec: page-16
test('what is searched for is text', () => {
  for (const query of ['', ' ', '(', '[-', '.*', '\\', '*', '$^', '((((', '\ud83d'])
    expect(found('a plain (text) [of] b', query)).toEqual([]);
  expect(found('a plain (text)', '(text)*')).toEqual(['text']);
});
