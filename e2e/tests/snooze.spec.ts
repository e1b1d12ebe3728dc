/** What is put off: not counted, folded at the end, back by itself, the same in every browser. */
import { examine } from '../src/examine.ts';
import { ask, bash } from '../src/steps.ts';
import { script } from '../src/model.ts';
import { expect, test, useServer, type Locator, type Page } from '../src/test.ts';
import { approve, asks, isPhone, openSessions, said } from '../src/ui.ts';

// Whoever has not looked for the time of a breath was away.
const server = useServer({ agent: 'claude', settings: { MAINLOOP_AWAY_MINUTES: '0.001' } });

async function start(title: string, ...steps: Parameters<typeof script>): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt: script(...steps) });
  return id;
}

/** Wipe over something with a finger. */
async function wipe(page: Page, where: Locator, way: 'left' | 'right'): Promise<void> {
  await where.scrollIntoViewIfNeeded();
  const box = await where.boundingBox();
  if (!box) throw new Error('nothing to wipe over');
  const finger = await page.context().newCDPSession(page);
  const from = (part: number) => (way === 'left' ? part : 1 - part);
  const at = (part: number) => [{ x: box.x + box.width * from(part), y: box.y + 12 }];
  await finger.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0.9) });
  await finger.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(0.5) });
  await finger.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(0.1) });
  await finger.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

// spec: inbox-19, inbox-20, inbox-21
test(
  'an ask is put off by key or finger, leaves every count, and is answered or woken from its fold',
  { tag: '@wide' },
  async ({ visit }) => {
    const grey = await start('Grey', ask('Which grey?', 'light', 'dark'), {
      text: 'So: {{result}}',
    });
    await start('Release', bash('echo released > out && cat out'), { text: 'It said {{result}}' });
    const page = await visit(server(), { path: '/sessions' });
    const other = await visit(server(), { path: `/s/${grey}` });
    await expect(page).toHaveTitle(/^\(2\) .*mainloop$/);

    // By the finger on a phone, by the key elsewhere; until a time.
    if (isPhone(page)) await wipe(page, asks(page, 'Run echo'), 'left');
    else {
      await asks(page, 'Run echo').getByRole('alertdialog').focus();
      await page.keyboard.press('h');
    }
    const sheet = page.getByRole('dialog', { name: 'Snooze' });
    await examine(page, 'snooze');
    await sheet.getByRole('button', { name: /^In an hour/ }).click();
    await expect(page.getByText(/^Snoozed until \d\d:\d\d\.$/)).toBeVisible();
    for (const seen of [page, other]) await expect(seen).toHaveTitle(/^\(1\) .*mainloop$/);
    await expect(page.getByRole('main').locator('[data-count=needs]')).toHaveText('1');
    if (isPhone(page)) await expect(page.locator('[data-badge]')).toHaveText('1');
    await expect(asks(page.getByRole('main'), 'Run echo')).toHaveCount(0);

    // The other one at a time of one's own, from its session, and its agent waits on.
    await other
      .getByRole('button', { name: /^What to do with/ })
      .last()
      .click();
    await other.getByRole('menuitem', { name: 'Snooze…' }).click();
    await other.getByRole('button', { name: 'At a time…' }).click();
    await other.getByLabel('Until when').fill('2099-01-01T09:00');
    await other.getByRole('button', { name: 'Snooze', exact: true }).click();
    await expect(other.getByText(/more than a year/)).toBeVisible();
    await other
      .getByRole('button', { name: /^What to do with/ })
      .last()
      .click();
    await other.getByRole('menuitem', { name: 'Snooze…' }).click();
    await other.getByRole('button', { name: /^In the morning/ }).click();
    await expect(page).toHaveTitle(/^[^(]*mainloop$/);
    await expect(page.locator('[data-badge]')).toHaveCount(0);

    const list = page.getByRole('main');
    await list.getByRole('button', { name: 'Snoozed, 2' }).click();
    await examine(page, 'snoozed');
    const release = asks(list, 'Run echo');
    await release.getByRole('button', { name: 'Answer now' }).click();
    await approve(release, /^Allow once/);
    await expect(list.getByRole('button', { name: 'Snoozed, 1' })).toBeVisible();
    await list.locator('[data-item]').getByRole('button', { name: 'Wake' }).click();
    for (const seen of [page, other]) await expect(seen).toHaveTitle(/^\(1\) .*mainloop$/);
    await expect(list.locator('[data-count=snoozed]')).toHaveCount(0);
    await asks(other, 'Which grey?').getByRole('radio', { name: 'dark' }).click();
    await expect(said(other, /So: .*dark/s)).toBeVisible();
    await openSessions(page);
  },
);

// spec: inbox-20
test('what was put off until one is back is there when one looks again, and its time is kept by the server', async ({
  visit,
}) => {
  await start('Colour', ask('Which colour?', 'red', 'blue'), { text: 'So: {{result}}' });
  const page = await visit(server());
  await expect(page).toHaveTitle('(1) mainloop');
  // What did not reach the server is not said to be put off.
  const putOff = async () => {
    await page.keyboard.press('h');
    await page.getByRole('button', { name: 'When I am back' }).click();
  };
  await page.route('**/api/inbox/*/snooze', (route) => route.abort());
  await putOff();
  await expect(page.getByText('The server cannot be reached.')).toBeVisible();
  expect(await page.getByText(/^Snoozed/).count()).toBe(0);
  await page.unroute('**/api/inbox/*/snooze');
  await putOff();
  await expect(page).toHaveTitle('mainloop');
  await page.close();
  const back = await visit(server());
  await expect(back).toHaveTitle('(1) mainloop');

  // Put off for some seconds, over a restart.
  const [item] = (await server().api<{ items: { id: string }[] }>('GET', '/api/inbox')).items;
  const until = new Date(Date.now() + 8000).toISOString();
  await server().api('POST', `/api/inbox/${item?.id}/snooze`, { until });
  await expect(back).toHaveTitle('mainloop');
  await server().restart();
  await expect(back).toHaveTitle('(1) mainloop');
});

// spec: inbox-30
test(
  'done is a wipe to the right or a key: what can be let go is dismissed, what must be decided opens',
  { tag: '@wide' },
  async ({ visit }) => {
    const colour = await start('Colour', ask('Which blue?', 'sky', 'sea'), {
      text: 'So: {{result}}',
    });
    const build = await start('Build', bash('echo built > out'), { text: 'It said {{result}}' });
    const page = await visit(server(), { path: '/sessions' });
    const list = page.getByRole('main');
    const done = async (title: string, inside: Locator) => {
      if (isPhone(page)) return wipe(page, asks(list, title), 'right');
      await inside.focus();
      await page.keyboard.press('e');
    };
    const question = asks(list, 'Which blue?');
    await expect(asks(list, 'Run echo built')).toBeVisible();

    await done('Which blue?', question.getByRole('radio').first());
    await expect(list.getByText('You said: Dismissed')).toBeVisible();
    await list.getByRole('button', { name: 'Undo' }).click();
    await expect(question.getByRole('radio').first()).toBeVisible();
    await done('Which blue?', question.getByRole('radio').first());
    await expect(question).toHaveCount(0);
    const row = list.locator(`[data-session-row="${colour}"]`);
    await expect(row).toContainText('answered');

    // Nothing is decided by a wipe: the session opens, with all of what would run.
    await done('Run echo built', asks(list, 'Run echo built').getByRole('alertdialog'));
    await expect(page).toHaveURL(new RegExp(`/s/${build}$`));
    await expect(asks(page, 'Run echo built').last()).toBeVisible();
    await page.goto(`${server().url}/sessions`);
    await expect(asks(list, 'Run echo built')).toBeVisible();

    // A session that has answered is closed.
    if (isPhone(page)) await wipe(page, row, 'right');
    else {
      await row.getByRole('link').focus();
      await page.keyboard.press('e');
    }
    await expect(row).toContainText('done');
  },
);
