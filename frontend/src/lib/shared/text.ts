import { upright } from '@mainloop/ui/unseen';

// What Markdown puts around words.
const AROUND = /(\*\*|__|~~)(.+?)\1/g;
const SLANTED = /(^|[\s(])([*_])(\S(?:.*?\S)?)\2(?=$|[\s).,;:!?])/g;
/** Marks without an end take long to look for: a text that is longer stays as it is. */
const LONGEST = 1000;

/** A Markdown text without the marks in its lines, for where it is shown as it is. What stands in code stays. */
export function unmarked(written: string): string {
  const markdown = upright(written);
  if (markdown.length > LONGEST) return markdown;
  const code: string[] = [];
  return (
    markdown
      .replace(/\0/g, '')
      .replace(/`([^`]+)`/g, (_, inner: string) => `\0${code.push(inner) - 1}\0`)
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(AROUND, '$2')
      // One kind within the other.
      .replace(AROUND, '$2')
      .replace(SLANTED, '$1$3')
      .replace(/\0(\d+)\0/g, (_, at: string) => code[Number(at)] ?? '')
  );
}

/** The first line of a Markdown text without its marks, for a row of a list. */
export function brief(markdown: string): string {
  const line = markdown.split('\n').find((one) => one.trim()) ?? '';
  return unmarked(line.trim().replace(/^(?:#{1,6}|>|[-*+]|\d+\.)\s+/, ''));
}
