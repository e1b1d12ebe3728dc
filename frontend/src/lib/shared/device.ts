/** A finger, not a mouse: Enter then makes a line, because there is no other key for it. */
export function isTouch(): boolean {
  return matchMedia('(pointer: coarse)').matches;
}
