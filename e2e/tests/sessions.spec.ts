import { script } from '../src/model.ts';
import { ask, bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, asks, choose, composer, isPhone, openSessions, said, say } from '../src/ui.ts';

const server = useServer();

async function start(title: string, prompt: string, more: object = {}): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt, ...more });
  return id;
}

// spec: layout-7
test(
  'where there are no sessions yet, the list says how they come about',
  { tag: '@both' },
  async ({ visit }) => {
    const page = await visit(server());
    const list = await openSessions(page);
    await expect(list.getByText('No sessions yet')).toBeVisible();
    await expect(list.getByText('Ask mainloop for work that takes longer')).toBeVisible();
    await expect(list.getByRole('button', { name: 'New session' }).last()).toBeVisible();
    await expect(page).toHaveTitle(/^[^(]*mainloop$/);
  },
);

// spec: layout-7, inbox-3, waiting-6
test(
  'sessions are grouped and counted, and the list moves by itself',
  { tag: '@both' },
  async ({ visit }) => {
    const page = await visit(server());
    const list = await openSessions(page);
    await start(
      'Still at it',
      script({ text: 'I begin.', ...bash('ls') }, { gate: 'at-it', text: 'Done.' }),
    );
    await start(
      'Has a question',
      script(ask('Left or right?', 'Left', 'Right'), { text: 'Thank you.' }),
    );
    await start('Was quick', script({ text: 'That was quick.' }));
    const gone = await start('Not wanted', script({ gate: 'not-wanted', text: 'Never.' }));
    await server().api('POST', `/api/sessions/${gone}/cancel`, {});

    await expect(list.locator('[data-count=needs]')).toHaveText('1');
    await expect(list.locator('[data-count=working]')).toHaveText('1');
    await expect(list.locator('[data-count=earlier]')).toHaveText('2');
    const groups = await list.getByRole('heading', { level: 2 }).allInnerTexts();
    expect(groups.map((text) => text.replace(/\s*\d+$/, ''))).toEqual([
      'Needs you',
      'Working',
      'Earlier',
    ]);
    await expect(page).toHaveTitle(/^\(1\) .*mainloop$/);
    if (isPhone(page)) {
      await expect(page.locator('[data-badge]')).toHaveText('1');
      await expect(asks(list, 'Left or right?')).toBeVisible();
    } else {
      await expect(list.getByText(/^1 of \d+ at work$/)).toBeVisible();
      await expect(list.getByRole('link', { name: /asks you$/ })).toContainText('Left or right?');
    }
    await expect(
      list.locator('[data-session-row]').filter({ hasText: 'not-wanted' }),
    ).toContainText('stopped');

    await server().model.open('at-it');
    await expect(list.locator('[data-count=working]')).toHaveCount(0);
    await expect(list.locator('[data-count=earlier]')).toHaveText('3');
  },
);

// spec: layout-9, sessions-17
test(
  'the address of an unknown session says so and leads home',
  { tag: '@both' },
  async ({ visit }) => {
    const page = await visit(server(), { path: '/s/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d' });
    await expect(page.getByRole('heading', { name: 'There is no such session' })).toBeVisible();
    await page.getByRole('link', { name: 'Go to mainloop' }).last().click();
    await expect(composer(page)).toBeVisible();
  },
);

// spec: inbox-5
test(
  'a session that can’t go on shows the error in words, and goes on when it is tried again',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const error = { status: 401, message: 'invalid x-api-key', times: 1 };
    const id = await start('Weekly digest', script({ error, text: 'Now it works.' }));
    const page = await visit(server(), { path: `/s/${id}` });
    const failure = page
      .locator('[data-ask]')
      .filter({ hasText: 'The key was refused: invalid x-api-key' });
    await expect(failure).toContainText('Put a key into the environment of mainloop');
    await expect(
      page.locator('[data-session-header]').getByText('stuck: sign-in', { exact: true }),
    ).toBeVisible();
    await failure.getByRole('button', { name: 'Retry' }).click();
    await expect(said(page, 'Now it works.')).toBeVisible();
    await expect(failure).toHaveCount(0);
  },
);

// spec: chat-26, chat-27
test(
  'when the main agent can’t go on, the message stays and is tried again from the page',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const page = await visit(server());
    const error = { status: 429, message: 'usage limit reached', times: 1 };
    await say(page, `Sum it up ${script({ error, text: 'Here is the sum.' })}`);
    const failure = page.locator('[data-ask]').filter({ hasText: 'usage limit reached' });
    await expect(failure).toContainText('allows no more requests for now: usage limit reached');
    await expect(failure).toContainText('Wait until the limit resets');
    await failure.getByRole('button', { name: 'Retry' }).click();
    await expect(said(page, 'Here is the sum.').last()).toBeVisible();
    await expect(failure).toHaveCount(0);
  },
);

// spec: sessions-1
test(
  'a session is started by hand with an agent and a model of its own',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server(), { path: '/sessions' });
    await page.getByRole('button', { name: 'New session' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Start a session' });
    await expect(dialog.getByRole('button', { name: 'Start' })).toBeDisabled();
    await dialog
      .getByRole('textbox', { name: 'What should it do?' })
      .fill('Say hello to the world.');
    await dialog.getByRole('textbox', { name: 'Title (optional)' }).fill('By hand');
    await expect(dialog.getByRole('combobox', { name: 'Agent' })).toHaveValue('scripted');
    await dialog.getByRole('combobox', { name: 'Agent' }).selectOption({ label: 'Claude' });
    await dialog.getByRole('combobox', { name: 'Model' }).selectOption('haiku');
    await dialog.getByRole('button', { name: 'Start' }).click();

    await expect(page).toHaveURL(/\/s\/[\w-]+$/);
    await expect(said(page, 'ok: Say hello to the world.')).toBeVisible();
    await page.getByRole('tab', { name: 'Details' }).click();
    const details = page.getByRole('region', { name: 'Details' });
    await expect(details).toContainText('claude');
    await expect(details).toContainText('haiku');
    const heard = (await server().model.heard()).filter(({ user }) => user.startsWith('Say hello'));
    expect(JSON.stringify(heard)).toContain('haiku');
  },
);

// spec: sessions-14, sessions-15, sessions-16
test('a session is parked, closed and reopened, and remembers what was said', async ({ visit }) => {
  const id = await start('A long life', 'Remember the number nine.');
  const page = await visit(server(), { path: `/s/${id}` });
  const header = page.locator('[data-session-header]');
  const handle = (await page.getByRole('heading', { level: 1 }).innerText()).trim();
  // What it says is read before its turn has ended, and only then does it offer this.
  const answered = header.getByText('answered', { exact: true });
  await expect(said(page, 'ok: Remember the number nine.')).toBeVisible();
  await expect(answered).toBeVisible();

  await choose(header, 'Park its runner');
  await expect.poll(() => server().processes(id)).toEqual([]);
  await say(page, 'Wake up', handle);
  await expect(said(page, 'ok: Wake up (before: Remember the number nine.)')).toBeVisible();
  await expect(answered).toBeVisible();

  await choose(header, 'Close, it is done');
  await expect(header.getByText('done', { exact: true })).toBeVisible();
  await expect.poll(() => server().processes(id)).toEqual([]);
  await say(page, 'One more thing', handle);
  await expect(said(page, 'ok: One more thing (before: Wake up)')).toBeVisible();
  await expect(answered).toBeVisible();
});

// spec: layout-13
test(
  'two permissions of two sessions are answered from the list, one by one',
  { tag: '@wide' },
  async ({ visit }) => {
    for (const name of ['first', 'second']) {
      await start(`The ${name}`, script(bash(`date > ${name}.txt`), { text: `${name} ran` }));
    }
    const page = await visit(server(), { path: '/sessions' });
    const list = page.getByRole('main');
    for (const name of ['first', 'second']) {
      const waiting = asks(list, `Run date > ${name}.txt`);
      await approve(waiting, /^Allow once/);
      await expect(waiting).toHaveCount(0);
    }
  },
);
