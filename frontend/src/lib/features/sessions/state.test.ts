import { describe, expect, test } from 'vitest';
import type { Item, Session, Status } from '$lib/live/types';
import { actsOf, boundAbove, doingOf, faceOf, isAtWork, stoodSince, tookOf } from './state';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const before = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();

function session(state: Session['state'], status: Status = {}, more: Partial<Session> = {}) {
  const times = { created_at: before(90), updated_at: before(30), ended_at: null };
  return { id: 's', state, status, ...times, ...more } as Session;
}

function calling(minutes: number): Status {
  return {
    activity: { kind: 'tool', text: 'run make test', since: before(minutes), attempt: 0, of: 0 },
    heard_at: before(minutes),
  };
}

describe('what an agent does right now', () => {
  // spec: waiting-14
  test('a silence and a long call are called so, and only what is recent is plainly working', () => {
    const words = (status: Status) => faceOf(session('working', status), [], { now: NOW }).text;
    expect(words({ heard_at: before(9) })).toBe('working');
    expect(words({ heard_at: before(12) })).toBe('silent for 12 min');
    expect(words(calling(2))).toBe('working');
    expect(words(calling(65))).toBe('one call for 1h 05m');
    expect(doingOf(calling(65), NOW)).toMatchObject({
      verb: 'run',
      target: 'make test',
      since: before(65),
      live: true,
    });
  });

  test('only what has a living runner that does something looks alive', () => {
    const end = (status: Status) => faceOf(session('working', status), [], { now: NOW }).end;
    const held = (kind: 'retrying' | 'restarting'): Status => ({
      heard_at: before(1),
      activity: { kind, text: '', since: before(1), attempt: 4, of: 6 },
    });
    expect(end({ heard_at: before(1) })).toBe('live');
    expect(end(held('retrying'))).toBe('live');
    expect(end(held('restarting'))).toBe('lost');
    expect(end({ heard_at: before(12) })).toBe('lost');
    expect(end({ heard_at: before(1), last_seen: before(2) })).toBe('lost');
  });

  test('a retry says which one it is, a runner that is not seen says since when', () => {
    const activity = {
      kind: 'retrying',
      text: 'No.',
      since: before(1),
      attempt: 4,
      of: 6,
    } as const;
    const face = faceOf(session('working', { activity }), [], { now: NOW });
    expect(face.text).toBe('model retrying (attempt 4)');
    expect(doingOf({ activity }, NOW)).toMatchObject({ verb: 'No.', target: '(attempt 4 of 6)' });
    expect(doingOf({ activity, last_seen: before(2) }, NOW).chip).toMatch(/^last seen \d\d:\d\d$/);
  });

  test('what needs the person comes before all of it', () => {
    const stuck = (kind: string) =>
      faceOf(session('working', { last_seen: before(12) }), [{ kind } as Item], { now: NOW });
    expect(stuck('stall')).toMatchObject({ text: 'stuck: no progress', end: 'wait' });
    expect(stuck('sign_in').text).toBe('stuck: sign-in');
    expect(stuck('what comes later').text).toBe('stuck');
  });

  test('what is put off says until when, on a line of its own', () => {
    const item = { kind: 'plan', ask: {}, snoozed_at: before(1), snoozed_until: null } as Item;
    expect(faceOf(session('waiting'), [item], { now: NOW })).toMatchObject({
      tone: 'quiet',
      text: 'snoozed until you are back',
      end: 'paused',
    });
  });
});

describe('a change', () => {
  const said = (one: Session, items: Item[] = []) => faceOf(one, items, { now: NOW }).text;

  test('is ready for review until it needs the person, and merged when it is', () => {
    expect(said(session('in_review'))).toBe('ready for review');
    expect(said(session('in_review'), [{ kind: 'failure' } as Item])).toBe('failed');
    const over = (state: string) => session('done', {}, { change: { state } as Session['change'] });
    expect([said(over('merged')), said(over('closed'))]).toEqual(['merged', 'done']);
  });
});

// spec: length-17
test('in what an agent does right now nothing hides', () => {
  const activity = { kind: 'tool', text: 'run ls \u202e#llaw', since: before(1) } as const;
  const { verb, target } = doingOf({ activity } as Status, NOW);
  expect([verb, target]).toEqual(['run', 'ls ‹U+202E›#llaw']);
});

describe('a session in time', () => {
  // spec: waiting-6
  test('who waits for a place says how many are ahead, and holds none', () => {
    const queued = session('starting', {}, { reason: 'queued', queued_at: before(1) });
    expect(faceOf(queued, [], { ahead: 2 }).text).toBe('queued, 2 ahead');
    expect(faceOf(queued, [], { ahead: 0 }).text).toBe('queued, next');
    const activity = {
      kind: 'unwritten',
      text: 'Full.',
      since: before(1),
      attempt: 0,
      of: 0,
    } as const;
    const full = session('starting', { activity }, { reason: 'queued', queued_at: before(1) });
    expect(faceOf(full, [], { ahead: 0 }).text).toBe('disk full');
    expect(isAtWork(queued)).toBe(false);
    expect(isAtWork(session('starting', {}, { reason: 'preparing' }))).toBe(true);
  });

  test('only who has answered in its last turn is called so', () => {
    const result = { turn: 2, text: 'Done.', outcome: 'done', at: before(1) } as const;
    const words = (turn: number, more = {}) => faceOf(session('idle', {}, { turn, ...more })).text;
    expect(words(2, { result })).toBe('answered');
    expect(words(3, { result })).toBe('no answer');
    expect(words(1, { result: null })).toBe('no answer');
    expect(words(0, { result: null })).toBe('ready');
  });

  // spec: changes-38, changes-40
  test('who waits for other sessions says so, holds no place, and asks where one is lost', () => {
    const reason = "waits for otter's change to be merged";
    const held = session('starting', {}, { reason, held_at: before(1) });
    expect(faceOf(held, []).text).toBe('waits for others');
    expect(isAtWork(held)).toBe(false);
    expect(faceOf(held, [{ kind: 'order' } as Item]).text).toBe('asks you');
    expect(actsOf(held)).toMatchObject({ close: true, cancel: true, stop: false, park: false });
    expect(actsOf(session('starting')).close).toBe(false);
  });

  test('its time runs while it works and stands when it waits', () => {
    expect(tookOf(session('working'), NOW)).toBe('1h 30m');
    for (const state of ['idle', 'waiting', 'in_review'] as const) {
      expect(tookOf(session(state), NOW)).toBe('1h 00m');
    }
    expect(tookOf(session('done', {}, { ended_at: before(80) }), NOW)).toBe('10 min');
  });

  test('that its process has ended since is no news of it', () => {
    const result = { turn: 2, text: 'Done.', outcome: 'done', at: before(80) } as const;
    for (const state of ['idle', 'in_review'] as const) {
      const answered = session(state, {}, { turn: 2, result });
      expect([stoodSince(answered), tookOf(answered, NOW)]).toEqual([before(80), '10 min']);
    }
    const item = { kind: 'plan', opened_at: before(85) } as Item;
    expect(tookOf(session('waiting'), NOW, [item])).toBe('5m 00s');
    expect(stoodSince(session('idle', {}, { turn: 3, result }))).toBe(before(30));
  });
});

test('one is told above the next round sum', () => {
  expect([0, 0.4, 1, 1.99, 5, 9.99, 10, 49, 230].map(boundAbove)).toEqual([
    1, 1, 2, 2, 10, 10, 20, 50, 500,
  ]);
});
