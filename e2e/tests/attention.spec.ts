/** Being told: what the browser's worker shows, takes away and leads to, and the settings of it. */
import { WHOLE, launchOptions } from '../src/browsers.ts';
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { ask, bash } from '../src/steps.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { isPhone } from '../src/ui.ts';

const server = useServer();
test.use({ launchOptions: launchOptions(WHOLE) });

/** Those that stand now; the page and its worker take turns with them, and so does who looks. */
const STAND = `navigator.locks.request('mainloop.notifications', () => registration.getNotifications())`;

/** What stands outside of the page, by its title. */
function shown(page: Page): Promise<string[]> {
  return inWorker<string[]>(
    page,
    `${STAND}.then((all) => all.map(({ title, body }) => \`\${title}: \${body}\`))`,
  );
}

/** The browser's worker, which lives without a page, too. A worker's own words are text here, where no worker's types are. */
function inWorker<T>(page: Page, words: string): Promise<T> {
  const [worker] = page.context().serviceWorkers();
  if (!worker) throw new Error('there is no worker');
  return worker.evaluate<T>(words);
}

/** As a tap on the notification does, or on one of its buttons. */
function press(page: Page, action = ''): Promise<void> {
  return inWorker(
    page,
    `${STAND}.then(([notification]) =>
      dispatchEvent(new NotificationEvent('notificationclick', { notification, action: '${action}' })))`,
  );
}

/** Hands the worker a push, as the browser does once its maker's service has brought one. */
async function deliver(page: Page, told: object): Promise<void> {
  await hand(page, 'deliverPushMessage', { data: JSON.stringify(told) });
}

/** Wakes the worker for what it has put off until there is a line. */
function wake(page: Page, tag: string): Promise<void> {
  return hand(page, 'dispatchSyncEvent', { tag, lastChance: false });
}

async function hand(
  page: Page,
  what: 'deliverPushMessage' | 'dispatchSyncEvent',
  given: object,
): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const versions = new Promise<string>((resolve) => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      if (registrations[0]) resolve(registrations[0].registrationId);
    });
  });
  await devtools.send('ServiceWorker.enable');
  const to = { origin: server().url, registrationId: await versions };
  await devtools.send(`ServiceWorker.${what}`, { ...to, ...given } as never);
  await devtools.detach();
}

async function waiting(title: string): Promise<{ session: string; item: string }> {
  const session = crypto.randomUUID();
  const prompt = script(ask('Which grey?', 'light', 'dark'));
  await server().api('POST', '/api/sessions', { id: session, title, prompt });
  await expect.poll(() => itemOf(session)).toBeTruthy();
  return { session, item: (await itemOf(session)) ?? '' };
}

/** What a session waits for now. */
async function itemOf(session: string): Promise<string | undefined> {
  const { items } = await server().api<{ items: { id: string; session_id: string }[] }>(
    'GET',
    '/api/inbox',
  );
  return items.find((one) => one.session_id === session)?.id;
}

// spec: attention-19
test('what is shown is not forgotten where the inbox changes meanwhile', async ({ visit }) => {
  const page = await visit(server());
  await page.context().grantPermissions(['notifications'], { origin: server().url });
  await page.evaluate(() => navigator.serviceWorker.ready);
  const { item } = await waiting('Greys');
  await expect(page.locator(`[data-ask="${item}"]`).first()).toBeVisible();
  const until = new Date(Date.now() + 3600_000).toISOString();
  for (let round = 0; round < 10; round++) {
    const push = { about: 'push', title: 'greys', text: '', path: '/', items: [], badge: 1 };
    const told = Array.from({ length: 5 }, (_, n) => ({ ...push, tag: `${round} ${n}` }));
    await Promise.all([
      inWorker(
        page,
        `${JSON.stringify(told)}.forEach((one) =>
          dispatchEvent(new PushEvent('push', { data: JSON.stringify(one) })))`,
      ),
      server().api('POST', `/api/inbox/${item}/snooze`, { until: round % 2 ? null : until }),
    ]);
  }
  await expect.poll(() => shown(page)).toHaveLength(50);
});

interface Decided {
  id: string;
  answer?: { decision: string } | null;
}

// spec: attention-18, attention-19
test(
  'a push is shown, leads to what it is about, and goes away where it was answered elsewhere',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const context = page.context();
    await context.grantPermissions(['notifications'], { origin: server().url });
    await page.evaluate(() => navigator.serviceWorker.ready);
    const { session, item } = await waiting('Greys');
    const told = {
      about: 'push',
      tag: session,
      title: 'greys',
      text: 'Which grey?',
      path: `/s/${session}`,
      items: [item],
      badge: 1,
    };
    await deliver(page, told);
    await expect.poll(() => shown(page)).toEqual(['greys: Which grey?']);
    // A later one of the same session takes its place.
    await deliver(page, { ...told, text: 'Which grey, please?' });
    await expect.poll(() => shown(page)).toEqual(['greys: Which grey, please?']);

    await press(page);
    await expect(page).toHaveURL(`${server().url}/s/${session}`);
    await expect(page.locator('main').getByText('Which grey?').first()).toBeVisible();

    await deliver(page, told);
    await expect.poll(() => shown(page)).toHaveLength(1);
    const answer = { id: crypto.randomUUID(), decision: 'dismiss' };
    await server().api('POST', `/api/inbox/${item}/answer`, answer);
    await expect.poll(() => shown(page)).toEqual([]);

    await deliver(page, { ...told, tag: 'other', items: [] });
    await expect.poll(() => shown(page)).toHaveLength(1);
    await deliver(page, { about: 'clear', tag: 'other', badge: 0 });
    await expect.poll(() => shown(page)).toEqual([]);
  },
);

// spec: attention-42, attention-43, attention-44, attention-45
test('a permission is answered on its notification: once, in words where it was too late, and never lost', async ({
  visit,
}) => {
  const device = await server().pair('Phone');
  const page = await visit(server(), { device });
  await page.context().grantPermissions(['notifications'], { origin: server().url });
  await page.evaluate(() => navigator.serviceWorker.ready);
  const session = crypto.randomUUID();
  const prompt = script(...[1, 2, 3, 4].map((n) => bash(`make ${n}`)), { text: 'Done.' });
  await server().api('POST', '/api/sessions', { id: session, title: 'Buttons', prompt });
  const answered = async (item: string) => {
    const { events } = await server().api<{ events: { kind: string; body: Decided }[] }>(
      'GET',
      `/api/threads/${session}/events`,
    );
    const of = events.filter(({ kind, body }) => kind === 'item' && body.id === item);
    return of.at(-1)?.body.answer?.decision ?? '';
  };
  const told = (item: string) => ({
    about: 'push',
    tag: session,
    title: 'buttons',
    text: 'Run it?',
    path: `/s/${session}#ask=${encodeURIComponent(item)}`,
    items: [item],
    actions: ['allow', 'deny'],
    badge: 1,
  });
  const tell = async (item: string) => {
    await deliver(page, told(item));
    await expect.poll(() => shown(page)).toEqual(['buttons: Run it?']);
  };
  /** What the session asks next. */
  const asked = async (before = '') => {
    await expect.poll(() => itemOf(session).then((item) => item !== before && item)).toBeTruthy();
    return (await itemOf(session)) ?? '';
  };
  // The worker's clock and the badge are held, so that nothing here depends on how fast it is.
  await inWorker(
    page,
    `void (Date.now = () => moment, globalThis.moment = 1e6, globalThis.badges = [],
    navigator.setAppBadge = async (number) => void badges.push(number))`,
  );
  const pressed = async (action: string, after: number) => {
    await inWorker(page, `void (moment += ${after})`);
    await press(page, action);
  };

  // What came under the finger a moment ago is not what was meant: it leads to the ask, which has the focus there.
  const first = await asked();
  await tell(first);
  expect(await inWorker(page, 'badges')).toEqual([1]);
  const titles = `${STAND}.then(([one]) => one.actions.map(({ title }) => title))`;
  expect(await inWorker(page, titles)).toEqual(['Allow once', 'Deny']);
  await pressed('allow', 499);
  await expect(page).toHaveURL(server().url + told(first).path);
  const ask = page.locator(`[data-ask="${first}"]`);
  await expect(ask.locator('[data-permission]')).toBeFocused();
  expect(await answered(first)).toBe('');
  // Where one writes meanwhile the focus stays, whatever else begins to wait.
  const writing = page.getByRole('textbox', { name: 'Message to buttons' });
  await writing.focus();
  const other = await waiting('Elsewhere');
  await expect(page.locator(`[data-session-row="${other.session}"]`)).toContainText('Which grey?');
  await expect(writing).toBeFocused();
  await server().api('POST', `/api/inbox/${other.item}/answer`, {
    id: crypto.randomUUID(),
    decision: 'dismiss',
  });

  // Without a page it is answered all the same, by this device.
  await page.goto('about:blank');
  await tell(first);
  await pressed('allow', 500);
  await expect.poll(() => answered(first)).toBe('allow');
  await expect.poll(() => shown(page)).toEqual([]);

  // Somebody was faster.
  const second = await asked(first);
  await tell(second);
  const answer = { id: crypto.randomUUID(), decision: 'deny' };
  await server().api('POST', `/api/inbox/${second}/answer`, answer);
  await pressed('allow', 500);
  await expect.poll(() => shown(page)).toEqual(['buttons: This was answered before: deny.']);
  expect(await inWorker(page, titles)).toEqual([]);

  // Without a server it is kept, and sent once there is a line.
  const third = await asked(second);
  await tell(third);
  await server().kill();
  // Where nothing can be kept it is not said to be.
  const transaction = 'IDBDatabase.prototype.transaction';
  await inWorker(
    page,
    `void (globalThis.before = ${transaction}, ${transaction} = function (stores, mode) {
      if (mode === 'readwrite') throw new DOMException('gone', 'InvalidStateError');
      return before.call(this, stores, mode);
    })`,
  );
  await pressed('deny', 500);
  await expect
    .poll(() => shown(page))
    .toEqual([expect.stringContaining('it may not have been given')]);
  await inWorker(page, `void (${transaction} = before)`);
  await tell(third);
  await pressed('deny', 500);
  await expect.poll(() => shown(page)).toEqual([expect.stringContaining('“Deny” is kept here')]);
  await server().start();
  await wake(page, 'answers');
  await expect.poll(() => answered(third)).toBe('deny');
  await expect.poll(() => shown(page)).toEqual([]);

  // Who was signed out answers nothing.
  const fourth = await asked(third);
  await tell(fourth);
  await server().api('DELETE', `/api/devices/${device.id}`);
  await pressed('allow', 500);
  await expect.poll(() => shown(page)).toEqual([expect.stringContaining('was signed out')]);
  expect(await answered(fourth)).toBe('');
  await deliver(page, { about: 'clear', tag: session, badge: 0 });
  await expect.poll(() => shown(page)).toEqual([]);
  expect(await inWorker(page, 'badges.at(-1)')).toBe(0);
});

// spec: attention-20, attention-22, attention-23
test(
  'the settings say how one is told, what was decided, and keep what one prefers',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    await page.context().grantPermissions(['notifications'], { origin: server().url });
    await page.goto(`${server().url}/settings`);
    const section = page.locator('[data-notifications]');
    await expect(section.locator('[data-push=off]')).toBeVisible();
    await expect(section).toContainText('Nowhere yet');
    await section.getByLabel('Quiet hours').uncheck();
    await expect(section.getByLabel('From')).toBeHidden();
    const muted = section.getByRole('group', { name: 'Never told' });
    await muted.getByLabel('stalls').or(muted.getByLabel('agents out of reach')).check();
    // What can't be kept does not look as if it were.
    await page.route('**/api/attention/muted', (route) => route.abort());
    await muted.getByLabel('sessions that can’t begin').click();
    await expect(muted.getByLabel('sessions that can’t begin')).not.toBeChecked();
    await page.unroute('**/api/attention/muted');
    // At an hour of one's own, what happened.
    const hours = section.locator('[data-digest-hours]');
    await hours.getByLabel('An hour of the day').fill('18:00');
    await hours.getByRole('button', { name: 'Add this hour' }).click();
    await expect(hours.getByRole('button', { name: 'Not at 18:00 any more' })).toBeVisible();
    // Another way, refused in words, then taken; its secret is shown this once.
    await section.getByRole('button', { name: 'Add a way' }).click();
    await section.getByLabel('By').selectOption('webhook');
    await section.getByLabel('Name').fill('pager');
    await section.getByLabel('Address').fill('https://10.0.0.1/hook');
    await section.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(section.getByRole('alert')).toContainText('MAINLOOP_REACHABLE');
    await section.getByLabel('Address').fill('https://example.com/hook');
    await section.getByLabel('Only at some hours').check();
    await examine(page, 'way');
    await section.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(section.getByText(/^whsec_/)).toBeVisible();
    const way = section.locator('[data-way]').filter({ hasText: 'pager' });
    await expect(way).toContainText('only from 08:00 to 18:00');
    // What it is for is changed without its address.
    await way.getByRole('button', { name: 'Change pager' }).click();
    await way.getByLabel('Only at some hours').uncheck();
    await way.getByLabel('ceilings').check();
    await way.getByRole('button', { name: 'Save' }).click();
    await expect(way).toContainText('only for ceilings');
    await expect(way).not.toContainText('08:00');
    const { item } = await waiting('Blues');
    await page.reload();
    await expect(section.getByLabel('Quiet hours')).not.toBeChecked();
    await expect(muted.getByLabel('agents out of reach')).toBeChecked();
    await hours.getByRole('button', { name: 'Not at 18:00 any more' }).click();
    await expect(hours.getByRole('button', { name: /18:00/ })).toBeHidden();
    await section.getByText('What was decided').click();
    // Going to something far down moves the list, never the page with its frame.
    const moved = page
      .locator('main h2')
      .last()
      .evaluate((last) => (last.scrollIntoView(), document.body.scrollTop));
    expect(await moved).toBe(0);
    const decided = section.locator('li').filter({ hasText: 'Which grey?' });
    await expect(async () => {
      await page.reload();
      await section.getByText('What was decided').click();
      await expect(decided.first()).toContainText('held: ', { timeout: 1000 });
    }).toPass();
    await examine(page, 'notifications');
    await server().api('POST', `/api/inbox/${item}/answer`, {
      id: crypto.randomUUID(),
      decision: 'dismiss',
    });
  },
);

// spec: attention-46, attention-47, attention-48, watches-7
test(
  'each item says why one was told or not, and one tap mutes its session, where it says so',
  { tag: '@wide' },
  async ({ visit }) => {
    const { session, item } = await waiting('Noise');
    const decided = async () =>
      (await server().api<{ decisions: unknown[] }>('GET', `/api/attention/items/${item}`))
        .decisions.length;
    await expect.poll(decided).toBeGreaterThan(0);
    const page = await visit(server(), { path: `/s/${session}` });
    // Another browser, as narrow as a phone.
    const narrow = { viewport: { width: 390, height: 844 } };
    const cards = await visit(server(), { path: '/sessions', options: narrow });
    const card = cards.getByRole('main').getByRole('link', { name: /^Open noise/ });
    await expect(card).toHaveAccessibleName('Open noise');
    const ask = page.locator(`[data-ask="${item}"]`);
    await ask.getByRole('button', { name: 'Was I told?' }).click();
    const told = page.locator(`[data-told="${item}"]`);
    await expect(told.locator('[data-decisions]')).toContainText('held: ');
    const mute = told.locator('[data-mute=session]');
    await mute.getByRole('button', { name: 'Mute' }).click();
    await expect(mute).toContainText('is muted');
    // There, too, at once; and so it is with what one asks to be told.
    await expect(card).toHaveAccessibleName('Open noise, muted');
    await server().api('PUT', `/api/sessions/${session}/watches/done`, {});
    await expect(card).toHaveAccessibleName('Open noise, muted, you asked to be told');
    await server().api('DELETE', `/api/sessions/${session}/watches/done`);
    await expect(card).toHaveAccessibleName('Open noise, muted');
    await examine(page, 'told');
    const mark = page.locator('[data-session-header]').getByRole('img', { name: /^Muted/ });
    await expect(mark).toBeVisible();
    await page.reload();
    await expect(mark).toBeVisible();
    // Beside it, in the list, it is read out, too.
    if (!isPhone(page)) await expect(page.getByRole('link', { name: /, muted$/ })).toBeVisible();
    // It is put off, muted and explained in one place, wherever the item stands.
    await page.goto(`${server().url}/sessions`);
    await page.getByRole('button', { name: 'Snooze: Which grey?' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Was I told?').click();
    await expect(dialog.locator('[data-mute=session]')).toContainText('is muted');
    await examine(page, 'told-dialog');
    await page.keyboard.press('Escape');

    await page.goto(`${server().url}/settings`);
    const listed = page.locator('[data-muted] li');
    await expect(listed).toHaveCount(1);
    await listed.getByRole('button', { name: 'Tell me again' }).click();
    await expect(listed).toContainText('You are told of');
    await page.goto(`${server().url}/s/${session}`);
    await page.getByRole('tab', { name: 'Details' }).click();
    const details = page.getByRole('region', { name: 'Details' }).locator('[data-mute=session]');
    await expect(details).toContainText('You are told of');
    await expect(mark).toBeHidden();
    await page
      .locator('[data-session-header]')
      .getByRole('button', { name: /^What to do/ })
      .click();
    await page.getByRole('menuitem', { name: 'Mute' }).click();
    await expect(details).toContainText('is muted');
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect(details).toContainText('You are told of');
    await server().api('POST', `/api/inbox/${item}/answer`, {
      id: crypto.randomUUID(),
      decision: 'dismiss',
    });
  },
);

// Over plain http, where browsers make no ids, and in another zone than the server's.
// spec: schedules-7, watches-7, attention-33
test('what is to be done at a time, and what one is told of, is listed in the settings, changed and taken back', async ({
  visit,
}) => {
  const page = await visit(server(), { options: { timezoneId: 'Asia/Tokyo' } });
  await page.addInitScript(() => {
    Object.defineProperty(Crypto.prototype, 'randomUUID', { value: undefined });
  });
  await page.goto(`${server().url}/settings`);
  const section = page.locator('[data-schedules]');
  await section.getByRole('button', { name: 'Add one' }).click();
  await expect(section.getByLabel('What to do')).toBeFocused();
  await section.getByLabel('What to do').fill('Say what waits for me.');
  await section.getByLabel('When').selectOption('workdays');
  await section.getByLabel('At', { exact: true }).fill('08:30');
  await section.getByRole('button', { name: 'Add', exact: true }).click();
  const line = section.locator('li').filter({ hasText: 'Say what waits for me.' });
  await expect(line).toContainText('30 8 * * 1-5');
  await expect(line).toContainText('08:30');
  await examine(page, 'schedules');
  await line.getByRole('button', { name: /^Change/ }).click();
  await expect(section.getByLabel('At', { exact: true })).toHaveValue('08:30');
  await section.getByLabel('When').selectOption('by a rule');
  await section.getByLabel('Minute, hour').fill('15 9 1 * *');
  await section.getByLabel('What to do').fill('Say what was merged.');
  await section.getByRole('button', { name: 'Save' }).click();
  const changed = section.locator('li').filter({ hasText: 'Say what was merged.' });
  await expect(changed).toContainText('15 9 1 * *');
  await expect(line).toBeHidden();
  await expect(section.getByRole('button', { name: 'Add one' })).toBeFocused();
  await changed.getByRole('button', { name: /^Cancel/ }).click();
  await expect(section).toContainText('Nothing is scheduled.');

  // From the session's own view one asks to be told, by its menu.
  const { session, item } = await waiting('Reds');
  await page.goto(`${server().url}/s/${session}`);
  const menu = page.locator('[data-session-header]').getByRole('button', { name: /^What to do/ });
  await menu.click();
  await page.getByRole('menuitem', { name: 'Tell me when it is done' }).click();
  await expect(page.getByText('You are told of reds when it is done.')).toBeVisible();
  await menu.click();
  await expect(page.getByRole('menuitem', { name: 'Don’t tell me when it is done' })).toBeVisible();
  await page.getByRole('menuitem', { name: 'Tell me above $1.00' }).click();
  const costs = 'reds when it costs more than $1.00';
  await expect(page.getByText(`You are told of ${costs}.`)).toBeVisible();
  // What it asks reaches one anyway, but for a session that is muted.
  const asks = page.getByRole('menuitem', { name: 'Tell me when it asks' });
  await menu.click();
  await expect(asks).toBeHidden();
  await page.getByRole('menuitem', { name: 'Mute' }).click();
  await expect(page.getByRole('button', { name: 'Undo' })).toBeVisible();
  await menu.click();
  await expect(asks).toBeVisible();
  await page.getByRole('menuitem', { name: 'Tell me again' }).click();
  await page.goto(`${server().url}/settings`);
  const watched = page.locator('[data-watches] li');
  await expect(watched.filter({ hasText: 'reds when it is done' })).toBeVisible();
  await expect(watched.filter({ hasText: costs })).toBeVisible();
  await examine(page, 'watches');
  await page.getByRole('button', { name: 'Don’t tell me of reds when it is done' }).click();
  await page.getByRole('button', { name: 'Don’t tell me of reds when it costs' }).click();
  await expect(watched).toBeHidden();
  await server().api('PUT', `/api/sessions/${session}/watches/done`, {});
  const answer = { id: crypto.randomUUID(), decision: 'dismiss' };
  await server().api('POST', `/api/inbox/${item}/answer`, answer);
  // Told of it, the page says so where what needs one stands, until the session was read.
  await expect(page.getByText(/reds (is done|has stopped)/).first()).toBeVisible();

  // Three failures that one only dismissed are a habit, of which one is asked once.
  for (const title of ['One', 'Two', 'Three']) {
    const id = crypto.randomUUID();
    const prompt = script({ error: { status: 400, message: 'It broke.' } });
    await server().api('POST', '/api/sessions', { id, title, prompt });
    await expect.poll(() => itemOf(id)).toBeTruthy();
    const given = { id: crypto.randomUUID(), decision: 'dismiss' };
    await server().api('POST', `/api/inbox/${await itemOf(id)}/answer`, given);
  }
  await page.reload();
  const offer = page.locator('[data-offer=failure]');
  await expect(offer).toContainText('the last three failures');
  await offer.scrollIntoViewIfNeeded();
  await examine(page, 'offer');
  // Muted by it, it is so in the list of what is muted, where it is taken back.
  const failures = page.getByRole('group', { name: 'Never told' }).getByLabel('failures');
  await offer.getByRole('button', { name: 'Don’t tell me' }).click();
  await expect(offer).toBeHidden();
  await expect(failures).toBeChecked();
  await failures.click();
  const kept = page.waitForResponse('**/api/attention/preferences');
  await offer.getByRole('button', { name: 'Keep telling me' }).click();
  await expect(offer).toBeHidden();
  await kept;
  await page.reload();
  await expect(page.locator('[data-digest-hours]')).toBeVisible();
  await expect(offer).toBeHidden();

  // It stands beside what came of the session, not in its place.
  const gate = `told-${crypto.randomUUID()}`;
  const told = crypto.randomUUID();
  const prompt = script({ gate, text: 'Violets are blue.\n\nRoses are another matter.' });
  await server().api('POST', '/api/sessions', { id: told, title: 'Violets', prompt });
  await server().api('PUT', `/api/sessions/${told}/watches/done`, {});
  await page.goto(server().url);
  await server().model.open(gate);
  const violets = page.locator(`[data-session="${told}"]`);
  await expect(violets.getByRole('button', { name: 'Dismiss' })).toBeVisible();
  await expect(violets.getByText('Roses are another matter.', { exact: true })).toBeVisible();
});
