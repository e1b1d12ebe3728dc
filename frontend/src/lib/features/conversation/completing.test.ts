import { expect, test } from 'vitest';
import { begunAt } from './completing';

const at = (text: string) => begunAt(text, text.length);

test('a session is begun by @ at the beginning of a word', () => {
  expect(at('@')).toEqual({ kind: 'session', query: '', at: 0 });
  expect(at('tell @pg1')).toEqual({ kind: 'session', query: 'pg1', at: 5 });
  expect(at('one\n@é')).toEqual({ kind: 'session', query: 'é', at: 4 });
  expect(at('sam@example')).toBeNull();
  expect(at('@pg17 and')).toBeNull();
});

test('a command is begun by / at the very beginning, and a path is none', () => {
  expect(at('/')).toEqual({ kind: 'command', query: '', at: 0 });
  expect(at('/dark th')).toEqual({ kind: 'command', query: 'dark th', at: 0 });
  expect(at('/etc/passwd')).toBeNull();
  expect(at('see /settings')).toBeNull();
  expect(at('/a\nb')).toBeNull();
});

test('what stands behind the caret is not looked at', () => {
  expect(begunAt('@pg and more', 3)).toEqual({ kind: 'session', query: 'pg', at: 0 });
  expect(begunAt('@pg and more', 0)).toBeNull();
});
