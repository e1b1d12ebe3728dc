/** What a call would change in a file, as lines, where its input says so. */
export interface Change {
  path: string;
  lines: { kind: 'add' | 'del' | 'same'; text: string }[];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function changeOf(input: Record<string, unknown>): Change | null {
  const path = text(input['file_path']) ?? text(input['path']);
  if (path === null) return null;
  const before = text(input['old_string']);
  const after = text(input['new_string']) ?? text(input['content']);
  if (after === null) return null;
  return {
    path,
    lines: linesBetween(linesOf(before ?? ''), linesOf(after)),
  };
}

/** A line ends with its break; what is behind the last one is a line where it is something. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** Equal heads and tails stay; what is between them was taken out and put in. */
function linesBetween(before: string[], after: string[]): Change['lines'] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++;
  const as = (kind: 'add' | 'del' | 'same') => (line: string) => ({ kind, text: line });
  return [
    ...after.slice(0, head).map(as('same')),
    ...before.slice(head, before.length - tail).map(as('del')),
    ...after.slice(head, after.length - tail).map(as('add')),
    ...after.slice(after.length - tail).map(as('same')),
  ];
}
