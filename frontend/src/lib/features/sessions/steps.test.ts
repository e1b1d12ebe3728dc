import { expect, test } from 'vitest';
import type { ToolCallBody } from '$lib/live/types';
import { found } from './steps';

const call = {
  id: 'c',
  turn: 1,
  tool: 'Bash',
  title: 'run npm test',
  input: { command: 'npm test -- --watch' },
  status: 'ok',
  output: '\x1b[32mpassed\x1b[0m 12\n\x1b[31mfailed\x1b[0m: checkout is slow\n',
} as ToolCallBody;

// spec: sessions-27
test('a step is found by its title, its input and its output, and the line is shown', () => {
  expect(found(call, '')).toBe('');
  expect(found(call, 'NPM')).toBe('');
  expect(found(call, '--watch')).toBe('npm test -- --watch');
  expect(found(call, 'slow checkout')).toBe('failed: checkout is slow');
  expect(found(call, 'watch slow')).toBe('npm test -- --watch');
  expect(found(call, 'deploy')).toBeNull();
});

// spec: sessions-26
test('what only colours a terminal is not found', () => {
  expect(found(call, '[31m')).toBeNull();
});
