/** Being told: what the browser's worker shows, takes away and leads to, and the settings of it. */
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { ask } from '../src/steps.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';

const server = useServer();

/** What stands outside of the page, by its title. */
function shown(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const worker = await navigator.serviceWorker.ready;
    return (await worker.getNotifications()).map(({ title, body }) => `${title}: ${body}`);
  });
}

/** Hands the worker a push, as the browser does once its maker's service has brought one. */
async function deliver(page: Page, told: object): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const versions = new Promise<string>((resolve) => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      if (registrations[0]) resolve(registrations[0].registrationId);
    });
  });
  await devtools.send('ServiceWorker.enable');
  const push = { origin: server().url, registrationId: await versions, data: JSON.stringify(told) };
  await devtools.send('ServiceWorker.deliverPushMessage', push);
  await devtools.detach();
}

async function waiting(title: string): Promise<{ session: string; item: string }> {
  const session = crypto.randomUUID();
  const prompt = script(ask('Which grey?', 'light', 'dark'));
  await server().api('POST', '/api/sessions', { id: session, title, prompt });
  const item = async () => {
    const { items } = await server().api<{ items: { id: string; session_id: string }[] }>(
      'GET',
      '/api/inbox',
    );
    return items.find((one) => one.session_id === session)?.id;
  };
  await expect.poll(item).toBeTruthy();
  return { session, item: (await item()) ?? '' };
}

// spec: attention-18, attention-19
test(
  'a push is shown, leads to what it is about, and goes away where it was answered elsewhere',
  { tag: '@both' },
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

    const [worker] = context.serviceWorkers();
    // As a tap on it does: a worker's own words are text here, where no worker's types are.
    await worker?.evaluate(`registration.getNotifications().then(([notification]) =>
      dispatchEvent(new NotificationEvent('notificationclick', { notification })))`);
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

// spec: attention-20, attention-22, attention-23
test(
  'the settings say how one is told, what was decided, and keep what one prefers',
  { tag: '@both' },
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
    // Another way, refused in words, then taken; its secret is shown this once.
    await section.getByRole('button', { name: 'Add a way' }).click();
    await section.getByLabel('By').selectOption('webhook');
    await section.getByLabel('Name').fill('pager');
    await section.getByLabel('Address').fill('https://10.0.0.1/hook');
    await section.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(section.getByRole('alert')).toContainText('MAINLOOP_REACHABLE');
    await section.getByLabel('Address').fill('https://example.com/hook');
    await section.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(section.getByText(/^whsec_/)).toBeVisible();
    await expect(section.locator('[data-way]').filter({ hasText: 'pager' })).toBeVisible();
    const { item } = await waiting('Blues');
    await page.reload();
    await expect(section.getByLabel('Quiet hours')).not.toBeChecked();
    await expect(muted.getByLabel('agents out of reach')).toBeChecked();
    await section.getByText('What was decided').click();
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

// Over plain http, where browsers make no ids, and in another zone than the server's.
// spec: schedules-7
test('what is to be done at a time is listed in the settings, added there and taken back', async ({
  visit,
}) => {
  const page = await visit(server(), { options: { timezoneId: 'Asia/Tokyo' } });
  await page.addInitScript(() => {
    Object.defineProperty(Crypto.prototype, 'randomUUID', { value: undefined });
  });
  await page.goto(`${server().url}/settings`);
  const section = page.locator('[data-schedules]');
  await section.getByRole('button', { name: 'Add one' }).click();
  await section.getByLabel('What to do').fill('Say what waits for me.');
  await section.getByLabel('When').selectOption('workdays');
  await section.getByLabel('At', { exact: true }).fill('08:30');
  await section.getByRole('button', { name: 'Add', exact: true }).click();
  const line = section.locator('li').filter({ hasText: 'Say what waits for me.' });
  await expect(line).toContainText('30 8 * * 1-5');
  await expect(line).toContainText('08:30');
  await examine(page, 'schedules');
  await line.getByRole('button', { name: /^Cancel/ }).click();
  await expect(section).toContainText('Nothing is scheduled.');
});
