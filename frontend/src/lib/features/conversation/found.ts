/** Where a text on the page has the words that are searched for, as the server finds them. */

// Of scripts without spaces each sign is a word.
const ALONE = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}';
const IN_WORD = `(?:(?![${ALONE}])[\\p{L}\\p{N}])`;
const WORD = new RegExp(`[${ALONE}]|\\p{Extended_Pictographic}|${IN_WORD}+`, 'gu');

function folded(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '');
}

/** What finds the words: those that were written without a space stand together, each begins a word. */
export function finderOf(query: string): RegExp | null {
  const groups = query.split(/\s+/).flatMap((part) => {
    const words = folded(part).match(WORD);
    return words ? [words.join('[^\\p{L}\\p{N}]*')] : [];
  });
  if (groups.length === 0) return null;
  return new RegExp(`(?<!${IN_WORD})(?:${groups.join('|')})${IN_WORD}*`, 'gu');
}

/** Begin and end of each place of a text, in the units of this language. */
export function placesIn(text: string, finder: RegExp): [number, number][] {
  let flat = '';
  const origins: number[] = [];
  let at = 0;
  for (const sign of text) {
    const made = folded(sign);
    flat += made;
    for (let i = 0; i < made.length; i++) origins.push(at);
    at += sign.length;
  }
  origins.push(at);
  return [...flat.matchAll(finder)].map(({ index, 0: { length } }) => [
    origins[index] ?? 0,
    origins[index + length] ?? at,
  ]);
}
