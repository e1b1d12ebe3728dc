/** Signs that no screen shows, or that turn the direction of what follows: a text seems to be another one than it is. */
export const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]/g;
/** What turns letters around that have a direction of their own, which no script needs. */
const TURNING = /[\u202d\u202e]/g;

/** A code or a command in which nothing hides. */
export function seen(text: string): string {
  return text.replace(UNSEEN, nameOf);
}

/** A text of any script, in which no letters are turned around. */
export function upright(text: string): string {
  return text.replace(TURNING, nameOf);
}

export function isUnseen(sign: string): boolean {
  return sign.length === 1 && sign.search(UNSEEN) === 0;
}

function nameOf(sign: string): string {
  if (sign === '\r') return '␍';
  return `‹U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`;
}
