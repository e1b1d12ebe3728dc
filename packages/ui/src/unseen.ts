/**
 * Signs that no screen shows, or that turn the direction of what follows: a text seems to be another one than it is. Those
 * that join letters, or say how a picture is drawn, are seen in what they do.
 */
export const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /(?!\u200c|\u200d|\ufe0e|\ufe0f)[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\p{Default_Ignorable_Code_Point}]/gu;
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
  return sign !== '' && sign.replace(UNSEEN, '') === '';
}

function nameOf(sign: string): string {
  if (sign === '\r') return '␍';
  return `‹U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`;
}
