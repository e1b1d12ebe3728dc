import { expect, test } from 'vitest';
import { fit, parts } from './match';

test('every word that was typed has to be there, in whatever text and order', () => {
  expect(fit('post pg', 'pg17', 'Postgres 15 → 17')).toBeGreaterThan(0);
  expect(fit('post mail', 'pg17', 'Postgres 15 → 17')).toBe(0);
  expect(fit('', 'anything')).toBeGreaterThan(0);
});

test('the beginning of a text fits best, then of a word, then its middle', () => {
  const start = fit('sea', 'search-latency');
  const word = fit('lat', 'search-latency');
  const inside = fit('arch', 'search-latency');
  expect(start).toBeGreaterThan(word);
  expect(word).toBeGreaterThan(inside);
  expect(inside).toBeGreaterThan(0);
});

test('signs with a meaning in patterns are taken as they are', () => {
  expect(fit('c++ (', 'C++ (old)')).toBeGreaterThan(0);
  expect(fit('.*', 'plain')).toBe(0);
  expect(parts('a.b-c', '.b-')).toEqual([
    { text: 'a', hit: false },
    { text: '.b-', hit: true },
    { text: 'c', hit: false },
  ]);
});

test('what was typed is set apart in the text as it stands', () => {
  expect(parts('Postgres 15', 'post')).toEqual([
    { text: 'Post', hit: true },
    { text: 'gres 15', hit: false },
  ]);
  expect(parts('Müller', 'mü')[0]).toEqual({ text: 'Mü', hit: true });
});
