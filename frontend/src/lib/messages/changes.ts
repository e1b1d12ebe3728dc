/** The words of a change. */
function counted(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

export const changes = {
  files: (n: number) => counted(n, 'file', 'files'),
  none: 'Nothing has changed',
  noneText: 'What its agent changes is shown here while it works, whether it is committed or not.',
  noFiles: 'No files',
  emptyCommit: 'This commit changes no file.',
  notYet: 'Its workspace is being prepared.',
  loading: 'Looking at its workspace…',
  reload: 'Load it again',
  place: (at: number, of: number) => `file ${at} of ${of}`,
  shortPlace: (at: number, of: number) => `${at}/${of}`,
  all: 'All changes',
  allLive: 'All changes, as they are now',
  commits: 'One commit alone',
  shown: 'What is shown',
  fileList: 'Files of this change',
  find: 'Find a file',
  notFound: 'No file has that in its name.',
  more: (n: number) => `${counted(n, 'more file is', 'more files are')} not listed.`,
  split: 'Side by side',
  wrap: 'Wrap lines',
  whole: 'Whole file',
  viewed: 'Viewed',
  viewedOf: (n: number, of: number) => `${n} of ${of} viewed`,
  next: 'Next file',
  previous: 'Previous file',
  nextFile: (path: string) => `Next: ${path}`,
  linesOf: (path: string) => `Changes in ${path}`,
  added: 'added:',
  removed: 'removed:',
  open: (n: number) => `Show ${counted(n, 'more line', 'more lines')}`,
  openRest: 'Show the rest of the file',
  line: (n: number) => `Line ${n}`,
  unended: 'no line break at the end',
  cut: (n: number) => `… ${n.toLocaleString('en')} more`,
  notAll: (n: number) => `${counted(n, 'more line is', 'more lines are')} not shown here.`,
  showMore: 'Show more lines',
  show: 'Show it',
  generated: 'Written by a program',
  long: (n: number) => `${counted(n, 'changed line', 'changed lines')}`,
  binary: (sizes: string) => `A binary file. ${sizes}`,
  large: (sizes: string) => `Too large to be shown line by line. ${sizes}`,
  sizes: (before: string, after: string) =>
    before && after
      ? `${before} before, ${after} now.`
      : before
        ? `${before} before.`
        : `${after}.`,
  submodule: (before: string, after: string) =>
    before && after
      ? `A submodule: it was at commit ${before} and is at ${after}.`
      : before
        ? `A submodule that was at commit ${before}.`
        : `A submodule, at commit ${after}.`,
  link: 'A link: its line is where it leads.',
  renamed: (before: string) => `Renamed from ${before}.`,
  onlyRenamed: 'Not a line of it has changed.',
  mode: (before: string, after: string) =>
    after === '100755' && before === '100644'
      ? 'It may be run now.'
      : after === '100644' && before === '100755'
        ? 'It may not be run any more.'
        : `Its mode was ${before} and is ${after}.`,
  isNew: 'A new file.',
  isNewProgram: 'A new file that may be run.',
  deleted: 'Deleted.',
  emptyFile: 'There is not a line in it.',
  before: 'Before',
  now: 'Now',
  pictureOf: (path: string, side: string) => `${path}, ${side.toLowerCase()}`,
  noPicture: 'This picture could not be loaded.',
  unread: 'Not everything could be read:',
  inFile: (path: string) => path,
  onLine: (n: number) => `on line ${n}`,
  onFile: 'on the file',
  outdated: 'the line has changed',
  commentStates: { writing: 'draft', kept: 'in your review', sent: 'sent' },
  commentPlaceholder: 'A question or a wish…',
  addComment: 'Add to review',
  askNow: 'Ask now',
  editComment: 'Edit',
  discardComment: 'Discard',
  removeComment: 'Remove this comment',
  commentFile: 'Comment on the file',
  sendComments: (n: number) => `Send ${counted(n, 'comment', 'comments')}`,
  commentsWait: (n: number, files: number) =>
    `${counted(n, 'comment', 'comments')} on ${counted(files, 'file', 'files')}`,
  elsewhere: 'Comments on files that are no longer in this change',
  status: { added: 'new', changed: '', deleted: 'deleted', renamed: 'renamed' },
  folder: (path: string) => `Folder ${path}`,
};
