/** A key or a tap that was meant for something else must not approve what has just appeared under it. */
export const SETTLE_MS = 500;

/** Says to an ask that it has just come under the person's hand. */
const ARRIVED = 'arrived';

export function onarrival(heard: () => void): (node: HTMLElement) => () => void {
  return (node) => {
    node.addEventListener(ARRIVED, heard);
    return () => node.removeEventListener(ARRIVED, heard);
  };
}

/** Give the focus to an ask where it stands on this page; false if it does not. */
export function focusAsk(itemId: string): boolean {
  const ask = document.querySelector<HTMLElement>(`[data-ask="${CSS.escape(itemId)}"]`);
  if (!ask) return false;
  ask.dispatchEvent(new Event(ARRIVED));
  // A permission hears its own keys.
  (ask.querySelector<HTMLElement>('[data-permission]') ?? ask).focus({ preventScroll: true });
  // In a list it comes into view; what is read in a timeline does not move.
  if (ask.closest('[data-asks]')) ask.scrollIntoView({ block: 'nearest' });
  return true;
}
