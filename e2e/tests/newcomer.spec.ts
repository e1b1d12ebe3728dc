import { DatabaseSync } from 'node:sqlite';
import { Server } from '../src/server.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, asks, block, composer, said, say } from '../src/ui.ts';

const server = useServer({ settings: { MAINLOOP_DEMO: 'true' } });

// spec: access-2
test('a link signs one browser in, and says so when it was used before', async ({ visit }) => {
  const { url } = await server().link();
  const path = url.slice(server().url.length);

  const page = await visit(server(), { path, device: null });
  await expect(composer(page)).toBeVisible();
  await expect(page).toHaveURL(`${server().url}/`);

  const other = await visit(server(), { path, device: null });
  await expect(other.getByRole('heading', { name: 'This link did not work.' })).toBeVisible();
  await expect(other.getByRole('alert')).toHaveText(
    'This link has been used or is older than ten minutes. Run `mainloop pair` for a new one.',
  );
  await expect(other.getByText('mainloop pair', { exact: true })).toBeVisible();
});

// spec: access-2
test('a link that is older than ten minutes says so', async ({ visit }) => {
  await server().device();
  const { url } = await server().link();
  const database = new DatabaseSync(`${server().home}/mainloop.db`);
  database.exec("UPDATE pairing SET expires_at = '2020-01-01 00:00:00.000000'");
  database.close();

  const page = await visit(server(), { path: url.slice(server().url.length), device: null });
  await expect(page.getByRole('alert')).toContainText('older than ten minutes');
});

// spec: access-1
test(
  'a browser that is not signed in is told how to get in',
  { tag: '@wide' },
  async ({ visit }) => {
    for (const path of ['/', '/sessions', '/s/some-session', '/settings']) {
      const page = await visit(server(), { path, device: null });
      await expect(
        page.getByRole('heading', { name: 'This browser is not signed in' }),
      ).toBeVisible();
      await expect(page.getByText('mainloop pair', { exact: true })).toBeVisible();
      await expect(composer(page)).toHaveCount(0);
    }
  },
);

// spec: access-4
test('a revoked device is sent away with the reason, and finds its draft when it is back', async ({
  visit,
}) => {
  const lost = await visit(server(), { device: await server().pair('The lost phone') });
  await composer(lost).fill('A thought that is not finished');

  const settings = await visit(server(), { path: '/settings' });
  const device = settings.getByRole('listitem').filter({ hasText: 'The lost phone' });
  await device.getByRole('button', { name: 'Revoke' }).click();
  await expect(device).toHaveCount(0);

  await expect(lost.getByRole('heading', { name: 'This browser was signed out.' })).toBeVisible();
  await expect(lost.getByRole('alert')).toContainText('This device was signed out.');
  await expect(lost.getByText('Nothing you typed is lost')).toBeVisible();

  await lost.goto((await server().link()).url);
  await expect(composer(lost)).toHaveValue('A thought that is not finished');
});

// spec: chat-20
test(
  'the demo starts two sessions, asks, waits for a yes and reports, all marked as demo',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'compare two ways to store our photos');
    const research = block(page, 'Research: compare two ways to store our photos');
    const trial = block(page, 'Try it out: compare two ways to store our photos');

    const question = asks(research, 'How deep should I go?');
    await question.getByRole('radio', { name: /An overview/ }).click();
    await expect(trial.locator('[data-command]')).toHaveText('$ date > tried.txt && cat tried.txt');
    await approve(trial, /^Allow once/);

    await expect(research).toHaveAttribute('data-state', 'idle');
    await expect(trial).toHaveAttribute('data-state', 'idle');
    await expect(research).toContainText(
      'Demo: Looked into “compare two ways to store our photos”',
    );
    await expect(trial).toContainText('Demo: Tried something out');

    await say(page, 'And what came out of it?');
    const news = said(page, 'News from the sessions');
    await expect(news).toContainText('Looked into');
    await expect(news).toContainText('Tried something out');

    for (const message of await said(page, 'loop@mainloop$').all()) {
      await expect(message.getByText('demo', { exact: true })).toBeVisible();
    }
    await expect(research.getByText('demo', { exact: true })).toBeVisible();
    await expect(trial.getByText('demo', { exact: true })).toBeVisible();
  },
);

// spec: layout-23
test(
  'without credentials the page says what is missing and lets the demo agent answer',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const bare = await Server.start({ agent: 'none' });
    try {
      const page = await visit(bare);
      await expect(page.getByText('No credentials for Claude were found.')).toBeVisible();
      await expect(page.getByText('ANTHROPIC_API_KEY')).toBeVisible();
      await expect(page.getByText('make setup-claude-creds')).toBeVisible();

      await page.getByRole('button', { name: 'Let the demo agent answer meanwhile' }).click();
      await expect(page.getByText('a scripted demo agent answers')).toBeVisible();
      await expect(page.getByRole('link', { name: 'Add a project' })).toBeVisible();
      await expect(page.getByText('What takes longer becomes a session')).toBeVisible();
      await page.getByRole('button', { name: /^Find out why the tests/ }).click();
      await expect(composer(page)).toHaveValue(/^Find out why the tests/);
      await expect(composer(page)).toBeFocused();
      // Another one instead of it; behind what the person wrote.
      const read = 'Read the code in my project and explain how it is built.';
      await page.getByRole('button', { name: read }).click();
      await expect(composer(page)).toHaveValue(read);
      await composer(page).fill('Be brief.');
      await page.getByRole('button', { name: read }).click();
      await expect(composer(page)).toHaveValue(`Be brief.\n${read}`);
      await say(page, 'Hello');
      await expect(said(page, 'This is the demo: no model is running')).toBeVisible();
    } finally {
      await bare.stop();
    }
  },
);
