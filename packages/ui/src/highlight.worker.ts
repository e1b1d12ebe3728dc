/** The one worker that colours code for all of the page. A grammar is fetched when its language is first seen. */
import {
  createCssVariablesTheme,
  createHighlighterCore,
  type HighlighterCore,
  type LanguageInput,
} from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';
import type { Coloured, Wish } from './highlight';

const tsx = () => import('shiki/langs/tsx.mjs');
const shell = () => import('shiki/langs/shellscript.mjs');
const xml = () => import('shiki/langs/xml.mjs');
const yaml = () => import('shiki/langs/yaml.mjs');
const python = () => import('shiki/langs/python.mjs');

/** The names that fences bear, and the grammar that reads them. */
const LANGUAGES: Record<string, [name: string, load: LanguageInput]> = {
  ...Object.fromEntries(
    ['ts', 'tsx', 'js', 'jsx', 'mjs', 'typescript', 'javascript'].map((name) => [
      name,
      ['tsx', tsx],
    ]),
  ),
  ...Object.fromEntries(
    ['sh', 'bash', 'shell', 'zsh', 'console'].map((name) => [name, ['shellscript', shell]]),
  ),
  ...Object.fromEntries(
    ['html', 'xml', 'svg', 'svelte', 'vue'].map((name) => [name, ['xml', xml]]),
  ),
  yaml: ['yaml', yaml],
  yml: ['yaml', yaml],
  py: ['python', python],
  python: ['python', python],
  json: ['json', () => import('shiki/langs/json.mjs')],
  toml: ['toml', () => import('shiki/langs/toml.mjs')],
  sql: ['sql', () => import('shiki/langs/sql.mjs')],
  diff: ['diff', () => import('shiki/langs/diff.mjs')],
  css: ['css', () => import('shiki/langs/css.mjs')],
  rust: ['rust', () => import('shiki/langs/rust.mjs')],
  go: ['go', () => import('shiki/langs/go.mjs')],
};

const theme = createCssVariablesTheme({ name: 'page', variablePrefix: '--code-' });
const PLAIN = 'var(--code-foreground)';
const highlighter: Promise<HighlighterCore> = createHighlighterCore({
  themes: [theme],
  langs: [],
  engine: createJavaScriptRegexEngine({ forgiving: true }),
});

async function colour({ text, language }: Wish): Promise<Coloured[] | null> {
  const [name, load] = LANGUAGES[language.toLowerCase()] ?? [];
  if (!name || !load) return null;
  const core = await highlighter;
  if (!core.getLoadedLanguages().includes(name)) await core.loadLanguage(load);
  const lines = core.codeToTokensBase(text, { lang: name, theme: 'page' });
  const pieces: Coloured[] = [];
  for (const [at, line] of lines.entries()) {
    if (at > 0) pieces.push({ text: '\n', colour: '' });
    let last: Coloured | undefined;
    for (const { content, color = '' } of line) {
      // What has the colour of all text needs none; spaces have the one before them.
      const colour = color === PLAIN ? '' : color;
      if (last && (last.colour === colour || !content.trim())) last.text += content;
      else pieces.push((last = { text: content, colour }));
    }
  }
  return pieces;
}

self.onmessage = ({ data }: MessageEvent<Wish>) => {
  void colour(data)
    .catch(() => null)
    .then((pieces) => self.postMessage({ id: data.id, pieces }));
};
