/**
 * The first screen in few files that are asked for at once: its code is one chunk instead of some sixty, and the shell
 * names what the code will ask for, so that a browser on a slow line waits once.
 */
import type { Adapter } from '@sveltejs/kit';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { Plugin } from 'vite';

const NAME = 'first-screen';
const NODES = '.svelte-kit/generated/client-optimized/';
const kit = dirname(createRequire(import.meta.url).resolve('@sveltejs/kit/package.json'));
const START = join(kit, 'src/runtime/client/entry.js');
const ROUTE = ['src/routes/+layout.svelte', 'src/routes/+page.svelte'];
/** Right after it: what is said is not drawn without. */
const SOON = ['../packages/ui/src/markdown.ts'];

interface Graph {
  getModuleInfo(id: string): { importedIds: readonly string[] } | null;
}

/** What the first screen imports before it runs. */
function closure(graph: Graph): Set<string> {
  const found = new Set<string>();
  const take = (id: string): void => {
    const module = found.has(id) ? null : graph.getModuleInfo(id);
    if (!module) return;
    found.add(id);
    module.importedIds.forEach(take);
  };
  // What is built for a server has no start of the page.
  if (graph.getModuleInfo(START))
    [START, ...[`${NODES}app.js`, ...ROUTE].map((file) => resolve(file))].forEach(take);
  return found;
}

/** Puts all that the first screen imports into one chunk. What is imported later stays in chunks of its own. */
export function inOneChunk(): Plugin {
  return {
    name: `mainloop-${NAME}`,
    config: () => {
      let first: Set<string> | undefined;
      const name = (id: string, graph: Graph) => ((first ??= closure(graph)).has(id) ? NAME : null);
      const codeSplitting = { groups: [{ name, debugName: NAME }] };
      return { build: { rolldownOptions: { output: { codeSplitting } } } };
    },
  };
}

type Manifest = Record<
  string,
  { file: string; name?: string; imports?: string[]; css?: string[]; isEntry?: boolean }
>;

/** The shell with the scripts and the one style that the first screen needs; any other style comes with its part. */
function withFirstScreen(shell: string, manifest: Manifest): string {
  const scripts = new Set<string>();
  const take = (key: string): void => {
    const chunk = manifest[key];
    if (!chunk) throw new Error(`the build has no ${key}`);
    scripts.add(chunk.file);
    chunk.imports?.forEach(take);
  };
  const route = Object.keys(manifest).filter(
    (key) =>
      key.startsWith(`${NODES}nodes/`) &&
      ROUTE.some((component) => readFileSync(key, 'utf8').includes(`/${component}"`)),
  );
  [...route, ...SOON].forEach(take);
  const styles = Object.values(manifest).find(({ name }) => name === NAME)?.css ?? [];
  if (route.length !== ROUTE.length || styles.length !== 1)
    throw new Error('the build has another first screen than the shell can name');
  const preloads = [...scripts]
    .filter((file) => !shell.includes(`"/${file}"`))
    .map((file) => `<link href="/${file}" rel="modulepreload">`);
  return (
    shell
      .replace(/\s*<link [^>]*rel="stylesheet">/g, '')
      .replace('</head>', `${preloads.join('\n')}\n</head>`)
      // Behind what stands there before: a browser draws that first.
      .replace('<div id="page">', `<link href="/${styles[0]}" rel="stylesheet">\n$&`)
  );
}

/** The adapter, with a shell that names what the first screen needs. */
export function namedInShell(adapter: Adapter, folder: string): Adapter {
  return {
    ...adapter,
    async adapt(builder) {
      await adapter.adapt(builder);
      const shell = join(folder, 'index.html');
      const client = builder.getClientDirectory();
      const manifest = JSON.parse(
        readFileSync(join(client, '.vite/manifest.json'), 'utf8'),
      ) as Manifest;
      writeFileSync(shell, withFirstScreen(readFileSync(shell, 'utf8'), manifest));
      await builder.compress(folder);
    },
  };
}
