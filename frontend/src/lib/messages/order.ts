/** The words of the order of sessions. */
export const order = {
  title: 'Begins after',
  now: 'Begin now',
  change: 'Change',
  waits: 'waited for',
  merged: (into: string, commit: string) => (into ? `merged into ${into} as ${commit}` : 'merged'),
  closed: 'closed, nothing to merge',
  without: (handle: string) => `Don’t wait for ${handle}`,
  add: 'Another session to begin after',
  choose: 'After another session…',
  addIt: 'Add',
};
