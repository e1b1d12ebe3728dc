/** The steps of a session, to be looked through. */
import { plain } from '@mainloop/ui/plain';
import type { ToolCallBody } from '$lib/live/types';

export function inputOf(call: ToolCallBody): string {
  const { command } = call.input;
  return typeof command === 'string' ? command : JSON.stringify(call.input, null, 2);
}

/**
 * The line of a step that has what is looked for; empty where its title has it already, or where nothing is looked
 * for. Null where it is not in there.
 */
export function found(call: ToolCallBody, query: string): string | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text: string) => {
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
  if (words.length === 0 || has(call.title) || has(call.tool)) return '';
  const text = `${inputOf(call)}\n${plain(call.output)}`;
  const line = text.split('\n').find(has);
  if (line !== undefined) return line.trim();
  return has(text) ? (text.split('\n')[0] ?? '').trim() : null;
}
