/** Tells the server while somebody has this page before their eyes: who looks is told nothing, who looks at none is away. */
const TELL_MS = 20_000;
const TELL_AGAIN_MS = 10_000;

export function tellPresence(page: Document, look: () => Promise<void>): () => void {
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
