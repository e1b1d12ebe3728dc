import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import ts from 'typescript-eslint';

export default defineConfig(
  globalIgnores([
    '.venv/',
    '**/build/',
    '**/dist/',
    '**/.svelte-kit/',
    '**/playwright-report/',
    '**/test-results/',
    'packages/api-client/src/schema.d.ts',
  ]),
  js.configs.recommended,
  ts.configs.strict,
  svelte.configs.recommended,
  prettier,
  svelte.configs.prettier,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // TypeScript knows which names exist.
      'no-undef': 'off',
      'no-console': ['error', { allow: ['warn', 'error'] }],
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'svelte/store',
              message: 'State is a class with runes in a *.svelte.ts file.',
            },
            {
              name: '@lucide/svelte',
              message: "Import the single icon: '@lucide/svelte/icons/<name>'.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts', '**/*.svelte.js'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'] } },
  },
  {
    files: ['packages/ui/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['@mainloop/api-client*', '$lib/*', '$app/*', '**/frontend/**'],
              message: 'packages/ui knows nothing of mainloop: hand it in as a property.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['e2e/**', 'scripts/**'],
    rules: { 'no-console': 'off' },
  },
);
