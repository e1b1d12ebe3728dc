import { tick } from 'svelte';

/**
 * An ask that goes would take along the focus that it has: it stays where that was asked. Who was in a field of it is in
 * one afterwards, where they write to `thread`, so that no letter is taken for a key.
 */
export function keepFocus(itemId: string, thread: string): void {
  const { activeElement } = document;
  const ask = activeElement?.closest(`[data-ask="${CSS.escape(itemId)}"]`);
  if (!ask) return;
  const writing = activeElement?.matches('input, textarea');
  const around = ask.closest<HTMLElement>('[data-session]');
  void tick().then(() => {
    const field = document.querySelector<HTMLElement>(`[data-composer="${thread}"] textarea`);
    const to = writing
      ? (field ?? document.querySelector<HTMLElement>('[data-composer] textarea'))
      : (around ?? document.querySelector<HTMLElement>('[data-timeline], main'));
    if (!to || document.activeElement !== document.body) return;
    if (to === around) to.tabIndex = -1;
    to.focus({ preventScroll: true });
  });
}
