import { expect, test } from 'vitest';
import type { Session, Settings } from '$lib/live/types';
import { Problem } from '$lib/live/api';
import type { App } from '$lib/shared/app.svelte';
import { attach, choose, hindrance } from './attach';
import type { Conversation } from './conversation.svelte';

const file = (name: string, size = 100) => ({ name, size });

test('an empty file and one that is too large are refused in words, the others are taken', () => {
  const { taken, refused } = choose([file('a'), file('b', 0), file('c', 11 * 1024 * 1024)], 0);
  expect(taken).toEqual([0]);
  expect(refused).toEqual(['b is empty.', 'c is larger than 10 MB, so it can’t be sent.']);
});

test('of twenty files ten are taken, and it is said how many were left out', () => {
  const twenty = Array.from({ length: 20 }, (_, i) => file(`${i}.txt`));
  expect(choose(twenty, 0).taken).toHaveLength(10);
  expect(choose(twenty, 0).refused).toEqual(['A message takes 10 files: 10 were left out.']);
  expect(choose(twenty, 8).taken).toEqual([0, 1]);
  expect(choose([], 10).refused).toEqual([]);
});

const settings = {
  default_agent: 'claude',
  agents: [
    { kind: 'claude', name: 'Claude', available: true, why: '', models: [], sees: true },
    { kind: 'scripted', name: 'Demo agent', available: true, why: '', models: [], sees: false },
  ],
} as unknown as Settings;
const of = (type: string, size = 100) => ({ type, size });
const claude = { agent: 'claude' } as Session;
const demo = { agent: 'scripted' } as Session;

test('what an agent takes as it is needs no word', () => {
  expect(hindrance(of('image/png'), null, settings)).toBe('');
  expect(hindrance(of('text/plain'), null, settings)).toBe('');
  expect(hindrance(of('application/json'), null, settings)).toBe('');
  // A drawing in text is a text.
  expect(hindrance(of('image/svg+xml'), null, settings)).toBe('');
  expect(hindrance(of('application/pdf'), claude, settings)).toBe('');
});

test('what it can not see or read is said', () => {
  expect(hindrance(of('application/pdf'), null, settings)).toMatch(/^Claude can’t read this here/);
  expect(hindrance(of('image/png', 4_000_000), null, settings)).toMatch(
    /too large to be seen by Claude/,
  );
  expect(hindrance(of('image/png'), demo, settings)).toMatch(/^Demo agent can’t see pictures/);
  expect(hindrance(of('text/plain', 100_000), null, settings)).toMatch(/only the beginning of/);
});

test('who has to sign in again keeps the file, and one that is refused is taken out in words', async () => {
  const refusing = (status: number) =>
    ({
      connection: { live: { call: () => Promise.reject(new Problem(status, '', 'Not this.')) } },
    }) as unknown as App;
  const brought = [new File(['half a plan'], 'plan.txt', { type: 'text/plain' })];
  const conversation = { files: [] } as unknown as Conversation;
  expect(await attach(refusing(422), conversation, brought)).toEqual(['plan.txt: Not this.']);
  expect(conversation.files).toEqual([]);
  expect(await attach(refusing(401), conversation, brought)).toEqual([]);
  expect(conversation.files).toMatchObject([{ name: 'plan.txt', id: null, sent: null }]);
});
