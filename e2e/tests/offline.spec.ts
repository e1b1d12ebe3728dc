/** A browser whose server is gone: the page opens, is read and written, and catches up when it is back. */
import { type Route } from '@playwright/test';
import { BARE, launch } from '../src/browsers.ts';
import { script } from '../src/model.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { ask } from '../src/steps.ts';
import { asks, composer, said, say } from '../src/ui.ts';

const server = useServer({ settings: { MAINLOOP_ALLOWED_HOSTS: 'phone.test' } });

/** What was read and is kept, as text. */
function readings(page: Page): Promise<string> {
  return page.evaluate(async () => {
    // Opening it would make it.
    const there = await indexedDB.databases();
    if (!there.some(({ name }) => name === 'mainloop-read')) return '';
    return new Promise<string>((resolve) => {
      const open = indexedDB.open('mainloop-read');
      open.onsuccess = () => {
        const all = open.result.transaction('read').objectStore('read').getAll();
        all.onsuccess = () => {
          open.result.close();
          resolve(all.result.map((one) => JSON.stringify(one)).join('\n'));
        };
      };
    });
  });
}

/** Once the page itself is kept, and these words of what was read in a thread: others may speak of them, too. */
async function kept(page: Page, words: string, thread = 'main'): Promise<void> {
  await page.evaluate(() => navigator.serviceWorker.ready);
  const log = async () =>
    (await readings(page)).split('\n').find((one) => one.startsWith(`{"thread":"${thread}"`)) ?? '';
  await expect.poll(log).toContain(words);
}

// spec: length-9, length-10
test(
  'with its server gone the page opens from what is kept, is read, and sends what was written once it is back',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const page = await visit(server());
    await say(page, 'Before the night');
    await expect(said(page, 'ok: Before the night')).toBeVisible();
    await kept(page, 'ok: Before the night');
    const work = { id, title: 'Night work', prompt: script({ text: 'Read me in the dark.' }) };
    await server().api('POST', '/api/sessions', work);
    await page.goto(`${server().url}/s/${id}`);
    await expect(said(page, 'Read me in the dark.').last()).toBeVisible();
    await kept(page, 'Read me in the dark."', id);

    await server().kill();
    await page.goto(`${server().url}/s/${id}`);
    await expect(said(page, 'Read me in the dark.').last()).toBeVisible();
    await page.goto(server().url);
    await expect(said(page, 'ok: Before the night')).toBeVisible();
    await expect(page.getByText(/^Offline since \d\d:\d\d\./)).toBeVisible();
    await say(page, 'Said in the dark');
    await expect(page.getByText('1 message waits here')).toBeVisible();
    await page.reload();
    await expect(said(page, 'Said in the dark')).toBeVisible();

    await server().start();
    await expect(said(page, 'ok: Said in the dark')).toHaveCount(1);
    await expect(page.getByText(/^Offline since/)).toHaveCount(0);
    await expect(said(page, 'ok: Before the night')).toHaveCount(1);
  },
);

// spec: length-9
test('where the line goes while the page is open, what was read before is read, and the rest follows', async ({
  visit,
}) => {
  const [read, unread] = [crypto.randomUUID(), crypto.randomUUID()];
  const start = (id: string, title: string, text: string) =>
    server().api('POST', '/api/sessions', { id, title, prompt: script({ text }) });
  await start(read, 'Read before', 'Read me again.');
  await start(unread, 'Never read', 'Read me at last.');
  const page = await visit(server(), { path: `/s/${read}` });
  await expect(said(page, 'Read me again.').last()).toBeVisible();
  await kept(page, 'Read me again."', read);
  await page.goto(server().url);
  const list = page.getByRole('complementary', { name: 'Sessions' });
  await expect(list.getByRole('link', { name: /Never read, answered/ })).toBeVisible();
  await page.context().setOffline(true);
  await expect(page.getByText(/^Offline since/)).toBeVisible();
  await list.getByRole('link', { name: /Read before/ }).click();
  await expect(said(page, 'Read me again.').last()).toBeVisible();
  await list.getByRole('link', { name: /Never read/ }).click();
  await expect(page.getByRole('alert')).toContainText('It comes with the connection.');
  const text = script({ text: 'Said meanwhile.' });
  const message = { id: crypto.randomUUID(), text, mode: 'queue' };
  await server().api('POST', `/api/threads/${read}/messages`, message);
  await page.context().setOffline(false);
  await expect(said(page, 'Read me at last.').last()).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await list.getByRole('link', { name: /Read before/ }).click();
  await expect(said(page, /^scripted.*Said meanwhile\./s)).toHaveCount(1);
});

// spec: length-9
test('a server that takes requests and says nothing is a line that is gone, until it is tried anew', async ({
  visit,
}) => {
  const page = await visit(server());
  await say(page, 'Before it hung');
  await expect(said(page, 'ok: Before it hung')).toBeVisible();
  await kept(page, 'ok: Before it hung');
  let hangs = true;
  await page.route('**/api/state', (route) => (hangs ? undefined : route.continue()));
  await page.reload();
  await expect(said(page, 'ok: Before it hung')).toBeVisible();
  const bar = page.getByRole('status').filter({ hasText: /^Offline since \d\d:\d\d\./ });
  await expect(bar).toBeVisible();
  // The requests that hang stay so: what helps is another one.
  hangs = false;
  await bar.getByRole('button', { name: 'Retry now' }).click();
  await expect(bar).toHaveCount(0);
  await say(page, 'After it hung');
  await expect(said(page, 'ok: After it hung')).toHaveCount(1);
});

// spec: length-10
test('what the server says is never kept by the worker, and is forgotten when the device is signed out', async ({
  visit,
}) => {
  const device = await server().pair('Somebody');
  const page = await visit(server(), { device });
  await say(page, 'Keep this to yourself');
  await expect(said(page, 'ok: Keep this to yourself')).toBeVisible();
  await kept(page, 'ok: Keep this to yourself');
  const cached = await page.evaluate(async () => {
    const names = await caches.keys();
    const lists = await Promise.all(
      names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)),
    );
    return lists.flat();
  });
  expect(cached.length).toBeGreaterThan(10);
  expect(cached.filter((url) => /\/(api|docs|runner)\b/.test(new URL(url).pathname))).toEqual([]);

  await server().api('DELETE', `/api/devices/${device.id}`);
  await expect(page.getByRole('heading', { name: 'This browser was signed out.' })).toBeVisible();
  await expect.poll(() => readings(page)).toBe('');
});

// spec: length-11
test('six tabs share one stream, and whichever is closed the others go on', async ({ visit }) => {
  const first = await visit(server());
  const context = first.context();
  const streams = new Map<Page, number>();
  const watch = (page: Page) =>
    page.on('request', (request) => {
      if (request.url().includes('/api/events')) streams.set(page, (streams.get(page) ?? 0) + 1);
    });
  await say(first, 'I am the first');
  await expect(said(first, 'ok: I am the first')).toBeVisible();
  const tabs = [first];
  for (let n = 1; n < 6; n++) {
    const tab = await context.newPage();
    watch(tab);
    await tab.goto(server().url);
    await expect(composer(tab)).toBeVisible();
    tabs.push(tab);
  }
  expect(streams.size, 'of those that came later').toBe(0);
  await say(tabs[3] as Page, 'To all of you');
  for (const tab of tabs) await expect(said(tab, 'ok: To all of you')).toHaveCount(1);

  // The one that holds the stream goes, then one that only listens.
  await first.close();
  await (tabs[4] as Page).close();
  const left = [1, 2, 3, 5].map((n) => tabs[n] as Page);
  await say(left[0] as Page, 'And who is left');
  for (const tab of left) await expect(said(tab, 'ok: And who is left')).toHaveCount(1);
  expect(streams.size).toBe(1);
});

// spec: length-12, attention-49, page-20, page-21
test('an address without a secure connection works too: the tab one looks at has the stream', async () => {
  const browser = await launch(BARE, '--host-resolver-rules=MAP phone.test 127.0.0.1');
  try {
    const link = await server().link();
    const context = await browser.newContext();
    const page = await context.newPage();
    const home = server().url.replace('127.0.0.1', 'phone.test');
    await page.goto(`${home}/pair#${link.code}`);
    await expect(composer(page)).toBeVisible();
    expect(await page.evaluate(() => [isSecureContext, 'serviceWorker' in navigator])).toEqual([
      false,
      false,
    ]);
    await say(page, 'Over the kitchen network');
    await expect(said(page, 'ok: Over the kitchen network')).toHaveCount(1);
    const other = await context.newPage();
    await other.goto(home);
    await say(other, 'From the other tab');
    await expect(said(other, 'ok: From the other tab')).toHaveCount(1);
    await page.bringToFront();
    await expect(said(page, 'ok: From the other tab')).toHaveCount(1);

    // What was there is there without a line: no worker keeps the page here.
    const id = crypto.randomUUID();
    const prompt = script({ text: 'Read me over the kitchen network.' });
    await server().api('POST', '/api/sessions', { id, title: 'Kitchen work', prompt });
    await expect(page.locator(`[data-session="${id}"]`)).toHaveAttribute('data-state', 'idle');
    // Fetched when all is quiet, this as one of the last.
    const fetched = () =>
      page.evaluate(() =>
        performance.getEntriesByType('resource').some(({ name }) => /SettingsNav\./.test(name)),
      );
    await expect.poll(fetched).toBe(true);
    await server().kill();
    await expect(page.getByText(/^Offline since/)).toBeVisible();
    await page.keyboard.press('Escape');
    for (const [keys, name] of [
      ['?', 'Keys'],
      ['gn', 'Start a session'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await expect(page.getByRole('dialog', { name })).toBeVisible();
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);
    }
    await page.keyboard.press('j');
    await expect(page.locator(`[data-session="${id}"]`)).toBeFocused();
    await page.keyboard.press('Control+Enter');
    await expect(page.locator('[data-session-header]')).toBeVisible();
    await expect(page).toHaveTitle(/^kitchen-work\S* · mainloop$/);
    await page.keyboard.press('Escape');
    await expect(page.locator(`[data-session="${id}"]`)).toBeFocused();
    await server().start();
    await expect(page.getByText(/^Offline since/)).toHaveCount(0);

    await page.goto(`${home}/settings`);
    await expect(page.locator('[data-push=insecure]')).toBeVisible();
    const { port } = new URL(home);
    await expect(page.locator('[data-ways]')).toContainText(`tailscale serve --bg ${port}`);
    await expect(page.locator('[data-ways]')).toContainText('MAINLOOP_PUBLIC_URL=https://');
  } finally {
    await browser.close();
  }
});

// spec: length-13
test('a newer version is offered once nothing would be lost, and is there after loading it', async ({
  visit,
}) => {
  const page = await visit(server());
  await composer(page).fill('Half a thought');
  await page.route('**/_app/version.json', (route) =>
    route.fulfill({ json: { version: 'newer' } }),
  );
  // The line comes back, as it does after an upgrade.
  await server().restart();
  await say(page, 'Is there something new?');
  await expect(said(page, /ok: .*Is there something new\?/)).toHaveCount(1);
  await composer(page).fill('Half a thought');
  const bar = page.getByRole('status').filter({ hasText: 'There is a new version of this page.' });
  await expect(bar).toHaveCount(0);
  await composer(page).fill('');
  await expect(bar).toBeVisible();
  // So is a file that did not go out yet.
  await page.route('**/api/attachments', () => undefined);
  const brought = page.getByRole('list', { name: 'Attached' });
  await composer(page).evaluate((field) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(['half a plan'], 'plan.txt', { type: 'text/plain' }));
    field.dispatchEvent(
      new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData }),
    );
  });
  await expect(brought).toContainText('plan.txt');
  await expect(bar).toHaveCount(0);
  await brought.getByRole('button', { name: /^Remove/ }).click();
  await expect(bar).toBeVisible();
  await page.unrouteAll();
  await bar.getByRole('button', { name: 'Load it' }).click();
  await expect(bar).toHaveCount(0);
  await expect(said(page, /ok: .*Is there something new\?/)).toHaveCount(1);
});

// spec: writing-15
test('a message that is edited while it is on its way is there once, as it was edited', async ({
  visit,
}) => {
  const page = await visit(server());
  // A turn that goes on, so that messages wait behind it.
  await say(page, script(ask('Go on?', 'yes', 'no'), { text: 'Done.' }));
  await expect(asks(page, 'Go on?')).toBeVisible();
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const held = async (route: Route) => {
    await gate;
    await route.continue();
  };
  await page.route('**/api/threads/main/messages', held, { times: 1 });
  await say(page, 'As it was at first');
  await page.getByRole('button', { name: 'edit', exact: true }).click();
  await expect(composer(page)).toHaveValue('As it was at first');
  await say(page, 'As it is now');
  release();
  const queued = async () => {
    const state = await server().api<{ queued: { message: { text: string } }[] }>(
      'GET',
      '/api/state',
    );
    return state.queued.map(({ message }) => message.text);
  };
  await expect.poll(queued).toEqual(['As it is now']);
  await expect(page.locator('[data-pending]')).toHaveCount(0);
  expect(await queued()).toEqual(['As it is now']);
});
