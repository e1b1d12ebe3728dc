// What the first visit to Chat downloads before it paints, gzipped: `npm run size -w frontend` after a build.
// The entries of the app and the root's nodes with all their static imports, from Vite's manifest. Fails over budget.
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const KB = 1000;
const BUDGET = { js: 110 * KB, css: 14 * KB };
const CLIENT = new URL('../.svelte-kit/output/client/', import.meta.url);
const MANIFEST = new URL('.vite/manifest.json', CLIENT);

if (!existsSync(MANIFEST)) {
  console.error('There is no build: run `npm run build -w frontend` first.');
  process.exit(1);
}
const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8'));

// SvelteKit numbers the nodes; the table of routes says which ones `/` is made of.
const routes = readFileSync(
  new URL('../.svelte-kit/generated/client-optimized/app.js', import.meta.url),
  'utf8',
);
const page = /"\/":\s*\[~?(\d+)/.exec(routes)?.[1];
if (!page) throw new Error('The route / is not in the table of routes.');
const isFirst = (key) =>
  /\/(entry|client-optimized\/app)\.js$/.test(key) ||
  [`nodes/0.js`, `nodes/${page}.js`].some((node) => key.endsWith(`client-optimized/${node}`));

const files = { js: new Set(), css: new Set() };
const seen = new Set();
function take(key) {
  if (seen.has(key)) return;
  seen.add(key);
  const chunk = manifest[key];
  files.js.add(chunk.file);
  for (const css of chunk.css ?? []) files.css.add(css);
  for (const next of chunk.imports ?? []) take(next);
}
Object.keys(manifest)
  .filter((key) => manifest[key].isEntry && isFirst(key))
  .forEach(take);

let over = false;
for (const kind of ['js', 'css']) {
  const sizes = [...files[kind]]
    .map((file) => [file, gzipSync(readFileSync(new URL(file, CLIENT)), { level: 9 }).length])
    .sort((a, b) => b[1] - a[1]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  over ||= total > BUDGET[kind];
  const lines = [
    `First route, ${kind.toUpperCase()}: ${(total / KB).toFixed(1)} KB gz of ${BUDGET[kind] / KB}`,
    ...sizes.map(([file, size]) => `${(size / KB).toFixed(1).padStart(8)}  ${file}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
process.exit(over ? 1 : 0);
