import { script } from '../src/model.ts';
import { ask, bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, block, composer, said, say } from '../src/ui.ts';

const server = useServer();

async function start(title: string, prompt: string): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt });
  return id;
}

// spec: layout-3
test('on a wide screen chat and sessions stand side by side, without a tab bar', async ({
  visit,
}) => {
  const page = await visit(server());
  await expect(composer(page)).toBeVisible();
  await expect(page.getByRole('complementary', { name: 'Sessions' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Chat', exact: true })).toHaveCount(0);
});

// spec: layout-4
test(
  'on a phone a tab bar leads to Chat and Sessions, and Chat is active on load',
  {
    tag: '@phone',
  },
  async ({ visit }) => {
    const page = await visit(server());
    const chat = page.getByRole('link', { name: 'Chat', exact: true });
    const sessions = page.getByRole('link', { name: /^Sessions/ });
    await expect(chat).toHaveAttribute('aria-current', 'page');
    await expect(page.getByRole('complementary')).toHaveCount(0);
    await sessions.tap();
    await expect(page).toHaveURL(`${server().url}/sessions`);
    await expect(sessions).toHaveAttribute('aria-current', 'page');
    await expect(page.getByRole('heading', { level: 1, name: 'Sessions' })).toBeVisible();
    await chat.tap();
    await expect(composer(page)).toBeVisible();
  },
);

// spec: layout-4
test(
  "on a phone a session's title can be read beside a long handle",
  { tag: '@phone' },
  async ({ visit }) => {
    const title = 'Comparable photographs libraries';
    const id = await start(title, script(ask('Which way?', 'left', 'right')));
    const page = await visit(server());
    const line = page.locator(`[data-session="${id}"]`);
    const shown = line.getByText(title, { exact: true });
    await expect(shown).toBeVisible();
    await expect(line.getByText('asks you', { exact: true })).toBeVisible();
    const [whole, part] = await shown.evaluate((e) => [e.scrollWidth, e.clientWidth]);
    expect(part).toBeGreaterThanOrEqual(whole ?? 0);
    // What it does stands beside its handle, however narrow the phone.
    await page.setViewportSize({ width: 320, height: 700 });
    const handle = await line.getByRole('heading', { level: 2 }).boundingBox();
    const chip = await line.getByText('asks you', { exact: true }).boundingBox();
    expect(chip?.y ?? 1000).toBeLessThan((handle?.y ?? 0) + (handle?.height ?? 0));
  },
);

// spec: layout-10
test('turning a phone or making the window small loses no draft', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).fill('Half a thought');
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.getByRole('link', { name: 'Chat', exact: true })).toBeVisible();
  await expect(composer(page)).toHaveValue('Half a thought');
  await page.setViewportSize({ width: 844, height: 390 });
  await expect(composer(page)).toHaveValue('Half a thought');
  await page.setViewportSize({ width: 1440, height: 900 });
  await expect(page.getByRole('complementary', { name: 'Sessions' })).toBeVisible();
  await expect(composer(page)).toHaveValue('Half a thought');
});

// spec: layout-2
test(
  'the prompt names who writes and where, and the text begins on the next line',
  {
    tag: '@both',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Where do I stand?');
    const text = await said(page, /^sam@mainloop\$.*Where do I stand\?/s).innerText();
    expect(text).toMatch(/^sam@mainloop\$[\s\d:]*\nWhere do I stand\?$/);

    const id = await start('Prompting', 'Stand here.');
    await page.goto(`${server().url}/s/${id}`);
    const handle = (await page.getByRole('heading', { level: 1 }).innerText()).trim();
    await say(page, 'And where now?', handle);
    await expect(said(page, `sam@${handle}$`).last()).toContainText('And where now?');
    await expect(said(page, `scripted@${handle}$`).first()).toBeVisible();
  },
);

test('keys lead to the composer, the list, the next ask, and their own list', async ({ visit }) => {
  await start('Needs a word', script(ask('Tea or coffee?', 'Tea', 'Coffee'), { text: 'Good.' }));
  const page = await visit(server());
  await expect(page).toHaveTitle('(1) mainloop');
  await page.keyboard.press('c');
  await expect(composer(page)).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(composer(page)).not.toBeFocused();

  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page).toHaveURL(`${server().url}/sessions`);
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await expect(page).toHaveURL(`${server().url}/`);

  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await expect(help).toContainText('previous that needs you');
  await page.keyboard.press('Escape');
  await expect(help).toHaveCount(0);

  await page.keyboard.press('n');
  const waiting = asks(page, 'Tea or coffee?');
  await expect(waiting).toBeFocused();
  await page.keyboard.press('2');
  await expect(waiting.getByText('You said: Coffee')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page).toHaveURL(`${server().url}/`);
});

test('who wants no motion gets none, and still sees what works', async ({ visit }) => {
  const spawn = { name: 'mcp__mainloop__spawn_session' };
  const prompt = script({ text: 'Begun.', ...bash('ls') }, { gate: 'motion', text: 'Done.' });
  const page = await visit(server(), { options: { reducedMotion: 'reduce' } });
  await say(
    page,
    script({ tools: [{ ...spawn, input: { title: 'Moving on', prompt } }] }, { text: 'Started.' }),
  );
  const moving = block(page, 'Moving on');
  await expect(moving).toHaveAttribute('data-state', 'working');
  await expect(moving.getByText('working', { exact: true }).first()).toBeVisible();
  const running = () =>
    page.evaluate(
      () =>
        document.getAnimations().filter((animation) => animation.playState === 'running').length,
    );
  await expect.poll(running).toBe(0);
  await server().model.open('motion');
  await expect(moving).toHaveAttribute('data-state', 'idle');
});

test('the theme follows the system, or is chosen and kept', async ({ visit }) => {
  const page = await visit(server(), { path: '/settings', options: { colorScheme: 'dark' } });
  const canvas = () =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await expect(page.getByRole('radio', { name: 'System' })).toBeChecked();
  const dark = await canvas();
  await page.getByRole('radio', { name: 'Light' }).click();
  await expect.poll(canvas).not.toBe(dark);
  const light = await canvas();
  await page.reload();
  await expect(page.getByRole('radio', { name: 'Light' })).toBeChecked();
  expect(await canvas()).toBe(light);
});
