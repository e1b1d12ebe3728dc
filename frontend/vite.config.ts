import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { drawnIcons } from './drawn-icons.ts';
import { inOneChunk, namedInShell } from './first-screen.ts';

const SERVER = process.env.MAINLOOP_DEV_SERVER ?? 'http://127.0.0.1:8000';

/** The theme must be set before the first paint, so app.html has one inline script; the policy names its hash. */
function themeScriptHash(): `sha256-${string}` {
  const page = readFileSync(new URL('./src/app.html', import.meta.url), 'utf8');
  const script = /<script>([\s\S]*?)<\/script>/.exec(page)?.[1] ?? '';
  return `sha256-${createHash('sha256').update(script).digest('base64')}`;
}

export default defineConfig({
  plugins: [
    tailwindcss(),
    inOneChunk(),
    drawnIcons(),
    sveltekit({
      compilerOptions: {
        runes: ({ filename }) => (filename.includes('node_modules') ? undefined : true),
      },
      // A page that stays open asks whether there is a newer one.
      version: { pollInterval: 5 * 60_000 },
      // Where the line is gone just then, the kit's own way would throw.
      serviceWorker: { register: false },
      adapter: namedInShell(adapter({ fallback: 'index.html' }), 'build'),
      csp: {
        mode: 'hash',
        directives: {
          'default-src': ['self'],
          'script-src': ['self', themeScriptHash()],
          // Rows of the timeline are placed by style attributes.
          'style-src': ['self', 'unsafe-inline'],
          'img-src': ['self', 'data:', 'blob:'],
          'font-src': ['self'],
          'connect-src': ['self'],
          'object-src': ['none'],
          'base-uri': ['none'],
          'form-action': ['none'],
        },
      },
    }),
  ],
  worker: { format: 'es' },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/openapi.json', '/docs'].map((path) => [
        path,
        { target: SERVER, changeOrigin: false },
      ]),
    ),
  },
  test: {
    include: ['src/**/*.test.ts', '../packages/ui/src/**/*.test.ts'],
    environment: 'jsdom',
    mockReset: true,
  },
  resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
});
