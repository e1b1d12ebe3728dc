/** Every component in every state, beside pictures of how it looked: a sheet at a time, in both themes. */
import AxeBuilder from '@axe-core/playwright';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { extname } from 'node:path';
import { build } from 'vite';
import { WHOLE, launchOptions } from '../src/browsers.ts';
import { ROOT } from '../src/repository.ts';
import { expect, test } from '@playwright/test';

// The one that drew the pictures: letters differ by a pixel in the other.
test.use({ launchOptions: launchOptions(WHOLE) });

const SHEETS = ['frame', 'lines', 'content', 'work', 'asks', 'day'];
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.woff2': 'font/woff2',
};

let folder: string;
let server: Server;
let address: string;

test.beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/mainloop-gallery-');
  await build({
    configFile: `${ROOT}packages/ui/gallery/vite.config.js`,
    build: { outDir: folder, emptyOutDir: true },
    logLevel: 'error',
  });
  server = createServer((request, answer) => {
    const path = new URL(request.url ?? '/', 'http://gallery').pathname;
    const file = path === '/' ? '/index.html' : path;
    answer.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(folder + file)
      .on('error', () => answer.writeHead(404).end())
      .pipe(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = server.address();
  address = `http://127.0.0.1:${typeof at === 'object' && at ? at.port : 0}/`;
});

test.afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

// The browser that the pictures in `looks` were taken with. Another one draws edges a little differently.
const TAKEN_WITH = '156';
const FEW = { threshold: 0.2, maxDiffPixels: 800, animations: 'disabled' } as const;
const MORE = { ...FEW, maxDiffPixels: 20_000 } as const;

// spec: layout-15
test('every component looks as it did, in both themes, and can be used by everybody', async ({
  browser,
}) => {
  const context = await browser.newContext({
    // As high as the highest: what is open would close if it grew for the picture.
    viewport: { width: 1000, height: 1300 },
    reducedMotion: 'reduce',
  });
  const same = browser.version().startsWith(`${TAKEN_WITH}.`);
  const ALIKE = same ? FEW : MORE;
  const page = await context.newPage();
  for (const sheet of SHEETS) {
    await page.goto(`${address}#${sheet}`);
    await expect(page.locator(`[data-sheet=${sheet}]`)).toBeVisible();
    if (sheet === 'content') {
      await expect(page.locator('td').first()).toBeVisible();
      await expect(page.locator('pre span[style*=color]').first()).toBeAttached();
    }
    if (sheet === 'day') await expect(page.locator('[data-read] > li')).toHaveCount(60);
    if (sheet === 'frame') await page.getByRole('button', { name: 'What to do' }).click();
    if (sheet === 'asks') await page.getByRole('button', { name: 'Open it' }).click();
    await page.evaluate(() => document.fonts.ready);
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await expect.soft(page).toHaveScreenshot(`${sheet}-${theme}.png`, ALIKE);
      // The themes differ in their colours only.
      const axe = new AxeBuilder({ page });
      const { violations } = await (
        theme === 'light' ? axe.withTags(['wcag2a', 'wcag2aa']) : axe.withRules(['color-contrast'])
      ).analyze();
      const words = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join('\n')}`,
      );
      expect.soft(words, `${sheet}, ${theme}`).toEqual([]);
    }
  }
  // A hue that changed would be seen.
  if (!same) return context.close();
  await page.goto(`${address}#lines`);
  await page.addStyleTag({ content: '[data-hue] { --thread: #888 !important }' });
  await expect(page).not.toHaveScreenshot('lines-dark.png', ALIKE);
  await context.close();
});
