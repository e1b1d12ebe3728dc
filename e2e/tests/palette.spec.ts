import { call, script } from '../src/model.ts';
import { ask, bash } from '../src/steps.ts';
import { examine } from '../src/examine.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { asks, composer, isPhone } from '../src/ui.ts';

const server = useServer();

async function start(title: string, prompt: string): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt });
  return id;
}

async function stateOf(id: string): Promise<string> {
  const session = (await server().api('GET', `/api/sessions/${id}`)) as { state: string };
  return session.state;
}

const palette = (page: Page) => page.getByRole('dialog', { name: 'Search and commands' });
const field = (page: Page) => page.getByRole('combobox', { name: 'Search and commands' });

async function openPalette(page: Page): Promise<void> {
  await expect(composer(page)).toBeVisible();
  if (isPhone(page)) await page.getByRole('button', { name: 'Search and commands' }).tap();
  else await page.keyboard.press('Control+k');
  await expect(field(page)).toBeFocused();
}

let questions: string;
let finished: string;

test.beforeAll(async () => {
  questions = await start(
    'Dark emails',
    script(ask('Which grey?', 'light', 'dark'), { text: 'Good.' }),
  );
  finished = await start('Postgres upgrade', script({ text: 'It runs on 17.' }));
  await expect.poll(() => stateOf(questions)).toBe('waiting');
  await expect.poll(() => stateOf(finished)).toBe('idle');
});

// spec: page-1, page-2
test(
  'a few letters find a session, and Enter or a tap opens it',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    await openPalette(page);
    // What needs the person stands there before anything is typed.
    await expect(palette(page).getByRole('option').first()).toContainText('Dark emails');
    await expect(palette(page).getByRole('option').first()).toContainText('asks you');
    await examine(page, 'palette-empty');
    await field(page).fill('post up');
    const found = palette(page).getByRole('option', { name: /Postgres upgrade/ });
    await expect(found).toHaveAttribute('aria-selected', 'true');
    await examine(page, 'palette');
    if (isPhone(page)) await found.tap();
    else await page.keyboard.press('Enter');
    await expect(page).toHaveURL(`${server().url}/s/${finished}`);
    await expect(palette(page)).toHaveCount(0);
  },
);

// spec: page-1, page-4
test('what was typed becomes the first message of a new session', async ({ visit }) => {
  const page = await visit(server());
  await openPalette(page);
  await field(page).fill('compare two loggers');
  await page.keyboard.press('ArrowUp');
  await expect(palette(page).getByRole('option', { selected: true })).toContainText(
    'New session: “compare two loggers”',
  );
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Start a session' });
  await expect(dialog.getByRole('textbox', { name: /What should it do/ })).toHaveValue(
    'compare two loggers',
  );
});

// spec: page-5, page-6
test('a sign shows commands alone, and they know the session that is open', async ({ visit }) => {
  const page = await visit(server(), { path: `/s/${finished}` });
  const handle = (await page.getByRole('heading', { level: 1 }).innerText()).trim();
  await composer(page, handle).focus();
  await page.keyboard.press('Control+k');
  await field(page).fill('>');
  await expect(
    palette(page).getByRole('option', { name: `Park the runner of ${handle}` }),
  ).toBeVisible();
  await expect(palette(page).getByRole('option', { name: /Dark emails/ })).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(palette(page)).toHaveCount(0);
  await expect(composer(page, handle)).toBeFocused();

  await page.keyboard.press('Control+k');
  await field(page).fill('> dark the');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.keyboard.press('Control+k');
  await expect(field(page)).toBeFocused();
  await page.keyboard.press('Control+k');
  await expect(palette(page)).toHaveCount(0);
});

// spec: page-3
test('a session of long ago is found on the server', async ({ visit }) => {
  const page = await visit(server());
  // As if it were older than the newest fifty: the snapshot comes without it.
  await page.route('**/api/state', async (route) => {
    const response = await route.fetch();
    const state = (await response.json()) as { sessions: { id: string }[] };
    state.sessions = state.sessions.filter(({ id }) => id !== finished);
    await route.fulfill({ response, json: state });
  });
  await page.reload();
  await openPalette(page);
  await field(page).fill('postgres');
  const found = palette(page).getByRole('option', { name: /Postgres upgrade/ });
  await expect(found).toBeVisible();
  await found.click();
  await expect(page.getByText('It runs on 17.').first()).toBeVisible();
});

// spec: page-19
test('a search that fails says so, which is not that nothing was found, and can be made again', async ({
  visit,
}) => {
  const page = await visit(server());
  await page.route('**/api/search?*', (route) => route.abort('connectionreset'), { times: 1 });
  await openPalette(page);
  await field(page).fill('runs on 17');
  const failed = palette(page).getByRole('option', { name: 'The server cannot be reached.' });
  await expect(failed).toBeVisible();
  await failed.click();
  await expect(
    palette(page)
      .getByRole('option', { name: /It runs on 17/ })
      .first(),
  ).toBeVisible();
  await expect(failed).toHaveCount(0);
});

// spec: page-8
test('while one types, letters are letters; in a dialog keys do nothing', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).focus();
  await page.keyboard.type('gs?n');
  await expect(composer(page)).toHaveValue('gs?n');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await composer(page).fill('');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.keyboard.press('Control+k');
  await expect(palette(page)).toHaveCount(0);
  await expect(page).toHaveURL(`${server().url}/`);
});

// spec: page-9
test('J and K go from item to item, Enter unfolds one and fills the screen with it', async ({
  visit,
}) => {
  const page = await visit(server());
  const block = page.locator(`[data-session="${finished}"]`);
  await expect(block).toBeVisible();
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('data-session') ?? '');
  // To the end, wherever one begins; from there upwards.
  await expect
    .poll(async () => {
      await page.keyboard.press('j');
      return page.evaluate(() => {
        const all = document.querySelectorAll('[data-timeline] [data-session]');
        return [...all].at(-1) === document.activeElement;
      });
    })
    .toBe(true);
  await expect
    .poll(async () => {
      if ((await focused()) !== finished) await page.keyboard.press('k');
      return focused();
    })
    .toBe(finished);
  await page.keyboard.press('k');
  expect(await focused()).not.toBe(finished);
  await page.keyboard.press('j');
  expect(await focused()).toBe(finished);
  await page.keyboard.press('Enter');
  await expect(block.locator('[data-inline]')).toContainText('It runs on 17.');
  await expect.poll(focused).toBe(finished);
  await page.keyboard.press('Enter');
  await expect(block.locator('[data-inline]')).toHaveCount(0);
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL(`${server().url}/s/${finished}`);
});

// spec: page-10
test('E closes what is done, and goes on to what needs the person', async ({ visit }) => {
  const done = await start('To be closed', script({ text: 'Nothing left to do.' }));
  await expect.poll(() => stateOf(done)).toBe('idle');
  const page = await visit(server(), { path: `/s/${done}` });
  await expect(page.getByText('Nothing left to do.').first()).toBeVisible();
  await page.keyboard.press('e');
  await expect.poll(() => stateOf(done)).toBe('done');
  await expect(page).toHaveURL(`${server().url}/s/${questions}`);
  await expect(asks(page, 'Which grey?').last()).toBeFocused();
});

// spec: page-7, page-11
test('keys are changed by pressing others, and hold on every device', async ({ visit }) => {
  const page = await visit(server(), { path: '/settings' });
  const phone = await visit(server(), { path: '/settings', device: await server().pair('Phone') });
  await phone.getByRole('button', { name: 'Change keys' }).click();
  await page.getByRole('button', { name: 'Change keys' }).click();
  const snooze = page.getByRole('button', { name: /^snooze: / });
  await snooze.click();
  await page.keyboard.press('j');
  await expect(page.getByRole('alert')).toHaveText('J is taken: next item.');
  await page.keyboard.press('1');
  await expect(page.getByRole('alert')).toHaveText('1 chooses an answer.');
  await page.keyboard.press('q');
  await expect(page.getByRole('button', { name: 'snooze: Q. Change' })).toBeVisible();
  await page.getByRole('button', { name: /^go to sessions: / }).click();
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await expect(page.getByRole('button', { name: 'go to sessions: G L. Change' })).toBeVisible();
  await expect(phone.getByRole('button', { name: 'go to sessions: G L. Change' })).toBeVisible();
  await expect(phone.getByRole('button', { name: 'snooze: Q. Change' })).toBeVisible();
  await examine(page, 'settings-keys');

  await page.goto(server().url);
  await expect(composer(page)).toBeVisible();
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await expect(help.locator('div', { hasText: /^G L go to sessions$/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await expect(page).toHaveURL(`${server().url}/sessions`);

  await page.goto(`${server().url}/settings`);
  await page.getByRole('button', { name: 'All as they were' }).click();
  await page.getByRole('button', { name: 'Change keys' }).click();
  await expect(page.getByRole('button', { name: 'snooze: H. Change' })).toBeVisible();
  await expect(phone.getByRole('button', { name: 'snooze: H. Change' })).toBeVisible();
});

// spec: page-12
test('nothing approves what has just appeared, wherever it stands', async ({ visit }) => {
  const steps = [1, 2, 3].map((n) => bash(`git push origin v${n}`));
  const id = await start('Push it', script(...steps, { text: 'Pushed.' }));
  const page = await visit(server(), { path: '/settings' });
  // The clock of the page stands still: an ask has just appeared then, however slow the machine is.
  await page.clock.install();
  for (const [n, path, scope] of [
    [1, '/', `[data-session="${id}"]`],
    [2, '/sessions', 'main'],
    [3, `/s/${id}`, '[data-session-view]'],
  ] as const) {
    await page.goto(server().url + path);
    const permission = page.locator(`${scope} [data-permission]`, { hasText: `v${n}` });
    await expect(permission).toBeVisible();
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000);
    // To come to it begins its half second.
    await expect(async () => {
      await page.keyboard.press('n');
      await expect(permission).toBeFocused({ timeout: 1000 });
    }).toPass();
    const said = page.getByText('You said:');
    await page.keyboard.press('y');
    await permission.getByRole('button', { name: /^Allow once/ }).click();
    await page.clock.runFor(499);
    await permission.focus();
    await page.keyboard.press('y');
    await expect(said).toHaveCount(0);
    await page.clock.runFor(2);
    await page.keyboard.press('y');
    await expect(said.first()).toBeVisible();
    await page.clock.resume();
    await expect(permission).toHaveCount(0);
  }
  await expect.poll(() => stateOf(id)).toBe('idle');
});

// spec: page-12
test('the command key does not approve a plan that has just appeared', async ({ visit }) => {
  const step = { tools: [call('ExitPlanMode', { plan: '# Plan\n\n1. Look\n2. Do' })] };
  // The plan is what one comes to.
  const { items } = (await server().api('GET', '/api/inbox')) as { items: { id: string }[] };
  for (const item of items) {
    const dismissed = { id: crypto.randomUUID(), decision: 'dismiss' };
    await server().api('POST', `/api/inbox/${item.id}/answer`, dismissed);
  }
  const id = await start('A plan', script(step, { text: 'Good.' }));
  await expect.poll(() => stateOf(id)).toBe('waiting');
  const page = await visit(server(), { path: `/s/${id}` });
  const plan = page.locator('[data-plan=whole]').first();
  await expect(plan).toBeVisible();
  await page.clock.install();
  await page.reload();
  await expect(plan).toBeVisible();
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000);
  await page.keyboard.press('n');
  await page.keyboard.press('Control+Enter');
  await page.clock.runFor(499);
  await page.keyboard.down('Control');
  await page.keyboard.down('Enter');
  await page.clock.runFor(2);
  // Held until it could, which is not pressed again.
  await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  await page.keyboard.up('Control');
  await expect(page.getByText('You said:')).toHaveCount(0);
  await page.keyboard.press('Control+Enter');
  await expect(page.getByText('You said:').first()).toBeVisible();
});

// spec: page-20
test('who goes from ask to ask with a key decides none on the way, and begins in the session that is open', async ({
  visit,
}) => {
  const other = await start('Blue', script(ask('Which blue?', 'navy', 'sky'), { text: 'Good.' }));
  const risky = await start('Clear the logs', script(bash('rm -r logs'), { text: 'Gone.' }));
  for (const id of [other, risky]) await expect.poll(() => stateOf(id)).toBe('waiting');
  const page = await visit(server(), { path: '/settings' });
  // The clock of the page stands still: one key follows the other at once then, however slow the machine is.
  await page.clock.install();
  await page.goto(`${server().url}/s/${risky}`);
  const permission = asks(page, 'Run rm -r logs').locator('[data-permission]');
  await expect(permission).toBeVisible();
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000);
  await page.keyboard.press('n');
  await expect(permission).toBeFocused();
  await page.keyboard.press('n');
  await expect(page).not.toHaveURL(`${server().url}/s/${risky}`);
  expect(await stateOf(risky)).toBe('waiting');
  await page.clock.resume();

  await page.goto(`${server().url}/s/${risky}`);
  await expect(permission).toBeVisible();
  await page.keyboard.press('h');
  await expect(page.getByRole('dialog', { name: /Snooze/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await permission.getByRole('button', { name: 'Deny and say why' }).click();
  await page.keyboard.press('Escape');
  await expect(permission).toBeFocused();
  await permission.getByRole('button', { name: /^Deny/ }).first().click();
  await expect.poll(() => stateOf(risky)).toBe('idle');
});

// spec: page-13
test('with the focus on another session the command key opens that, and approves nothing', async ({
  visit,
}) => {
  const step = { tools: [call('ExitPlanMode', { plan: '# Plan\n\n1. Look\n2. Do' })] };
  const id = await start('A plan to leave', script(step, { text: 'Good.' }));
  await expect.poll(() => stateOf(id)).toBe('waiting');
  const page = await visit(server(), { path: `/s/${id}` });
  const plan = page.locator('[data-plan=whole]');
  await expect(plan).toHaveCount(1);
  await page.locator(`[data-session-row="${finished}"] a`).first().focus();
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL(`${server().url}/s/${finished}`);
  await page.goBack();
  await expect(plan.getByRole('button', { name: /^Approve plan/ })).toBeVisible();
  await expect(page.getByText('You said:')).toHaveCount(0);
});
