import { expect, test } from 'vitest';
import { plain } from './plain';

// spec: sessions-26
test('colours, moves, titles and links of a terminal are left out', () => {
  expect(plain('\x1b[1;31merror\x1b[0m: \x1b[38;5;200mlate\x1b[K')).toBe('error: late');
  expect(plain('\x1b]0;a title\x07ready')).toBe('ready');
  expect(plain('\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\')).toBe('here');
  expect(plain('\x1b(B\x1b=plain')).toBe('plain');
  expect(plain('never ended \x1b]0;title')).toBe('never ended ');
  expect(plain('bell\x07 and zero\x00')).toBe('bell and zero');
});

// spec: sessions-26
test('of a line that was written over the last state stays', () => {
  expect(plain('10 %\r55 %\r100 %\ndone')).toBe('100 %\ndone');
  expect(plain('abcdef\rxy')).toBe('xycdef');
  expect(plain('one\r\ntwo\r\n')).toBe('one\ntwo\n');
});

test('a plain text stays as it is, tabs and all', () => {
  const text = '<script>alert(1)</script>\n\tGröße 5 µm\n';
  expect(plain(text)).toBe(text);
});
