/**
 * What was begun and not sent, one text per conversation or ask, in the browser's storage. Written 400 ms after
 * the last key and whenever the page may go away.
 */
const PREFIX = 'mainloop.draft.';
const DELAY_MS = 400;

export class Drafts {
  readonly #pending = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly storage: Storage | undefined) {}

  read(name: string): string {
    return this.#pending.get(name) ?? this.stored(name);
  }

  /** What the storage has, be it from another tab. */
  stored(name: string): string {
    try {
      return this.storage?.getItem(PREFIX + name) ?? '';
    } catch {
      return '';
    }
  }

  /** Under which key the storage has it. */
  keyOf(name: string): string {
    return PREFIX + name;
  }

  write(name: string, text: string): void {
    this.#pending.set(name, text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), DELAY_MS);
  }

  /** What was begun under names that begin like this, by the rest of them; it is kept here no more. */
  take(beginning: string): Map<string, string> {
    const taken = new Map<string, string>();
    const names = new Set(this.#pending.keys());
    try {
      for (const key of Object.keys(this.storage ?? {})) {
        if (key.startsWith(PREFIX)) names.add(key.slice(PREFIX.length));
      }
    } catch {
      // A storage that can't be used keeps nothing.
    }
    for (const name of names) {
      if (!name.startsWith(beginning)) continue;
      const text = this.read(name);
      if (text) taken.set(name.slice(beginning.length), text);
      this.#pending.set(name, '');
    }
    this.flush();
    return taken;
  }

  /** Write what is pending now. */
  flush = (): void => {
    clearTimeout(this.#timer);
    for (const [name, text] of this.#pending) {
      try {
        if (text) this.storage?.setItem(PREFIX + name, text);
        else this.storage?.removeItem(PREFIX + name);
        this.#pending.delete(name);
      } catch {
        // The storage is full: the text stays in memory, and is tried again with the next key.
      }
    }
  };

  /** Keep what is typed when the page goes away. Returns how to stop. */
  guard(page: Window): () => void {
    const hidden = () => {
      if (page.document.visibilityState === 'hidden') this.flush();
    };
    page.addEventListener('pagehide', this.flush);
    page.document.addEventListener('visibilitychange', hidden);
    return () => {
      page.removeEventListener('pagehide', this.flush);
      page.document.removeEventListener('visibilitychange', hidden);
    };
  }
}
