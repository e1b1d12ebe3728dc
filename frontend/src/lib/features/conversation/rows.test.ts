import { describe, expect, test } from 'vitest';
import type { Entry } from '$lib/live/reducer';
import type { Event, ToolCallBody } from '$lib/live/types';
import { rowsOf, withTail, type Row, type RowsOf, type Tail } from './rows';
import { partsOf, resultOf, sumOf } from './tools';

function entry(kind: string, body: object, place: number, at = '2026-11-24T10:00:00Z'): Entry {
  return {
    key: `${kind}:${place}`,
    place,
    at,
    event: { kind, body, at, seq: place } as unknown as Event,
  };
}

function rows(entries: Entry[], more: Partial<RowsOf & Tail> = {}): Row[] {
  const whole = {
    entries,
    growing: [],
    pending: [],
    next: null,
    turn: null,
    newAfter: null,
    today: '2026-11-24',
    complete: true,
    ended: true,
    ...more,
  };
  return withTail(rowsOf(whole), whole);
}

const kinds = (list: Row[]) => list.map((row) => row.kind);

const said = (turn: number, text = 'text', role = 'assistant') => ({
  id: text,
  role,
  text,
  turn,
  status: 'finished',
});

const call = (id: string, title: string, more: Partial<ToolCallBody> = {}): ToolCallBody => ({
  id,
  turn: 1,
  tool: 'Read',
  title,
  input: {},
  status: 'ok',
  output: '',
  ...more,
});

describe('rows', () => {
  // spec: unread-3, unread-6
  test('what is new has one mark, before the first that tells something', () => {
    const log = [
      entry('message', said(1, 'known'), 1),
      entry('message', said(2, 'of the person', 'user'), 3),
      entry('tool_call', call('a', 'read a'), 4),
      entry('message', said(2, 'new'), 5),
      entry('message', said(3, 'newer'), 6),
    ];
    expect(kinds(rows(log, { newAfter: 1 }))).toEqual([
      ...['origin', 'message', 'message', 'tools', 'new', 'message', 'message'],
    ]);
    expect(kinds(rows(log, { newAfter: 6 }))).not.toContain('new');
    const asks = [...log, entry('item', { id: 'i', state: 'open' }, 7)];
    expect(kinds(rows(asks, { newAfter: 6 }))).not.toContain('new');
    expect(kinds(rows(log))).not.toContain('new');
  });

  test('calls that follow each other are one row', () => {
    const list = rows([
      entry('tool_call', call('a', 'read a'), 1),
      entry('tool_call', call('b', 'read b'), 2),
      entry('message', said(1), 3),
      entry('tool_call', call('c', 'run c'), 4),
    ]);
    expect(kinds(list)).toEqual(['origin', 'tools', 'message', 'tools']);
  });

  test('a result that only repeats the last message is not shown twice', () => {
    const shown = rows([
      entry('message', said(1, 'Done.'), 1),
      entry('result', { turn: 1, text: 'Done.' }, 2),
    ]);
    expect(kinds(shown)).toEqual(['origin', 'message']);
    const other = rows([
      entry('message', said(1, 'Done.'), 1),
      entry('result', { turn: 1, text: 'All of it.' }, 2),
    ]);
    expect(kinds(other)).toContain('result');
  });

  test('a call of ours that has a row of its own is left out, unless it failed', () => {
    const spawn = call('a', 'start a session', { tool: 'mcp__mainloop__spawn_session' });
    expect(kinds(rows([entry('tool_call', spawn, 1)]))).toEqual(['origin']);
    expect(kinds(rows([entry('tool_call', { ...spawn, status: 'error' }, 1)]))).toContain('tools');
  });

  test('a turn that only ended says nothing, one that failed does', () => {
    expect(kinds(rows([entry('turn_ended', { turn: 1, outcome: 'completed' }, 1)]))).toEqual([
      'origin',
    ]);
    expect(kinds(rows([entry('turn_ended', { turn: 1, outcome: 'failed' }, 1)]))).toContain(
      'ended',
    );
  });

  // spec: layout-16
  test('a session is newest where it spoke last, where the end of the log is here', () => {
    const log = [
      entry('session_started', { session_id: 'a' }, 1),
      entry('session_started', { session_id: 'b' }, 2),
      entry('notice', { session_id: 'a', about: 'item', text: 'Which?' }, 3),
      entry('notice', { session_id: 'a', about: 'result', text: 'Done.' }, 4),
      entry('notice', { session_id: 'a', about: 'note', text: 'Look at it.' }, 5),
    ];
    const newest = (list: Row[]) =>
      list.flatMap((row) => ('newest' in row && row.newest ? [row.place] : []));
    expect(newest(rows(log))).toEqual([2, 4]);
    expect(newest(rows(log, { ended: false }))).toEqual([]);
    // What follows at once says it all.
    const again = rows(log).flatMap((row) => ('again' in row && row.again ? [row.place] : []));
    expect(again).toEqual([3]);
  });

  test('a kind from a newer server is left out', () => {
    expect(kinds(rows([entry('hologram', {}, 1)]))).toEqual(['origin']);
  });

  test('days are marked where they change, not where the loaded part happens to begin', () => {
    const list = [
      entry('message', said(1, 'a'), 1, '2026-11-22T10:00:00Z'),
      entry('message', said(2, 'b'), 2, '2026-11-23T10:00:00Z'),
    ];
    expect(kinds(rows(list))).toEqual(['origin', 'day', 'message', 'day', 'message']);
    expect(kinds(rows(list, { complete: false }))).toEqual(['message', 'day', 'message']);
  });

  test('who works and says nothing yet is seen to work', () => {
    expect(kinds(rows([], { turn: 1 })).at(-1)).toBe('thinking');
    const running = entry('tool_call', call('a', 'read a', { status: 'running' }), 1);
    expect(kinds(rows([running], { turn: 1 }))).not.toContain('thinking');
  });

  test('a message keeps its key from being typed to being in the log', () => {
    const waiting = rows([], {
      pending: [
        {
          kind: 'message',
          id: 'm',
          thread_id: 'main',
          text: '',
          mode: 'queue',
          at: 1,
          state: 'waiting',
          reason: '',
        },
      ],
    });
    expect(waiting.at(-1)?.key).toBe('message:m');
  });
});

describe('tools', () => {
  test('three alike in a row are one line, two are not', () => {
    const calls = ['read a', 'read b', 'read c', 'run d', 'run e'].map((title, i) =>
      call(String(i), title),
    );
    expect(partsOf(calls).map((part) => part.kind)).toEqual(['alike', 'call', 'call']);
    expect(sumOf(calls)).toBe('read 3, run 2');
  });

  test('one that still runs is never folded away', () => {
    const calls = ['a', 'b', 'c', 'd'].map((id) =>
      call(id, `read ${id}`, id === 'd' ? { status: 'running' } : {}),
    );
    expect(partsOf(calls).map((part) => part.kind)).toEqual(['alike', 'call']);
  });

  test('say how they ended', () => {
    expect(resultOf(call('a', 'run', { status: 'denied' }))).toEqual({
      text: 'denied',
      tone: 'bad',
    });
    expect(resultOf(call('a', 'run', { output: 'x\ny\n' })).text).toBe('2 lines');
  });

  // spec: layout-17
  test('say how tests went, what was committed and how much was changed', () => {
    const ran = (output: string, status: ToolCallBody['status'] = 'ok') =>
      resultOf(call('a', 'run', { input: { command: 'make' }, output, status }));
    expect(ran('..\n38 passed in 2.10s\n')).toEqual({ text: '38 passed', tone: 'ok' });
    expect(ran('Exit code 1\n3 failed, 47 passed in 4.2s', 'error')).toEqual({
      text: '3 failed',
      tone: 'bad',
    });
    // Some runners hide it in a pipe that ended well.
    expect(ran(' Tests  1 failed | 11 passed (12)').tone).toBe('bad');
    expect(ran('38 passed\nTraceback', 'error')).toEqual({ text: 'error', tone: 'bad' });
    expect(ran('[main (root-commit) 1f2e3d4] Sort the rows\n 1 file changed').text).toBe(
      'commit 1f2e3d4',
    );
    const wrote = (input: Record<string, unknown>) => resultOf(call('a', 'edit', { input })).text;
    expect(wrote({ file_path: 'a', old_string: 'x\ny', new_string: 'x\nz\nw' })).toBe('+2 −1');
    expect(wrote({ file_path: 'a', content: 'x\ny\n' })).toBe('+2');
    expect(wrote({ file_path: 'a' })).toBe('');
  });
});
