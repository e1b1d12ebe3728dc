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

/** Where the line is gone it is tried again, until it has worked. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** A style that could not be fetched is asked for again: the loader asks once, and its part would stand there without. */
export function restyle({ target }: Event): void {
  if (!(target instanceof HTMLLinkElement) || target.rel !== 'stylesheet') return;
  target.remove();
  setTimeout(() => document.head.append(target.cloneNode()), AGAIN_MS);
}
