/** What a terminal would show of a text, as text: no colours, no moves of a cursor, no titles of windows. */
export function plain(text: string): string {
  if (!UNPLAIN.test(text)) return text;
  return text
    .replace(SEQUENCES, '')
    .replace(/\r+\n/g, '\n')
    .split('\n')
    .map(overwritten)
    .join('\n')
    .replace(CONTROLS, '');
}

/* eslint-disable no-control-regex -- they are what is looked for */
const UNPLAIN = /[\x00-\x08\x0b-\x1f\x7f\x9b]/;
// Colours and moves (CSI), titles and links (OSC and the like, up to their end), and the short ones.
const SEQUENCES =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;
/* eslint-enable no-control-regex */

/** A line that was written over, a bar of progress say, as it stood in the end. */
function overwritten(line: string): string {
  if (!line.includes('\r')) return line;
  let shown = '';
  for (const part of line.split('\r')) shown = part + shown.slice(part.length);
  return shown;
}
