/** Work that is done once, when it is first asked for; where it failed it is tried again. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

const AGAIN_MS = 3000;
const LONGEST_MS = 15_000;

/** How long to wait before a try, after so many that failed: longer each time, as a part may be gone for good. */
function pause(failed: number): number {
  return Math.min(AGAIN_MS * 2 ** (failed - 1), LONGEST_MS);
}

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where the line is gone it is tried again, until it has worked. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await after(AGAIN_MS);
    }
  }
}

/** All of them, one after the other; those that failed once more behind the others. */
export async function insistOnAll(works: readonly (() => Promise<unknown>)[]): Promise<void> {
  let left = works;
  for (let failed = 1; left.length > 0; failed++) {
    const again: (() => Promise<unknown>)[] = [];
    for (const work of left) await work().catch(() => again.push(work));
    left = again;
    if (left.length > 0) await after(pause(failed));
  }
}

/** A style that could not be fetched is asked for again: the loader asks once, and its part would stand there without. */
export function restyle({ target }: Event): void {
  if (!(target instanceof HTMLLinkElement) || target.rel !== 'stylesheet') return;
  const failed = Number(target.dataset['failed'] ?? 0) + 1;
  const again = target.cloneNode() as HTMLLinkElement;
  again.dataset['failed'] = `${failed}`;
  target.remove();
  setTimeout(() => document.head.append(again), pause(failed));
}
