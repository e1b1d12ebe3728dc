/**
 * Colours for code, from one worker for the whole page: a worker for every message has ended tabs on phones. Where none
 * can be had code is plain text.
 */
export interface Wish {
  id: number;
  text: string;
  language: string;
}

/** A piece of a code and its colour, a variable of the theme. */
export interface Coloured {
  text: string;
  colour: string;
}

/** Longer code than this stays plain. */
const LONGEST = 60_000;

let worker: Worker | null | undefined;
let asked = 0;
const waiting = new Map<number, (pieces: Coloured[] | null) => void>();

function start(): Worker | null {
  if (typeof Worker === 'undefined') return null;
  try {
    const made = new Worker(new URL('./highlight.worker.ts', import.meta.url), { type: 'module' });
    made.onmessage = ({ data }: MessageEvent<{ id: number; pieces: Coloured[] | null }>) => {
      waiting.get(data.id)?.(data.pieces);
      waiting.delete(data.id);
    };
    made.onerror = () => {
      worker = null;
      waiting.forEach((done) => done(null));
      waiting.clear();
    };
    return made;
  } catch {
    return null;
  }
}

/** A code in pieces of one colour; null where it stays plain. */
export function highlight(text: string, language: string): Promise<Coloured[] | null> {
  if (!language || text.length > LONGEST) return Promise.resolve(null);
  worker ??= worker === null ? null : start();
  const held = worker;
  if (!held) return Promise.resolve(null);
  return new Promise((resolve) => {
    const id = ++asked;
    waiting.set(id, resolve);
    held.postMessage({ id, text, language } satisfies Wish);
  });
}
