import { beforeEach, expect, test } from 'vitest';
import type { Session } from '$lib/live/types';
import { filter } from './filter.svelte';

const session = { handle: 'pg17', title: 'Postgres upgrade', project_id: 'p1' } as Session;

beforeEach(() => filter.clear());

// spec: sessions-29
test('a session is shown that has the words, in the project that was chosen', () => {
  expect(filter.takes(session)).toBe(true);
  filter.text = 'post pg';
  expect(filter.takes(session)).toBe(true);
  filter.project = 'p2';
  expect(filter.takes(session)).toBe(false);
  filter.project = 'p1';
  expect(filter.takes(session)).toBe(true);
  filter.text = 'mail';
  expect(filter.takes(session)).toBe(false);
});

test('what belongs to no session is shown while nothing is filtered', () => {
  expect(filter.takes(undefined)).toBe(true);
  filter.text = 'post';
  expect(filter.takes(undefined)).toBe(false);
});
