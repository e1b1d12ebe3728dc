import { describe, expect, test } from 'vitest';
import type { MessageBody } from '$lib/live/types';
import { en } from '$lib/messages/en';
import { writerOf } from './writer';

const KNOWN = {
  person: 'ada',
  session: { agent: 'claude' },
  handleOf: (id: string) => (id === 's-1' ? 'pg17' : undefined),
};

function message(role: MessageBody['role'], fromThread: string | null = null): MessageBody {
  return { id: 'm', role, text: 'Hello', from_thread: fromThread } as MessageBody;
}

describe('who wrote a message', () => {
  test('a session that the main agent started: its first message is the main agent’s', () => {
    expect(writerOf(message('user', 'main'), KNOWN)).toEqual({ name: en.app.loop, person: false });
  });

  test('what another session wrote has that session’s handle', () => {
    expect(writerOf(message('user', 's-1'), KNOWN)).toEqual({ name: 'pg17', person: false });
    expect(writerOf(message('user', 's-9'), KNOWN)).toEqual({
      name: en.chat.someSession,
      person: false,
    });
  });

  test('the person, the agent of the thread, and the system', () => {
    expect(writerOf(message('user'), KNOWN)).toEqual({ name: 'ada', person: true });
    expect(writerOf(message('assistant'), KNOWN).name).toBe('claude');
    expect(writerOf(message('assistant'), { ...KNOWN, session: null }).name).toBe(en.app.loop);
    expect(writerOf(message('system'), KNOWN)).toEqual({ name: en.chat.system, person: false });
  });
});
