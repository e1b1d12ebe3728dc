/** The files of a change as a tree, in rows. */
import type { ChangedFile } from '$lib/live/types';

export type TreeRow =
  | { kind: 'folder'; key: string; name: string; depth: number; path: string; open: boolean }
  | { kind: 'file'; key: string; name: string; depth: number; file: ChangedFile; index: number };

/** `isFolded`: whether a folder is not looked into. A folder that holds one folder alone is one row with it. */
export function treeOf(
  files: readonly ChangedFile[],
  isFolded: (path: string) => boolean,
): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (from: number, to: number, at: number, depth: number) => {
    let i = from;
    while (i < to) {
      const file = files[i];
      if (!file) return;
      const slash = file.path.indexOf('/', at);
      if (slash < 0) {
        rows.push({ kind: 'file', key: file.id, name: file.path.slice(at), depth, file, index: i });
        i++;
        continue;
      }
      let end = i + 1;
      let path = file.path.slice(0, slash);
      while (end < to && files[end]?.path.startsWith(`${path}/`)) end++;
      // As far down as all of them go together.
      for (;;) {
        const next = file.path.indexOf('/', path.length + 1);
        if (next < 0) break;
        const deeper = file.path.slice(0, next);
        if (!files.slice(i, end).every((one) => one.path.startsWith(`${deeper}/`))) break;
        path = deeper;
      }
      const open = !isFolded(path);
      rows.push({ kind: 'folder', key: `${path}/`, name: path.slice(at), depth, path, open });
      if (open) walk(i, end, path.length + 1, depth + 1);
      i = end;
    }
  };
  walk(0, files.length, 0, 0);
  return rows;
}

/** The rows of a long list that are in view, all of one height. */
export function windowOf(
  count: number,
  height: number,
  top: number,
  room: number,
): { from: number; to: number } {
  const from = Math.max(0, Math.floor(top / height) - 8);
  return { from, to: Math.min(count, Math.ceil((top + room) / height) + 8) };
}
