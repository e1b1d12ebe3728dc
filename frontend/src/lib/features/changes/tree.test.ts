import { expect, it } from 'vitest';
import type { ChangedFile } from '$lib/live/types';
import { treeOf, windowOf } from './tree';

const files = (...paths: string[]) => paths.map((path) => ({ id: path, path }) as ChangedFile);
const shown = (paths: string[], folded: string[] = []) =>
  treeOf(files(...paths), (path) => folded.includes(path)).map(
    (row) => `${'  '.repeat(row.depth)}${row.name}${row.kind === 'folder' ? '/' : ''}`,
  );

it('a tree joins folders that hold one folder alone', () => {
  expect(
    shown(['a.ts', 'src/lib/one.ts', 'src/lib/deep/two.ts', 'src/lib/deep/three.ts', 'z']),
  ).toEqual(['a.ts', 'src/lib/', '  one.ts', '  deep/', '    two.ts', '    three.ts', 'z']);
});

it('a folder that is folded holds nothing, and its neighbours stay', () => {
  expect(shown(['src/a', 'src/b', 'srcs/c'], ['src'])).toEqual(['src/', 'srcs/', '  c']);
});

it('of a long list only what is in view is there', () => {
  expect(windowOf(5000, 30, 30_000, 300)).toEqual({ from: 992, to: 1018 });
  expect(windowOf(3, 30, 0, 300)).toEqual({ from: 0, to: 3 });
});

it('five thousand files are a tree within a frame', () => {
  const many = Array.from({ length: 5000 }, (_, n) => `packages/p${n % 50}/src/file${n}.ts`).sort();
  const began = performance.now();
  expect(treeOf(files(...many), () => false).length).toBe(5051);
  // A quadratic walk takes seconds.
  expect(performance.now() - began).toBeLessThan(1000);
});
