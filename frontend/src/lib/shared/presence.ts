/** When someone last looked, so that coming back can begin with what happened meanwhile. */
const KEY = 'mainloop.seen';
const AWAY_MS = 15 * 60_000;
const EVERY_MS = 20_000;

export class Presence {
  constructor(
    private readonly storage: Storage,
    private readonly now: () => number = Date.now,
  ) {}

  /** From when to when nobody looked; null where that was short, or never before. */
  sinceLastTime(): { from: number; to: number } | null {
    const from = Number(this.storage.getItem(KEY) ?? 0);
    const to = this.now();
    return from > 0 && to - from >= AWAY_MS ? { from, to } : null;
  }

  watch(page: Document): () => void {
    const note = () => {
      if (page.visibilityState !== 'visible') return;
      try {
        this.storage.setItem(KEY, String(this.now()));
      } catch {
        // Full: the mark of coming back is then missing, nothing else.
      }
    };
    note();
    const timer = setInterval(note, EVERY_MS);
    page.addEventListener('visibilitychange', note);
    return () => {
      clearInterval(timer);
      page.removeEventListener('visibilitychange', note);
    };
  }
}
