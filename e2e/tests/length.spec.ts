/** A thread of any length: it opens at the right place, is read in any direction, and never moves under the eye. */
import { examine } from '../src/examine.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { isPhone, said, say } from '../src/ui.ts';

const EVENTS = 100_000;
const server = useServer({ events: EVENTS });

interface Logged {
  seq: number;
  kind: string;
  at: string;
  body: { role?: string; text?: string };
}

const events = async (query: string): Promise<Logged[]> =>
  (await server().api<{ events: Logged[] }>('GET', `/api/threads/main/events?${query}`)).events;

/** The first reply at or behind a place. */
async function replyAt(place: number): Promise<Logged> {
  const found = (await events(`after=${place - 1}&limit=100`)).find(
    ({ kind, body }) => kind === 'message' && body.role === 'assistant',
  );
  if (!found) throw new Error(`nothing was said behind ${place}`);
  return found;
}

const line = (page: Page) => page.getByRole('region', { name: 'Conversation' });
const row = (page: Page, place: number) => line(page).locator(`[data-place="${place}"]`).last();

/** How far a row stands below the upper edge of the line, once it rests. */
async function below(page: Page, place: number): Promise<number> {
  return row(page, place).evaluate((element) => {
    const scroller = element.closest('[data-timeline]');
    return element.getBoundingClientRect().top - (scroller?.getBoundingClientRect().top ?? 0);
  });
}

async function expectAtTop(page: Page, place: number): Promise<void> {
  await expect(row(page, place)).toBeInViewport();
  await expect.poll(async () => Math.abs((await below(page, place)) - 8)).toBeLessThanOrEqual(1);
}

// spec: length-1, length-2
test(
  'a thread of a hundred thousand events opens at its end, and an address leads to any place of it',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const last = (await events('limit=100')).findLast(({ kind }) => kind === 'message');
    await expect(said(page, last?.body.text?.split('.')[0] ?? '').last()).toBeInViewport();
    for (const wanted of [1, 777, EVENTS / 2, EVENTS - 3000]) {
      const reply = await replyAt(wanted);
      await page.goto(`${server().url}/?at=${reply.seq}`);
      await expect(row(page, reply.seq)).toContainText(reply.body.text?.split('.')[0] ?? '');
      await expectAtTop(page, reply.seq);
      await expect(row(page, reply.seq)).toBeFocused();
    }
    await page.getByRole('button', { name: /^Latest/ }).click();
    await expect(said(page, last?.body.text?.split('.')[0] ?? '').last()).toBeInViewport();
    await say(page, 'And now?');
    await expect(said(page, 'ok: And now?')).toBeInViewport();
  },
);

// spec: length-2
test(
  'the time of a message is its address, and a day can be gone to',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server(), { path: `/?at=${EVENTS / 2}` });
    const reply = await replyAt(EVENTS / 2);
    await row(page, reply.seq)
      .getByRole('link', { name: /^Link to what was said at/ })
      .click();
    await expect(page).toHaveURL(`${server().url}/?at=${reply.seq}`);
    await expectAtTop(page, reply.seq);

    const day = new Date(Date.parse(reply.at) - 5 * 24 * 3600 * 1000).toISOString().slice(0, 10);
    const midnight = await page.evaluate((at) => new Date(`${at}T00:00`).toISOString(), day);
    const first = (await events(`at=${midnight}&limit=100`)).find(({ at }) => at >= midnight);
    await page.getByLabel('Go to a day').fill(day);
    const mark = line(page)
      .getByRole('heading', { level: 2 })
      .filter({ hasText: /day \d/ });
    await expect(mark.first()).toBeInViewport();
    const marks = line(page).locator('[data-kind="day"]');
    await expect
      .poll(() =>
        marks.evaluateAll((rows) =>
          rows.flatMap((mark) => {
            const top = mark.closest('[data-timeline]')?.getBoundingClientRect().top ?? 0;
            const at = Math.round(mark.getBoundingClientRect().top - top);
            return at === 8 ? [Number(mark.getAttribute('data-place'))] : [];
          }),
        ),
      )
      .toHaveLength(1);
    // Its first row: not every event has one.
    const place = Number(await marks.first().getAttribute('data-place'));
    expect(place - (first?.seq ?? 0)).toBeGreaterThanOrEqual(0);
    expect(place - (first?.seq ?? 0)).toBeLessThan(5);
  },
);

// spec: length-3
test('nothing that is read moves when pages come, or when something above it grows', async ({
  visit,
}) => {
  const page = await visit(server(), { path: `/?at=${EVENTS / 2}` });
  await expect(row(page, (await replyAt(EVENTS / 2)).seq)).toBeVisible();
  for (const side of ['before', 'after']) {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let came: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (came = resolve));
    await page.route(new RegExp(`/events\\?.*${side}=`), async (route) => {
      came();
      await held;
      await route.continue();
    });
    const box = await line(page).boundingBox();
    await page.mouse.move((box?.x ?? 0) + 200, (box?.y ?? 0) + 200);
    const height = () => line(page).evaluate((e) => e.scrollHeight);
    const before = await height();
    for (let step = 0; step < 200; step++) {
      await page.mouse.wheel(0, side === 'before' ? -300 : 300);
      await page.evaluate(() => new Promise(requestAnimationFrame));
      if (await Promise.race([asked.then(() => true), Promise.resolve(false)])) break;
    }
    await asked;
    // Whatever rows were measured on the way have found their height.
    const places = () =>
      line(page).evaluate((e) =>
        [...e.querySelectorAll('[data-place]')].map((r) => [
          r.getAttribute('data-place'),
          Math.round(r.getBoundingClientRect().top * 2) / 2,
        ]),
      );
    const inView = async () => {
      const { y = 0, height: tall = 0 } = (await line(page).boundingBox()) ?? {};
      return (await places()).filter(([, top]) => Number(top) >= y && Number(top) < y + tall);
    };
    let still = await inView();
    await expect(async () => {
      const now = await inView();
      const same = JSON.stringify(now) === JSON.stringify(still);
      still = now;
      expect(same).toBe(true);
    }).toPass();
    release();
    await expect.poll(height).toBeGreaterThan(before);
    await expect.poll(inView).toEqual(expect.arrayContaining(still));
    await page.unrouteAll({ behavior: 'wait' });

    // A row above the view, mounted already, becomes taller.
    const grown = await line(page).evaluate((e) => {
      const top = e.getBoundingClientRect().top;
      const above = [...e.querySelectorAll<HTMLElement>('.row')].findLast(
        (r) => r.getBoundingClientRect().bottom < top,
      );
      if (above) above.style.paddingBottom = '333px';
      return above !== undefined;
    });
    expect(grown).toBe(true);
    await expect.poll(inView).toEqual(expect.arrayContaining(still));
  }
});

// spec: length-4
test(
  'what is far away is let go, and read again on the way back',
  { tag: '@long' },
  async ({ visit }) => {
    const page = await visit(server());
    await expect(line(page).locator('[data-kind="message"]').last()).toBeInViewport();
    const asked: string[] = [];
    page.on('request', (request) => {
      const query = /threads\/main\/events\?(.*)/.exec(request.url())?.[1];
      if (query) asked.push(query);
    });
    const pages = () => asked.filter((query) => query.includes('before=')).length;
    while (pages() < 60) {
      await line(page).press('Home');
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    // Three thousand at most: the first pages are gone.
    await expect(line(page)).toBeVisible();
    asked.length = 0;
    await line(page).press('End');
    await expect.poll(() => asked.some((query) => !/before|after/.test(query))).toBe(true);
    const last = (await events('limit=100')).findLast(({ kind }) => kind === 'message');
    await expect(said(page, last?.body.text?.split('.')[0] ?? '').last()).toBeInViewport();
  },
);

const search = (page: Page) => page.getByRole('textbox', { name: 'Search in this conversation' });

/** What the page marks, as it stands there. */
const marks = (page: Page) =>
  page.evaluate(() => [...(CSS.highlights.get('mainloop-found') ?? [])].map(String));

// spec: page-17, page-18
test(
  'what was said is found in the palette and in the conversation, however far away',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const old = await replyAt(33_000);
    const words = old.body.text?.split('.')[0] ?? '';
    const last = (await events('limit=100')).findLast(({ kind }) => kind === 'message');
    await expect(said(page, last?.body.text?.split('.')[0] ?? '').last()).toBeInViewport();
    if (isPhone(page)) await page.getByRole('button', { name: 'Search and commands' }).tap();
    else await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill(words);
    const found = page.getByRole('group', { name: 'Said' }).getByRole('option').first();
    await expect(found).toContainText(words);
    await expect(found.locator('b').first()).toHaveText('Answer');
    await examine(page, 'palette-said');
    await found.click();
    await expect(row(page, old.seq)).toContainText(words);
    await expectAtTop(page, old.seq);

    // In the conversation itself: the newest first, then the next older one.
    if (isPhone(page)) {
      await page.getByRole('button', { name: 'Search and commands' }).tap();
      await page.getByRole('option', { name: 'Search in this conversation' }).tap();
    } else await page.keyboard.press('/');
    await expect(search(page)).toBeFocused();
    await search(page).fill('"copy volume" OR (');
    await expect(page.getByRole('status').filter({ hasText: 'nothing' })).toBeVisible();
    await search(page).fill('copy vol');
    const place = page.getByRole('status').filter({ hasText: '1 of 50 or more' });
    await expect(place).toBeVisible();
    const { hits } = await server().api<{ hits: { seq: number }[] }>(
      'GET',
      '/api/search?text=copy%20vol&thread=main&limit=50',
    );
    await expectAtTop(page, hits[0]?.seq ?? 0);
    await expect.poll(() => marks(page)).toEqual(expect.arrayContaining(['Copy', 'volume']));
    await examine(page, 'find');
    if (isPhone(page)) await page.getByRole('button', { name: 'Older', exact: true }).tap();
    else await page.keyboard.press('Enter');
    await expect(page.getByRole('status').filter({ hasText: '2 of 50' })).toBeVisible();
    await expectAtTop(page, hits[1]?.seq ?? 0);
    if (isPhone(page)) await page.getByRole('button', { name: 'Newer', exact: true }).tap();
    else await page.keyboard.press('Shift+Enter');
    await expectAtTop(page, hits[0]?.seq ?? 0);
    if (isPhone(page)) await page.getByRole('button', { name: 'Close', exact: true }).tap();
    else await page.keyboard.press('Escape');
    await expect(search(page)).toHaveCount(0);
    expect(await marks(page)).toEqual([]);
    await expect(line(page)).toBeFocused();
  },
);
