/** When someone last looked, so that coming back can begin with what happened meanwhile. */
const KEY = 'mainloop.seen';
const AWAY_MS = 15 * 60_000;
const EVERY_MS = 20_000;
const TELL_MS = 60_000;
const TELL_AGAIN_MS = 10_000;

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

  /** Tell the server while somebody has this page before their eyes. */
  tell(page: Document, look: () => Promise<void>): () => void {
    let told = -TELL_MS;
    const note = () => {
      if (page.visibilityState !== 'visible' || !page.hasFocus()) return;
      if (performance.now() - told < TELL_AGAIN_MS) return;
      told = performance.now();
      // Without a line nobody was seen; the next time will say so.
      look().catch(() => (told = -TELL_MS));
    };
    note();
    const timer = setInterval(note, TELL_MS);
    page.addEventListener('visibilitychange', note);
    window.addEventListener('focus', note);
    return () => {
      clearInterval(timer);
      page.removeEventListener('visibilitychange', note);
      window.removeEventListener('focus', note);
    };
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
