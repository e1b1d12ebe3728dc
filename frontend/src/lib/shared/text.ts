const AROUND = /(\*\*|__|~~|`)(.+?)\1/g;

/** A Markdown text without the marks in its lines, for where it is shown as it is. */
export function unmarked(markdown: string): string {
  return (
    markdown
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(AROUND, '$2')
      // One kind within the other.
      .replace(AROUND, '$2')
      .replace(/(^|[\s(])([*_])(\S(?:.*?\S)?)\2(?=$|[\s).,;:!?])/g, '$1$3')
  );
}

/** The first line of a Markdown text without its marks, for a row of a list. */
export function brief(markdown: string): string {
  const line = markdown.split('\n').find((one) => one.trim()) ?? '';
  return unmarked(line.trim().replace(/^(?:#{1,6}|>|[-*+]|\d+\.)\s+/, ''));
}
