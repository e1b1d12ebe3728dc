import { globSync, readFileSync } from 'node:fs';
import { parse, type AST } from 'svelte/compiler';
import { expect, it } from 'vitest';
import { TAKEN } from '../../../drawn-icons';

const ICON = /import (\w+) from '@lucide\/svelte\/icons\//g;

/** What a component gives to the icons it draws; one that it was handed is called `Icon`. */
function given(file: string): string[] {
  const source = readFileSync(file, 'utf8');
  const icons = new Set(['Icon', ...[...source.matchAll(ICON)].map(([, name]) => name)]);
  const found: string[] = [];
  const look = (node: unknown): void => {
    if (!node || typeof node !== 'object') return;
    const { type, name, attributes } = node as AST.Component;
    if (type === 'Component' && icons.has(name))
      for (const attribute of attributes)
        found.push('name' in attribute ? attribute.name : attribute.type);
    Object.values(node).forEach(look);
  };
  look(parse(source, { modern: true }).fragment);
  return found;
}

it('draws all that icons are given', () => {
  const files = globSync(['src/**/*.svelte', '../packages/ui/src/**/*.svelte']);
  const all = new Set(files.flatMap(given));
  expect(all).toContain('strokeWidth');
  expect([...all].filter((name) => !TAKEN.includes(name))).toEqual([]);
});
