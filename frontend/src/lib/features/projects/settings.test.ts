import { expect, test } from 'vitest';
import type { Project } from '$lib/live/types';
import { begun, changesOf, drafted, lines, variables, written } from './settings';

// spec: projects-1
test('variables are written a line each, and come back as they were', () => {
  const given = { CI: '1', URL: 'http://a?b=c', EMPTY: '', SPACES: ' a ' };
  expect(variables(written(given))).toEqual(given);
  expect(lines('\n a\n\n b \n')).toEqual(['a', 'b']);
});

// spec: projects-2
test('a line that is no variable is refused in words', () => {
  expect(() => variables('CI=1\n# a note')).toThrow('“# a note” is no variable');
});

// spec: projects-1
test('only what was changed goes out', () => {
  const settings = {
    branch: null,
    set_up: 'make',
    test: '',
    instructions: '',
    environment: { LONG: 'two\nlines' },
    files: [],
    merge: {
      how: 'squash',
      needs_green: true,
      needs_approval: true,
      by_itself: true,
      reach: 'never',
      repairs: 2,
    },
  };
  const draft = drafted({ settings, keep_ignored: ['*.log'] } as unknown as Project);
  expect(changesOf(draft, [])).toEqual({});
  expect(changesOf({ ...draft, test: 'make test' }, ['test'])).toEqual({
    settings: { test: 'make test' },
  });
  expect(
    changesOf({ ...draft, branch: 'next', keepIgnored: '' }, ['branch', 'keepIgnored']),
  ).toEqual({ settings: { branch: 'next' }, keep_ignored: [] });
  expect(
    changesOf({ ...draft, by_itself: false, repairs: 0, test: 'x' }, [
      'by_itself',
      'repairs',
      'test',
    ]),
  ).toEqual({ settings: { test: 'x', merge: { by_itself: false, repairs: 0 } } });
  // What is kept of a form that was not saved, whatever is in it.
  expect(begun(draft, '{"test":"x","repairs":"2","gone":1}')).toEqual({ test: 'x' });
  expect([begun(draft, ''), begun(draft, '{')]).toEqual([{}, {}]);
});
