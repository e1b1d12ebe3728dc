/** What the browser has to load before the first screen stands, from Vite's manifest. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { BUILD, ROOT } from '../src/repository.ts';
import { expect, test } from '../src/test.ts';

interface Chunk {
  file: string;
  isDynamicEntry?: boolean;
  imports?: string[];
  css?: string[];
}

const KIT = `${ROOT}frontend/.svelte-kit`;
const KB = 1024;

const manifest = (): Record<string, Chunk> =>
  JSON.parse(readFileSync(`${KIT}/output/client/.vite/manifest.json`, 'utf8')) as Record<
    string,
    Chunk
  >;

const zipped = (file: string): number =>
  gzipSync(readFileSync(`${BUILD}/${file}`), { level: 9 }).length;
const sum = (files: Iterable<string>): number =>
  [...files].reduce((total, file) => total + zipped(file), 0);

/** Everything that the given entries import before they run. */
function loaded(entries: string[]): { scripts: Set<string>; styles: Set<string> } {
  const chunks = manifest();
  const scripts = new Set<string>();
  const styles = new Set<string>();
  const take = (name: string): void => {
    const chunk = chunks[name];
    if (!chunk) throw new Error(`the manifest has no ${name}`);
    if (scripts.has(chunk.file)) return;
    scripts.add(chunk.file);
    chunk.css?.forEach((file) => styles.add(file));
    chunk.imports?.forEach(take);
  };
  entries.forEach(take);
  return { scripts, styles };
}

function firstRoute(): { scripts: Set<string>; styles: Set<string> } {
  const nodes = Object.keys(manifest()).filter((name) =>
    /client-optimized\/nodes\/\d+\.js$/.test(name),
  );
  const holds = (name: string, component: string) =>
    readFileSync(`${ROOT}frontend/${name}`, 'utf8').includes(`src/routes/${component}"`);
  const wanted = nodes.filter(
    (name) => holds(name, '+layout.svelte') || holds(name, '+page.svelte'),
  );
  expect(wanted).toHaveLength(2);
  const entries = Object.keys(manifest()).filter((name) =>
    /client\/entry\.js$|client-optimized\/app\.js$/.test(name),
  );
  expect(entries).toHaveLength(2);
  return loaded([...entries, ...wanted]);
}

test('the first screen needs at most 110 KB of script', () => {
  expect(sum(firstRoute().scripts)).toBeLessThanOrEqual(110 * KB);
});

test('nothing that is loaded later is more than 40 KB, and the worker that colours code 60', () => {
  const first = firstRoute().scripts;
  const later = Object.values(manifest()).filter(
    ({ file, isDynamicEntry }) => isDynamicEntry && file.endsWith('.js') && !first.has(file),
  );
  expect(later.length).toBeGreaterThan(5);
  const own = ({ file }: Chunk) => zipped(file);
  expect(later.filter((chunk) => own(chunk) > 40 * KB).map(({ file }) => file)).toEqual([]);
  const workers = '_app/immutable/workers';
  const [worker, ...more] = readdirSync(`${BUILD}/${workers}`).filter((file) =>
    file.endsWith('.js'),
  );
  expect(more).toEqual([]);
  expect(zipped(`${workers}/${worker}`)).toBeLessThanOrEqual(60 * KB);
});

test('the first screen needs at most 14 KB of style', () => {
  expect(sum(firstRoute().styles)).toBeLessThanOrEqual(14 * KB);
});

test('the whole page is at most 2.5 MB', () => {
  const size = (folder: string): number =>
    readdirSync(folder, { withFileTypes: true }).reduce((total, entry) => {
      const path = `${folder}/${entry.name}`;
      return total + (entry.isDirectory() ? size(path) : statSync(path).size);
    }, 0);
  expect(size(BUILD)).toBeLessThanOrEqual(2.5 * KB * KB);
});

test('its two fonts for Latin are at most 60 KB', () => {
  const folder = `${BUILD}/_app/immutable/assets`;
  const fonts = readdirSync(folder).filter((file) => /latin-wght-normal.*\.woff2$/.test(file));
  expect(fonts).toHaveLength(2);
  const total = fonts.reduce((bytes, file) => bytes + statSync(`${folder}/${file}`).size, 0);
  expect(total).toBeLessThanOrEqual(60 * KB);
});
