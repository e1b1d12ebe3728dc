/** A finger that wipes sideways, as an attachment. */
import type { Attachment } from 'svelte/attachments';

const FAR_PX = 72;
/** Steeper than this is scrolling. */
const STEEP = 0.5;

export function swipe(wiped: { left?: () => void; right?: () => void }): Attachment<HTMLElement> {
  return (node) => {
    let from: Touch | undefined;
    const begin = (event: TouchEvent) => {
      // In a field, or in what scrolls sideways by itself, the finger means something else.
      const where = event.target as HTMLElement;
      const busy =
        event.touches.length > 1 || where.closest('textarea, input, pre, table') !== null;
      from = busy ? undefined : event.touches[0];
    };
    const end = (event: TouchEvent) => {
      const to = event.changedTouches[0];
      if (!from || !to) return;
      const [x, y] = [to.clientX - from.clientX, to.clientY - from.clientY];
      from = undefined;
      if (Math.abs(x) < FAR_PX || Math.abs(y) > Math.abs(x) * STEEP) return;
      (x < 0 ? wiped.left : wiped.right)?.();
    };
    node.addEventListener('touchstart', begin, { passive: true });
    node.addEventListener('touchend', end, { passive: true });
    return () => {
      node.removeEventListener('touchstart', begin);
      node.removeEventListener('touchend', end);
    };
  };
}
