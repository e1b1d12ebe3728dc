/** Tool calls as lines, folded where there are many alike. */
import { changeOf } from '$lib/features/inbox/change';
import type { ToolCallBody } from '$lib/live/types';
import { en } from '$lib/messages/en';

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

/** "14 files", of calls that do alike. */
export function countOf(verb: string, calls: ToolCallBody[]): string {
  return en.chat.alike(verb, calls.length, new Set(calls.map(targetOf)).size === calls.length);
}

/** "read 14, run 2". */
export function sumOf(calls: ToolCallBody[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(verbOf(call), (counts.get(verbOf(call)) ?? 0) + 1);
  return [...counts].map(([verb, n]) => (n > 1 ? `${verb} ${n}` : verb)).join(', ');
}

interface Outcome {
  text: string;
  tone: '' | 'ok' | 'bad';
}

/** What came out of a call, in a word or two. */
export function resultOf(call: ToolCallBody): Outcome {
  switch (call.status) {
    case 'error':
      // A run of tests says more than that it failed.
      return outcomeOf(call, 'bad') ?? { text: 'error', tone: 'bad' };
    case 'denied':
      return { text: 'denied', tone: 'bad' };
    case 'unknown':
      return { text: 'outcome unknown', tone: 'bad' };
    case 'running':
      return { text: '', tone: '' };
    case 'ok': {
      const lines = call.output.trim() ? call.output.trim().split('\n').length : 0;
      return (
        outcomeOf(call, '') ?? {
          text: lines > 1 ? `${lines}${call.blob ? '+' : ''} lines` : '',
          tone: '',
        }
      );
    }
  }
}

function outcomeOf(call: ToolCallBody, tone: '' | 'bad'): Outcome | null {
  const changed = tone === 'bad' ? null : changedBy(call.input);
  if (changed) return { text: changed, tone: '' };
  if (typeof call.input['command'] !== 'string') return null;
  const commit = tone === 'bad' ? null : COMMIT.exec(call.output)?.[1];
  return commit ? { text: `commit ${commit}`, tone: '' } : testsOf(call.output, tone);
}

/** The line with which git tells of a commit: "[main 1f2e3d4] Sort the rows". */
const COMMIT = /^\[\S+(?: \([\w-]+\))? ([0-9a-f]{7,40})\] \S/m;
/** A sum as runners of tests end with: "3 failed, 47 passed in 4.2s", "Tests  12 passed (12)". */
const SUM = /\b(\d+) (passed|failed)\b/g;

/** The last line with a sum of tests says how they went. */
function testsOf(output: string, tone: '' | 'bad'): Outcome | null {
  const line = output
    .trim()
    .split('\n')
    .findLast((one) => one.match(SUM));
  if (!line) return null;
  const counts = new Map([...line.matchAll(SUM)].map(([, n, what]) => [what, Number(n)]));
  const failed = counts.get('failed') ?? 0;
  if (failed > 0) return { text: `${failed} failed`, tone: 'bad' };
  // It failed in another way than its tests.
  return tone === 'bad' ? null : { text: `${counts.get('passed')} passed`, tone: 'ok' };
}

/** "+41 −6", where the input says what it puts in and takes out. */
function changedBy(input: ToolCallBody['input']): string | null {
  const change = changeOf(input);
  if (!change) return null;
  const count = (kind: string) => change.lines.filter((line) => line.kind === kind).length;
  const [added, removed] = [count('add'), count('del')];
  return [added && `+${added}`, removed && `−${removed}`].filter(Boolean).join(' ') || null;
}
