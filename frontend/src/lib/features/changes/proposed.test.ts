import { describe, expect, it } from 'vitest';
import type { MergePolicy, Project, ProposedChange, Session } from '$lib/live/types';
import { actsOn, checkOf, isProposable, testsOf, type Check } from './proposed';

const run = (state: Check['state'], commit = 'c1'): Check => ({
  id: `${state}-${commit}`,
  name: 'tests',
  commit,
  state,
  started_at: null,
  ended_at: null,
  excerpt: '',
});

const change = (more: Partial<ProposedChange> = {}) =>
  ({
    state: 'open',
    commit: 'c1',
    base_commit: 'b1',
    conflicts: [],
    approved: false,
    checks: [],
    ...more,
  }) as unknown as ProposedChange;

const project = (merge: Partial<MergePolicy> = {}, test = 'make test') =>
  ({
    source: '/code/shop',
    settings: {
      test,
      merge: {
        how: 'squash',
        needs_green: true,
        needs_approval: true,
        by_itself: true,
        reach: 'never',
        repairs: 2,
        ...merge,
      },
    },
  }) as unknown as Project;

const at = (state: Session['state']) => ({ state });
const review = at('in_review');

// spec: changes-60
describe('what can be done about a change', () => {
  it('is approved first, and merged then where nothing else is missing', () => {
    const green = change({ checks: [run('passed')] });
    expect(actsOn(green, review, project())).toMatchObject({ first: 'approve', mergesThen: true });
    expect(actsOn(change(), review, project({}, ''))).toMatchObject({
      first: 'approve',
      mergesThen: true,
      check: false,
    });
    expect(actsOn(green, review, project({ by_itself: false })).mergesThen).toBe(false);
    const running = change({ checks: [run('running')] });
    expect(actsOn(running, review, project())).toMatchObject({
      first: 'approve',
      mergesThen: false,
      check: false,
      stopCheck: true,
    });
  });

  it('is merged by hand where it is not by itself', () => {
    const yes = { approved: true };
    const byHand = project({ by_itself: false });
    expect(actsOn(change(yes), review, byHand).first).toBe('merge');
    expect(actsOn(change(), review, project({ needs_approval: false })).first).toBe('merge');
    // What happens in a moment needs no button; that it may be hurried stands in the menu.
    const running = change({ ...yes, checks: [run('running')] });
    expect(actsOn(running, review, project())).toMatchObject({ first: null, merge: true });
  });

  it('waits for its agent, and for a base without conflicts', () => {
    for (const state of ['working', 'starting'] as const)
      expect(actsOn(change(), at(state), project())).toMatchObject({
        first: null,
        sendBack: false,
        merge: false,
        discard: false,
      });
    expect(actsOn(change({ conflicts: ['a.py'] }), review, project())).toMatchObject({
      first: null,
      sendBack: true,
      discard: true,
    });
    expect(actsOn(change({ base_commit: null }), review, project()).merge).toBe(false);
    expect(actsOn(change({ state: 'merged' }), at('done'), project())).toMatchObject({
      first: null,
      sendBack: false,
      check: false,
      ask: false,
      takeOver: true,
    });
  });
});

describe('the tests of a change', () => {
  it('count for its newest commit only', () => {
    const older = change({ checks: [run('passed', 'c0')] });
    expect(checkOf(older)).toBeUndefined();
    expect(testsOf(older, project())).toBe('missing');
    expect(testsOf(change({ checks: [run('failed'), run('passed')] }), project())).toBe('red');
    expect(testsOf(change({ checks: [run('stopped')] }), project())).toBe('missing');
    expect(testsOf(change({ checks: [run('failed')] }), project({ needs_green: false }))).toBe(
      'fine',
    );
  });
});

it('what was committed after a merge can be proposed, while nothing works on it', () => {
  const of = (state: string, its: ProposedChange | null) =>
    ({ state, change: its }) as unknown as Session;
  const merged = change({ state: 'merged' });
  expect(isProposable(of('idle', null), 'c1')).toBe(true);
  expect(isProposable(of('idle', null), undefined)).toBe(false);
  expect(isProposable(of('idle', merged), 'c1')).toBe(false);
  expect(isProposable(of('idle', merged), 'c2')).toBe(true);
  expect(isProposable(of('failed', change({ state: 'closed' })), 'c2')).toBe(true);
  expect(isProposable(of('idle', change({ state: 'closed' })), 'c1')).toBe(true);
  expect(isProposable(of('done', change({ state: 'closed' })), 'c1')).toBe(false);
  expect(isProposable(of('idle', change()), 'c2')).toBe(false);
  expect(isProposable(of('working', merged), 'c2')).toBe(false);
  expect(isProposable(of('done', merged), 'c2')).toBe(false);
});
