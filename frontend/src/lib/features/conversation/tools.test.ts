import { expect, test } from 'vitest';
import type { ToolCallBody } from '$lib/live/types';
import { countOf, partsOf } from './tools';

function calls(...titles: string[]): ToolCallBody[] {
  return titles.map(
    (title, id) =>
      ({ id: `${id}`, title, tool: 'T', status: 'ok', output: '', input: {} }) as ToolCallBody,
  );
}

test('calls that do alike are one line that says how many of what', () => {
  const read = calls('read a.py', 'read b.py', 'read c.py');
  expect(partsOf(read)).toMatchObject([{ kind: 'alike', verb: 'read' }]);
  expect(countOf('read', read)).toBe('3 files');
  expect(countOf('read', calls('read a.py', 'read a.py', 'read a.py'))).toBe('3 times');
  expect(countOf('run', calls('run make', 'run ls', 'run git log'))).toBe('3 commands');
  expect(countOf('ask', calls('ask one', 'ask two', 'ask three'))).toBe('3 times');
});
