/** What drafts of an ask hold, in the person's words. */

/** These hold several texts, by what they are said to. */
const SEVERAL = ['steps', 'form'];
/** This one holds what was chosen, and no words. */
const CHOSEN = 'chosen';

export function wordsOf(begun: ReadonlyMap<string, string>): string {
  const words = [...begun].flatMap(([name, text]) =>
    name === CHOSEN ? [] : SEVERAL.includes(name) ? textsIn(text) : [text],
  );
  return words
    .map((text) => text.trim())
    .filter(Boolean)
    .join('\n');
}

/** One that is damaged goes on as it is: what the inbox hears of next must not wait for it. */
function textsIn(kept: string): string[] {
  try {
    return Object.values(JSON.parse(kept) as Record<string, unknown>).filter(
      (text) => typeof text === 'string',
    );
  } catch {
    return [kept];
  }
}
