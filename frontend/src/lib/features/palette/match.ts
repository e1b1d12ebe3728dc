/** Finding what a few typed letters mean. */

export interface Part {
  text: string;
  /** It is what was typed. */
  hit: boolean;
}

function words(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

/** How well a text fits what was typed, 0 where it does not: every word has to be in it, best at a beginning. */
export function fit(query: string, ...texts: string[]): number {
  const typed = words(query);
  if (typed.length === 0) return 1;
  let sum = 0;
  for (const word of typed) {
    let best = 0;
    for (const text of texts) {
      const at = text.toLowerCase().indexOf(word);
      if (at < 0) continue;
      const begins = new RegExp(`(^|[^\\p{L}\\p{N}])${escaped(word)}`, 'iu').test(text);
      best = Math.max(best, at === 0 ? 4 : begins ? 3 : 1);
    }
    if (best === 0) return 0;
    sum += best;
  }
  return sum / typed.length;
}

/** A text with what was typed set apart. */
export function parts(text: string, query: string): Part[] {
  const typed = words(query).map(escaped);
  if (typed.length === 0) return [{ text, hit: false }];
  const pieces = text.split(new RegExp(`(${typed.join('|')})`, 'iu'));
  return pieces.flatMap((piece, i) => (piece ? [{ text: piece, hit: i % 2 === 1 }] : []));
}

/** A text with its marks set apart: begin and end of each, in code points. */
export function markedParts(text: string, marks: number[][]): Part[] {
  const points = [...text];
  const made: Part[] = [];
  const add = (from: number, to: number, hit: boolean) => {
    if (from < to) made.push({ text: points.slice(from, to).join(''), hit });
  };
  let at = 0;
  for (const [start = 0, end = 0] of marks) {
    add(at, start, false);
    add(start, end, true);
    at = end;
  }
  add(at, points.length, false);
  return made;
}

function escaped(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
