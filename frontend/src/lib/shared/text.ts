/** The first line of a Markdown text without its marks, for a row of a list. */
export function brief(markdown: string): string {
  const line = markdown.split('\n').find((one) => one.trim()) ?? '';
  return line
    .trim()
    .replace(/^(?:#{1,6}|>|[-*+]|\d+\.)\s+/, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/(\*\*|__|~~|`)(.+?)\1/g, '$2')
    .replace(/(^|[\s(])([*_])(\S(?:.*?\S)?)\2(?=$|[\s).,;:!?])/g, '$1$3');
}
