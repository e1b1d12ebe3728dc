import { svelte } from '@sveltejs/vite-plugin-svelte';
import tailwindcss from '@tailwindcss/vite';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// Every component in every state, on a page of its own. It is no part of the product.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [tailwindcss(), svelte({ compilerOptions: { runes: true } })],
  build: { outDir: 'build', emptyOutDir: true },
  worker: { format: 'es' },
});
