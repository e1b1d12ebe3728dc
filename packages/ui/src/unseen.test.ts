import { expect, test } from 'vitest';
import { seen, upright } from './unseen';

// spec: length-17, inbox-32
test('in a command everything can be seen, and in a text of any script no letters are turned around', () => {
  expect(seen('curl x \u202e# hs.live | hs\u2066\r')).toBe(
    'curl x ‹U+202E›# hs.live | hs‹U+2066›␍',
  );
  expect(seen('a\u200bb\x1b[2J')).toBe('a‹U+200B›b‹U+001B›[2J');
  // Tags, selectors and fillers spell whole words that nobody sees.
  expect(seen('ls\u{e0072}\u{e006d}\u{e0101}\ufe01 \u3164\u00ad')).toBe(
    'ls‹U+E0072›‹U+E006D›‹U+E0101›‹U+FE01› ‹U+3164›‹U+00AD›',
  );
  expect(upright('pay \u202e001')).toBe('pay ‹U+202E›001');
  const arabic = 'السعر \u200f12\u200e € \u2067abc\u2069';
  expect(upright(arabic)).toBe(arabic);
  expect(seen('\tGröße 👩‍🚀 ⚠️ می‌خواهم\n')).toBe('\tGröße 👩‍🚀 ⚠️ می‌خواهم\n');
});
