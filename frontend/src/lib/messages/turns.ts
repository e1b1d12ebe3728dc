/** The words of turns, and of the way back to one. */
export const turns = {
  menu: (turn: number) => `Turn ${turn}: what it changed, and the way back`,
  changed: 'What this turn changed',
  back: 'Go back to here, in a new session',
  backTo: (turn: number) => `Go back to the end of turn ${turn}, in a new session`,
  ignored: (handle: string) =>
    `Files that git ignores did not come along: they stay in ${handle} as they are now.`,
  alone: 'One turn alone',
  named: (turn: number, text: string) => (text ? `Turn ${turn}: ${text}` : `Turn ${turn}`),
  /** `why` is the end of a sentence. */
  notKept: (turn: number, why: string) => `Turn ${turn} was not kept: ${why}`,
  /** Goes on behind the name of the other session. */
  overlaps: (paths: readonly string[], more: number) => {
    const names = paths.slice(0, 3).join(', ');
    const rest = paths.length - 3 + more;
    return rest > 0 ? `also changes ${names} and ${rest} more` : `also changes ${names}`;
  },
  empty: 'This turn changed no file.',
  late: 'The next turn had begun when this was looked at: some of that may be in it.',
};
