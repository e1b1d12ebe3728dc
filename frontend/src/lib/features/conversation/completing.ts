/** What is being begun in the composer: a session after `@`, a command after `/` at the very beginning. */
export interface Begun {
  kind: 'session' | 'command';
  query: string;
  /** Where the sign stands. */
  at: number;
}

/** `caret`: what is right of it is not looked at. */
export function begunAt(text: string, caret: number): Begun | null {
  const before = text.slice(0, caret);
  const session = /(?:^|[\s(])@([\p{L}\p{N}_-]{0,40})$/u.exec(before);
  if (session) {
    const query = session[1] ?? '';
    return { kind: 'session', query, at: caret - query.length - 1 };
  }
  // A path is no command.
  const command = /^\/([\p{L}][\p{L}\p{N} ]{0,40})?$/u.exec(before);
  return command ? { kind: 'command', query: command[1] ?? '', at: 0 } : null;
}
