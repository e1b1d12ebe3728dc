/** The pictures of the guides, made anew by `make pictures`: of the page itself, at the size of a phone. */
import { WHOLE, launch, launchOptions } from '../src/browsers.ts';
import { Server } from '../src/server.ts';
import { expect, test, type Page } from '../src/test.ts';
import { fill, type World } from '../src/world.ts';

test.use({ launchOptions: launchOptions(WHOLE) });

const FOLDER = '../docs/pictures';
const server: { full?: Server; world?: World } = {};

test.beforeAll(async () => {
  test.setTimeout(300_000);
  server.full = await Server.start({
    agent: 'claude',
    settings: { MAINLOOP_ALLOWED_HOSTS: 'desk.home' },
  });
  server.world = await fill(server.full);
});

test.afterAll(() => server.full?.stop());

async function take(page: Page, name: string, height = 844): Promise<void> {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.waitForFunction(() =>
    document.getAnimations().every((animation) => animation.playState !== 'running'),
  );
  const clip = { x: 0, y: 0, width: 390, height };
  await page.screenshot({ path: `${FOLDER}/phone-${name}.png`, clip });
}

test('what waits, an ask, and being told', { tag: '@phone' }, async ({ visit }) => {
  const { full, world } = server;
  if (!full || !world) throw new Error('there is no world');
  const page = await visit(full, { path: '/sessions' });
  await page.context().grantPermissions(['notifications'], { origin: full.url });
  await expect(page.locator('[data-ask]').first()).toBeVisible();
  await take(page, 'sessions');
  await page.goto(`${full.url}/s/${world.permission}`);
  await expect(page.locator('[data-ask]').first()).toBeVisible();
  await take(page, 'ask');
  await page.goto(`${full.url}/settings`);
  const section = page.locator('[data-notifications]');
  await expect(section.locator('[data-push=off]')).toBeVisible();
  await section.evaluate((element) => element.scrollIntoView());
  await take(page, 'notifications');
});

test('without https', { tag: '@phone' }, async () => {
  const { full } = server;
  if (!full) throw new Error('there is no server');
  const { host } = new URL(full.url);
  const browser = await launch(WHOLE, `--host-resolver-rules=MAP desk.home:80 ${host}`);
  const { use } = test.info().project;
  const { viewport = null, isMobile = true, hasTouch = true } = use;
  const context = await browser.newContext({ viewport, isMobile, hasTouch });
  const page = await context.newPage();
  const home = 'http://desk.home';
  await page.goto(`${home}/pair#${(await full.link()).code}`);
  await expect(page.getByRole('textbox', { name: 'Message to mainloop' })).toBeVisible();
  await page.goto(`${home}/settings`);
  await expect(page.locator('[data-ways]')).toBeVisible();
  await page.locator('[data-notifications]').evaluate((element) => element.scrollIntoView());
  await take(page, 'http', 680);
  await browser.close();
});
