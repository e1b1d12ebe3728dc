/** A plan in its steps, so that each can be commented on. */
import { brief, unmarked } from '$lib/shared/text';

export interface Part {
  text: string;
  /** An entry of the outermost list; else what stands around them. */
  step: boolean;
}

const ENTRY = /^(\d{1,9}[.)]|[-*+])\s+\S/;
const FENCE = /^\s*(```|~~~)/;

/** The Markdown of a plan, cut where its outermost lists have their entries. Joined it is the same text again. */
export function partsOf(plan: string): Part[] {
  const parts: Part[] = [];
  let fenced = false;
  let blank = false;
  for (const line of plan.split('\n')) {
    const last = parts.at(-1);
    const begins = !fenced && ENTRY.test(line);
    // After an empty line only what is indented still belongs to a step.
    const leaves =
      !fenced &&
      last?.step === true &&
      line.trim() !== '' &&
      !/^\s/.test(line) &&
      (blank || /^#/.test(line));
    if (!last || begins || leaves) parts.push({ text: line, step: begins });
    else last.text += `\n${line}`;
    if (FENCE.test(line)) fenced = !fenced;
    blank = line.trim() === '';
  }
  return parts;
}

/** Its numbered steps. */
export function stepsOf(plan: string): Part[] {
  return partsOf(plan).filter((part) => part.step && stepOf(part).number);
}

/** A step without the sign of its list: that number, or null where the list has none. */
export function stepOf(part: Part): { number: string | null; text: string } {
  const sign = /^(?:(\d+)[.)]|[-*+])\s+/.exec(part.text);
  if (!sign) return { number: null, text: part.text };
  const [first = '', ...more] = part.text.slice(sign[0].length).split('\n');
  const indent = new RegExp(`^ {0,${sign[0].length}}`);
  return {
    number: sign[1] ?? null,
    text: [first, ...more.map((line) => line.replace(indent, ''))].join('\n'),
  };
}

/** What it is about, in brief: its first paragraph before the steps, else its heading. */
export function summaryOf(plan: string): string {
  const [first] = partsOf(plan);
  const paragraphs = first && !first.step ? first.text.split(/\n\s*\n/) : [];
  const said = paragraphs
    .map((one) =>
      one
        .trim()
        .replace(/^#.*\n?/gm, '')
        .trim(),
    )
    .find((one) => one && !/^(?:```|~~~|\||>|-{3})/.test(one));
  return said ? unmarked(said.replace(/\s+/g, ' ')) : brief(plan);
}

/** Its own words say that there is no way back. */
export function isFinal(part: Part): boolean {
  return /\b(?:cannot|can['’]?t|can not) be (?:undone|reversed)\b|\birreversibl[ey]\b/i.test(
    part.text,
  );
}

/** One message for the agent: each step as it stands in the plan, and what is said to it. */
export function messageOf(
  parts: Part[],
  comments: Record<number, string>,
  general: string,
): string {
  const said = parts.flatMap(({ text }, i) => {
    const comment = comments[i]?.trim();
    if (!comment) return [];
    const quoted = text.trimEnd().replace(/^/gm, '> ');
    return [`${quoted}\n\n${comment}`];
  });
  return [...said, general.trim()].filter(Boolean).join('\n\n');
}
