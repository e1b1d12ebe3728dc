/** The words of the projects, loaded with what shows them. */

export const projects = {
  title: 'Projects',
  text: 'Repositories that sessions can work on. mainloop keeps its own copy; yours is written to only when you say so.',
  none: 'No projects yet',
  noneText: 'Add a repository by its path on the server or by its address.',
  add: 'Add a project',
  source: 'Path or address',
  sourceHint: '/home/you/code/shop, or git@host:you/shop.git',
  name: 'Name (optional)',
  submit: 'Add',
  fetching: 'fetching',
  ready: 'ready',
  failed: 'failed',
  branch: 'main branch',
  settings: {
    title: 'Settings',
    branch: 'Sessions start from',
    ownBranch: (name: string) => `its own default branch (${name})`,
    setUp: 'Set-up',
    setUpNote:
      'Runs once in each new workspace, in the sandbox, before the agent begins. It may run twice where it was cut off.',
    because: (file: string) => `because of ${file}`,
    test: 'Tests: work counts as done when this ends well',
    instructions: 'What every agent here should know',
    environment: 'Variables',
    environmentNote: 'For everything that runs in a workspace. Agents can read them: no secrets.',
    files: 'Files of your checkout to copy',
    filesNote:
      'What git does not have and agents need, a path a line. Agents can read them; git ignores them there.',
    keepIgnored: 'Ignored files to keep',
    keepIgnoredNote:
      'Patterns as in a .gitignore: kept with the rest when a session is closed, though git ignores them.',
    merge: {
      title: 'Merging',
      text: 'What a session has committed becomes a change. This says when it comes into the project’s branch.',
      needs_green: 'The tests have to pass',
      needs_approval: 'You have to approve it',
      by_itself: 'Merge it by itself then',
      notes: {
        needs_green:
          'Run in a clean clone of the very commit, where there is a test command above.',
        needs_approval: 'The very commit: what comes after it needs another yes.',
        by_itself: 'As soon as what is asked for above holds. Else it waits until you say so.',
      },
      how: 'How',
      ways: {
        squash: 'Squash: one commit',
        rebase: 'Rebase: its commits on top, one by one',
        merge: 'Merge: its commits and a merge commit',
      },
      repairs: 'How often red tests or a conflict go back to its agent before they are yours',
      reach: 'Your own repository',
      reaches: {
        never: 'is never touched',
        branch: 'gets it, where its branch is checked out nowhere',
        checkout: 'gets it, also into a checkout without anything uncommitted',
      },
    },
    noVariable: (line: string) => `“${line}” is no variable: write NAME=value, a line each.`,
    save: 'Save',
    saved: 'Saved. It holds for sessions that begin from now on.',
  },
};
