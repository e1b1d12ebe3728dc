/** The words of a change on its way into its project. */
function counted(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

export const proposed = {
  label: 'What it proposes',
  into: (base: string) => `into ${base}`,
  conflicts: (files: string[]) => `Conflicts in ${files.join(', ')}`,
  merged: (base: string, commit: string) => `Merged into ${base} as ${commit}.`,
  already: (base: string, commit: string) => `Already in ${base}, at ${commit}, in other commits.`,
  closed: 'Discarded. Its work is kept.',
  says: 'What its agent says',
  notProposed: 'It has commits, and proposes nothing yet.',
  propose: 'Propose it',
  checks: {
    queued: 'tests wait',
    running: 'tests run',
    passed: 'tests pass',
    failed: 'tests failed',
    stopped: 'tests stopped',
  },
  log: {
    title: (commit: string) => `Tests of ${commit}`,
    open: (state: string) => `${state}: show what they put out`,
    label: 'What the tests put out',
    empty: 'Nothing yet.',
    nothing: 'They put out nothing.',
    more: 'Its beginning is left out here.',
    run: 'Run by mainloop in a clean clone, in the sandbox.',
    which: 'Which run',
    nth: (state: string, at: string) => `${state}, ${at}`,
  },
  approve: 'Approve',
  approveAndMerge: 'Approve and merge',
  merge: 'Merge…',
  sendBack: 'Send back',
  sendBackWith: (n: number) => `Send back with ${counted(n, 'comment', 'comments')}`,
  more: (handle: string) => `More for the change of ${handle}`,
  takeOver: 'Take it over…',
  ask: 'Ask another session to review it',
  check: 'Run its tests again',
  stopCheck: 'Stop its tests',
  discard: 'Discard…',
  back: {
    title: 'Send back',
    text: 'Its agent hears this as one message and goes on. Nothing is merged meanwhile.',
    label: 'What should be different?',
    comments: (n: number) =>
      `With ${counted(n, 'comment', 'comments')} at ${n === 1 ? 'its line' : 'their lines'}.`,
    submit: 'Send back',
  },
  mergeDialog: {
    title: (base: string) => `Merge into ${base}`,
    how: 'How',
    ways: {
      squash: ['Squash', 'All of it becomes one commit.'],
      rebase: ['Rebase', 'Each commit is put on top, one by one.'],
      merge: ['Merge', 'Its commits stay as they are, and a merge commit joins them.'],
    } as Record<'squash' | 'rebase' | 'merge', [string, string]>,
    approves: 'This counts as your approval.',
    red: 'Its tests have failed on this very commit.',
    unknown: 'Its tests have not passed on this commit yet.',
    submit: 'Merge',
    anyway: 'Merge anyway',
  },
  over: {
    title: 'Take it over',
    text: 'Its branch comes into your own repository, checked out nowhere. What is there already only goes forward.',
    branch: 'Name of the branch there',
    submit: 'Take it over',
    done: (branch: string, commit: string) => `The branch ${branch} stands at ${commit} in`,
    then: 'To work on it there:',
    command: 'The same from a terminal on that machine:',
  },
  discardDialog: {
    title: 'Discard this change?',
    text: 'It will not be merged, and its session is closed. All work is kept and can be brought back.',
    submit: 'Discard it',
  },
  review: {
    title: (title: string) => `Review: ${title}`,
    prompt: (change: {
      title: string;
      branch: string;
      base: string;
      commit: string;
      from: string;
    }) =>
      `Review a change that another session proposes: "${change.title}".\n\n` +
      `It is commit ${change.commit} (branch ${change.branch}) and is to be merged into ${change.base}, which stands at ` +
      `${change.from}. Your repository knows both commits, although you stand elsewhere:\n\n` +
      `    git diff ${change.from}...${change.commit}\n\n` +
      'Read it with fresh eyes, and what it touches around it. Try it where that helps: check that commit out here and run ' +
      'the tests. Look for what is wrong, what is missing, and what will hurt later; leave taste aside. Commit nothing. ' +
      'Report what has to be mended and what could be, each with its file and line and why, and whether you would merge it.',
    started: (handle: string) => `${handle} reviews it.`,
    open: 'Open',
  },
  look: 'Look at it',
};
