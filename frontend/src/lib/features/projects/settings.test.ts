import { expect, test } from 'vitest';
import { lines, variables, written } from './settings';

// spec: projects-1
test('variables are written a line each, and come back as they were', () => {
  const given = { CI: '1', URL: 'http://a?b=c', EMPTY: '' };
  expect(variables(written(given))).toEqual(given);
  expect(variables(' A = b \n\nC')).toEqual({ A: 'b', C: '' });
  expect(lines('\n a\n\n b \n')).toEqual(['a', 'b']);
});
