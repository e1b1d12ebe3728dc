/**
 * Pictures of every screen with the made-up world: `node tests/shoot.mjs [folder] [filter]`, after a build.
 * A local Chromium is named by CHROMIUM; without it, Playwright's own.
 */
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Fixture, serve, item, iso } from './fixture-server.mjs';

const out = process.argv[2] ?? 'test-results/shots';
const only = process.argv[3] ?? '';
mkdirSync(out, { recursive: true });

const permission = (world) => {
  world.append(
    's-search',
    'item',
    item('i-perm', 's-search', 'permission', 'Run psql on the read replica', {
      opened_at: iso(-40_000),
      ask: {
        kind: 'permission',
        tool: 'Bash',
        input: {
          command:
            'psql $REPLICA_URL -c "BEGIN READ ONLY;\n  SET LOCAL statement_timeout = \'10s\';\n  EXPLAIN (ANALYZE, BUFFERS)\n  SELECT … FROM products JOIN boosts …"',
          description: 'Explain the slow query',
        },
        command:
          'psql $REPLICA_URL -c "BEGIN READ ONLY;\n  SET LOCAL statement_timeout = \'10s\';\n  EXPLAIN (ANALYZE, BUFFERS)\n  SELECT … FROM products JOIN boosts …"',
        effect: 'Runs a shell command in the workspace of this session. It can reach the network.',
        subagent: null,
      },
    }),
  );
  world.session('s-search', { state: 'waiting', activity: '' });
};

const views = {
  chat: { path: '/' },
  thread: {
    path: '/',
    act: (page) =>
      page
        .locator('[data-session="s-emails"]')
        .getByRole('button', { name: 'Show the conversation' })
        .click(),
  },
  plan: { path: '/s/s-pg' },
  review: { path: '/s/s-csv' },
  permission: { path: '/s/s-search', world: permission },
  sessions: { path: '/sessions', world: permission },
  settings: { path: '/settings' },
  projects: { path: '/projects' },
  start: {
    path: '/sessions',
    act: (page) => page.getByRole('button', { name: 'New session' }).first().click(),
  },
  unknown: { path: '/s/none' },
  welcome: { path: '/', kind: 'empty' },
  'welcome-sessions': { path: '/sessions', kind: 'empty' },
  offline: {
    path: '/',
    act: async (page, context) => {
      await context.setOffline(true);
      await page
        .locator('[data-composer=main] textarea')
        .fill('When search is done, compare it with the numbers from March.');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.waitForTimeout(4500);
    },
  },
  'signed-out': { path: '/', signedOut: true },
  held: { path: '/', act: async (page) => page.getByRole('radio', { name: /c9d1cd/ }).click() },
};

let port = 8200;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--font-render-hinting=none',
  ],
});
for (const [device, viewport, scale] of [
  ['desktop', { width: 1440, height: 900 }, 1],
  ['mobile', { width: 390, height: 844 }, 2],
]) {
  for (const theme of ['light', 'dark']) {
    for (const [name, view] of Object.entries(views)) {
      const title = `${device}-${name}-${theme}`;
      if (!title.includes(only)) continue;
      const world = new Fixture(view.kind ?? 'chat');
      view.world?.(world);
      const server = await serve(world, ++port);
      const context = await browser.newContext({
        viewport,
        deviceScaleFactor: scale,
        colorScheme: theme,
        reducedMotion: 'reduce',
        isMobile: device === 'mobile',
        hasTouch: device === 'mobile',
        baseURL: `http://127.0.0.1:${port}`,
      });
      const page = await context.newPage();
      page.on('pageerror', (error) => console.error(title, error.message));
      page.on('console', (line) => line.type() === 'error' && console.error(title, line.text()));
      if (!view.signedOut)
        await page.addInitScript(() => localStorage.setItem('mainloop.key', 'fixture'));
      await page.goto(view.path);
      await page.evaluate(() => document.fonts.ready);
      await page.waitForTimeout(900);
      try {
        await view.act?.(page, context);
      } catch (error) {
        console.error(title, String(error).split('\n')[0]);
      }
      await page.waitForTimeout(500);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) console.error(title, `scrolls sideways by ${over}`);
      await page.screenshot({ path: `${out}/${title}.png` });
      await context.close();
      server.closeAllConnections();
      server.close();
    }
  }
}
await browser.close();
