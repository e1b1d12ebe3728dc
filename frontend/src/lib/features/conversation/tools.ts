/** Tool calls as lines, folded where there are many alike. */
import type { ToolCallBody } from '$lib/live/types';

export type ToolPart =
  | { kind: 'call'; key: string; call: ToolCallBody }
  | { kind: 'alike'; key: string; verb: string; calls: ToolCallBody[] };

/** This many alike in a row become one line. */
const ALIKE = 3;
/** A finished turn with more calls than this is one line. */
export const FOLD_OVER = 3;

export function verbOf(call: ToolCallBody): string {
  return call.title.split(' ')[0] || call.tool;
}

export function targetOf(call: ToolCallBody): string {
  return call.title.slice(verbOf(call).length).trim() || (call.title ? '' : call.tool);
}

export function hasFailed(call: ToolCallBody): boolean {
  return call.status === 'error' || call.status === 'denied' || call.status === 'unknown';
}

export function partsOf(calls: ToolCallBody[]): ToolPart[] {
  const parts: ToolPart[] = [];
  for (let i = 0; i < calls.length;) {
    const first = calls[i];
    if (!first) break;
    const verb = verbOf(first);
    let end = i + 1;
    while (end < calls.length && verbOf(calls[end] as ToolCallBody) === verb) end++;
    const run = calls.slice(i, end);
    const settled = run.filter((call) => call.status !== 'running');
    if (settled.length >= ALIKE) {
      parts.push({ kind: 'alike', key: first.id, verb, calls: settled });
      for (const call of run.filter((other) => other.status === 'running'))
        parts.push({ kind: 'call', key: call.id, call });
    } else {
      for (const call of run) parts.push({ kind: 'call', key: call.id, call });
    }
    i = end;
  }
  return parts;
}

/** "read 14, run 2". */
export function sumOf(calls: ToolCallBody[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(verbOf(call), (counts.get(verbOf(call)) ?? 0) + 1);
  return [...counts].map(([verb, n]) => (n > 1 ? `${verb} ${n}` : verb)).join(', ');
}

/** What came out of a call, in a word or two. */
export function resultOf(call: ToolCallBody): { text: string; tone: '' | 'ok' | 'bad' } {
  switch (call.status) {
    case 'error':
      return { text: 'error', tone: 'bad' };
    case 'denied':
      return { text: 'denied', tone: 'bad' };
    case 'unknown':
      return { text: 'outcome unknown', tone: 'bad' };
    case 'running':
      return { text: '', tone: '' };
    case 'ok': {
      const lines = call.output.trim() ? call.output.trim().split('\n').length : 0;
      return { text: lines > 1 ? `${lines}${call.blob ? '+' : ''} lines` : '', tone: '' };
    }
  }
}
