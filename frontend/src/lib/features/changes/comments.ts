/** Comments on lines: where they stand now, and as a message to the agent. */
import { seen } from '@mainloop/ui/unseen';
import type { ToolCallBody } from '$lib/live/types';
import type { Line, Part } from './rows';

export interface LineComment {
  id: string;
  /** Its file, by the change's own name of it, and by its path. */
  file: string;
  path: string;
  side: 'old' | 'new';
  /** 0: the file. */
  line: number;
  /** The line as it was when this was written. */
  quote: string;
  text: string;
  state: 'writing' | 'kept' | 'sent';
  /** The line is not there any more. */
  outdated: boolean;
  /** What its agent has said to it. */
  replies?: string[];
}

/** Comments as they stand here, with what another page has made of them meanwhile: `before` became `now`. */
export function merged(
  ours: readonly LineComment[],
  before: readonly LineComment[],
  now: readonly LineComment[],
): LineComment[] {
  const byId = (comments: readonly LineComment[]) => new Map(comments.map((one) => [one.id, one]));
  const [here, was, there] = [byId(ours), byId(before), byId(now)];
  const kept = ours.flatMap((own): LineComment[] => {
    const other = there.get(own.id);
    if (!other) return was.has(own.id) ? [] : [own];
    // What is sent is sent, whoever has done it.
    if (own.state === 'sent' || other.state === 'sent') return [{ ...own, state: 'sent' }];
    const changed = JSON.stringify(other) !== JSON.stringify(was.get(own.id));
    return [changed ? other : own];
  });
  return [...kept, ...now.filter(({ id }) => !here.has(id) && !was.has(id))];
}

/** The name of the message that comments become: the same for the same ones, so that it is taken once. */
export function nameOf(comments: readonly Pick<LineComment, 'id' | 'text'>[]): string {
  // FNV-1a of 128 bits: also where the browser has no digest, as without TLS.
  let hash = 0x6c62272e07bb014262b821756295c58dn;
  for (const { id, text } of [...comments].sort((a, b) => (a.id < b.id ? -1 : 1)))
    for (const sign of `${id}\n${text}\n`)
      hash = BigInt.asUintN(
        128,
        (hash ^ BigInt(sign.codePointAt(0) ?? 0)) * 0x1000000000000000000013bn,
      );
  const hex = hash.toString(16).padStart(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export type Place = { at: Line } | 'folded' | 'outdated';

/** Where the line of a comment is now: where it was, or wherever the same line has gone to. */
export function placeOf(comment: LineComment, parts: readonly Part[]): Place {
  const numberOf = (line: Line) => (comment.side === 'old' ? line.old : line.new);
  let best: Line | null = null;
  let folded = false;
  for (const { gap, lines } of parts) {
    if (gap) {
      const from = comment.side === 'old' ? gap.old : gap.new;
      if (comment.line >= from && (gap.count < 0 || comment.line < from + gap.count)) folded = true;
      continue;
    }
    for (const line of lines) {
      const number = numberOf(line);
      if (number === null || line.text !== comment.quote) continue;
      if (number === comment.line) return { at: line };
      const nearer =
        !best || Math.abs(number - comment.line) < Math.abs((numberOf(best) ?? 0) - comment.line);
      // Empty lines are all alike.
      if (comment.quote.trim() && nearer) best = line;
    }
  }
  if (best) return { at: best };
  return folded ? 'folded' : 'outdated';
}

/** How a comment is called in the message to its agent. */
export function markOf({ id }: Pick<LineComment, 'id'>): string {
  return id.slice(-5);
}

/** What an agent has said to a comment, by its calls of tools; what was seen of it before where they are not here. */
export function repliesOf(
  comment: LineComment,
  calls: readonly Pick<ToolCallBody, 'tool' | 'status' | 'input'>[],
): string[] {
  const mark = markOf(comment);
  const found = calls.flatMap(({ tool, status, input }) =>
    tool === 'reply' && status === 'ok' && input?.['comment'] === mark
      ? [String(input['text'])]
      : [],
  );
  const before = comment.replies ?? [];
  return found.length >= before.length ? found : before;
}

/** One message with all comments and their exact places. */
export function messageOf(comments: readonly LineComment[]): string {
  const inOrder = [...comments].sort(
    (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0) || a.line - b.line,
  );
  const told = inOrder.map((comment) => {
    const quote = comment.line && comment.quote.trim() ? `\n${fenced(comment.quote)}` : '';
    return `**${where(comment)}** (comment ${markOf(comment)})${quote}\n\n${comment.text.trim()}`;
  });
  const many = comments.length === 1 ? 'A comment' : `${comments.length} comments`;
  return `${many} on your change:\n\n${told.join('\n\n')}`;
}

function where({ path, line, side, outdated }: LineComment): string {
  const shown = code(seen(path.replaceAll('\n', '‹U+000A›')));
  if (!line) return shown;
  const was = side === 'old' ? ' as it was before your change' : '';
  return `${shown}, line ${line}${was}${outdated ? ' (you have changed this line since)' : ''}`;
}

/** As it stands, whatever signs of Markdown are in it. */
function code(text: string): string {
  const ticks = '`'.repeat(longestRun(text) + 1);
  const room = text.startsWith('`') || text.endsWith('`') ? ' ' : '';
  return `${ticks}${room}${text}${room}${ticks}`;
}

function fenced(text: string): string {
  const ticks = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}\n${text.replaceAll('\r', '')}\n${ticks}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
