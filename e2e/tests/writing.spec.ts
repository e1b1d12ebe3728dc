import { HOSTILE } from '../../packages/ui/src/hostile.ts';
import { script } from '../src/model.ts';
import { examine } from '../src/examine.ts';
import { expect, test, useServer } from '../src/test.ts';
import { ask } from '../src/steps.ts';
import { asks, composer, isPhone, said, say } from '../src/ui.ts';

const server = useServer();

// spec: writing-14
test('Enter sends and Shift+Enter begins a new line', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).click();
  await page.keyboard.type('One line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('and another');
  await expect(composer(page)).toHaveValue('One line\nand another');
  await page.keyboard.press('Enter');
  await expect(composer(page)).toHaveValue('');
  await expect(said(page, 'ok: One line')).toBeVisible();
});

// spec: writing-14
test(
  'on a phone Enter begins a new line, as its keyboard says',
  { tag: '@phone' },
  async ({ visit }) => {
    const page = await visit(server());
    await composer(page).tap();
    await page.keyboard.type('One line');
    await page.keyboard.press('Enter');
    await expect(composer(page)).toHaveValue('One line\n');
  },
);

// spec: writing-11
test(
  'an @ and a few letters name a session, by a key or a tap',
  { tag: '@both' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    await server().api('POST', '/api/sessions', { id, title: 'Postgres upgrade', prompt: 'Look.' });
    const page = await visit(server());
    await expect(page.locator(`[data-session="${id}"]`)).toHaveAttribute('data-state', 'idle');
    const handle = await page
      .locator(`[data-session="${id}"]`)
      .getByRole('heading', { level: 2 })
      .innerText();
    await composer(page).click();
    await page.keyboard.type('Ask @postg');
    const option = page.getByRole('option', { name: /Postgres upgrade/ });
    await expect(option.first()).toBeVisible();
    await examine(page, 'completion');
    if (isPhone(page)) await option.first().tap();
    else {
      await page.keyboard.press('Escape');
      await expect(option).toHaveCount(0);
      await expect(composer(page)).toBeFocused();
      await page.keyboard.type('r');
      await expect(option.first()).toBeVisible();
      await page.keyboard.press('Enter');
    }
    await expect(composer(page)).toHaveValue(/^Ask @postgres-upgrade\S* $/);
    await expect(composer(page)).toBeFocused();
    await page.keyboard.type('how it stands');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await expect(said(page, /Ask @postgres-upgrade\S* how it stands/).first()).toBeVisible();
    expect(handle).toMatch(/^postgres-upgrade/);
  },
);

// spec: writing-12
test('a / at the beginning does what the palette does, and a path is a path', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).click();
  await page.keyboard.type('/dark');
  await expect(page.getByRole('option', { name: 'Dark theme' })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(composer(page)).toHaveValue('');
  await page.keyboard.type('/etc/hosts is what I mean');
  await page.keyboard.press('Enter');
  await expect(said(page, 'ok: /etc/hosts is what I mean')).toBeVisible();
});

// spec: writing-13
test('keys that put a word together send nothing', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).click();
  const session = await page.context().newCDPSession(page);
  await session.send('Input.imeSetComposition', {
    text: 'にほ',
    selectionStart: 2,
    selectionEnd: 2,
  });
  await expect(composer(page)).toHaveValue('にほ');
  await composer(page).dispatchEvent('keydown', { key: 'Enter', isComposing: true });
  await composer(page).dispatchEvent('keydown', { key: 'Enter', keyCode: 229 });
  await composer(page).dispatchEvent('keydown', { key: 'Escape', isComposing: true });
  await expect(composer(page)).toBeFocused();
  await expect(composer(page)).toHaveValue('にほ');
  await session.send('Input.insertText', { text: '日本' });
  await expect(composer(page)).toHaveValue('日本');
  await page.keyboard.press('Enter');
  await expect(said(page, 'ok: 日本')).toBeVisible();
});

test('nothing is sent where nothing is written', async ({ visit }) => {
  const page = await visit(server());
  for (const blank of ['', '   ', '\n\n']) {
    await composer(page).fill(blank);
    await expect(page.getByRole('button', { name: 'Send', exact: true })).toBeDisabled();
    await composer(page).press('Enter');
  }
  await composer(page).fill('');
  await say(page, 'Something after all');
  await expect(said(page, 'ok: Something after all')).toBeVisible();
  const mine = page.getByRole('article').filter({ hasText: /^sam@mainloop\$/ });
  for (const text of await mine.allInnerTexts()) expect(text.split('\n').at(-1)).toMatch(/\S/);
});

// spec: layout-10
test(
  'a draft survives a reload, and each thread has its own',
  { tag: '@both' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    await server().api('POST', '/api/sessions', {
      id,
      prompt: 'Wait for me',
      title: 'Waiting room',
    });
    const page = await visit(server());
    await composer(page).fill('Half a thought for the main thread');
    await page.goto(`${server().url}/s/${id}`);
    const inSession = page.getByRole('textbox', { name: /^Message to/ });
    await expect(inSession).toHaveValue('');
    await inSession.fill('Half a thought for the session');
    await page.reload();
    await expect(inSession).toHaveValue('Half a thought for the session');
    await page.goto(`${server().url}/`);
    await expect(composer(page)).toHaveValue('Half a thought for the main thread');
  },
);

// spec: chat-10
test('a message of a megabyte is refused in words and stays', async ({ visit }) => {
  const page = await visit(server());
  await composer(page).fill('long '.repeat(210_000));
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  const refused = page.getByRole('status').filter({ hasText: 'not accepted:' });
  await expect(refused).toContainText(/This message has [\d,. ]+ bytes; at most/);
  await page.reload();
  await expect(refused).toBeVisible();
  await refused.getByRole('button', { name: 'edit' }).click();
  expect((await composer(page).inputValue()).length).toBe(1_049_999);
  await expect(refused).toHaveCount(0);
});

// spec: layout-11
test(
  'what is written while the server is away is sent when it is back, once, in order',
  {
    tag: '@both',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Before the night');
    await expect(said(page, 'ok: Before the night')).toBeVisible();

    await server().kill();
    await say(page, 'First thing in the dark');
    await say(page, 'Second thing in the dark');
    await expect(page.getByText(/^Offline since \d\d:\d\d\./)).toContainText(
      'Sessions keep working on the server; 2 messages wait here.',
    );
    await expect(page.getByText('waiting for a connection').first()).toBeVisible();

    await page.reload({ waitUntil: 'commit' }).catch(() => undefined);
    await server().start();
    await page.goto(server().url);
    await expect(said(page, 'ok: First thing in the dark')).toBeVisible();
    await expect(said(page, 'ok: Second thing in the dark')).toBeVisible();
    await expect(page.getByText('Offline since')).toHaveCount(0);
    const mine = page.getByRole('article').filter({ hasText: /^sam@mainloop\$/ });
    await expect(mine.filter({ hasText: 'in the dark' })).toHaveCount(2);
    await expect(mine.filter({ hasText: 'in the dark' }).first()).toContainText('First thing');
  },
);

test('a page that stays open over a restart sends by itself', async ({ visit }) => {
  const page = await visit(server());
  await expect(composer(page)).toBeVisible();
  await server().kill();
  await say(page, 'Are you back?');
  await expect(page.getByText(/1 message waits here/)).toBeVisible();
  await server().start();
  await expect(said(page, 'ok: Are you back?')).toBeVisible();
  await expect(page.getByText('Offline since')).toHaveCount(0);
});

// spec: layout-12, layout-14, length-7
test(
  'what an agent writes is text: it runs nothing and fetches nothing',
  { tag: '@both' },
  async ({ visit }) => {
    const hostile = [
      '# Hello',
      ...HOSTILE.map(([, text]) => text),
      '[click me](javascript:document.title="owned")',
      '![a picture](https://elsewhere.example/pixel.png?secret=1)',
      'the end of it',
    ].join('\n\n');
    const page = await visit(server());
    await say(page, `Show me ${script({ text: hostile })}`);
    const reply = said(page, 'the end of it').last();
    await expect(reply.getByRole('heading', { name: 'Hello' })).toBeVisible();
    const forbidden = 'script, iframe, style, meta, form, object, embed, base, link, video, math';
    await expect(reply.locator(forbidden)).toHaveCount(0);
    await expect(reply.locator('.markdown > :not(.code) :is(svg, img, div, input)')).toHaveCount(0);
    await expect(reply.getByText('click me')).not.toHaveAttribute('href', /javascript/i);
    await reply.getByText('click me').click();
    await expect(reply.getByRole('link', { name: /a picture/ })).toBeVisible();
    await expect(page).not.toHaveTitle(/owned/);
    await expect(page).toHaveURL(`${server().url}/`);
  },
);

// spec: length-6
test(
  'code is coloured by one worker, once it is whole, and is copied and wrapped as it is',
  { tag: '@both' },
  async ({ visit, browserName }) => {
    const code = 'import x from "y"; // <b>note</b>\nconst answer = 42;';
    const page = await visit(server());
    if (browserName === 'chromium') {
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    }
    const workers: string[] = [];
    page.on('worker', (worker) => workers.push(worker.url()));
    const blocks = `Two.\n\n\`\`\`ts\n${code}\n\`\`\`\n\n\`\`\`py\nprint(1)\n\`\`\`\n\n\`\`\`zz\nplain\n\`\`\``;
    const table = '| what | how many |\n|---|---:|\n| pears | 1,200 |';
    const text = `${blocks}\n\n${table}\n\n> [!TIP]\n> That is all.`;
    await say(page, `Show me ${script({ text })}`);
    const reply = said(page, 'That is all.').last();
    const first = reply.locator('.code').first();
    await expect(first.locator('code span').first()).toHaveText('import');
    await expect(first.locator('code')).toHaveText(code);
    const colours = await first
      .locator('code span')
      .evaluateAll((spans) => new Set(spans.map((span) => getComputedStyle(span).color)).size);
    expect(colours).toBeGreaterThan(3);
    await expect(reply.locator('.code').nth(1).locator('code span').first()).toBeVisible();
    await expect(reply.locator('.code').nth(2).locator('code')).toHaveText('plain');
    await expect(reply.locator('[data-callout="tip"]')).toContainText('Tip');
    await expect(reply.getByRole('cell', { name: '1,200' })).toHaveCSS('text-align', 'right');
    expect(workers).toHaveLength(1);
    if (isPhone(page)) {
      // What is pressed is always there, and covers nothing.
      const button = await first.getByRole('button', { name: 'Copy' }).boundingBox();
      const box = await first.locator('pre').boundingBox();
      expect((button?.y ?? 0) + (button?.height ?? 0)).toBeLessThanOrEqual((box?.y ?? 0) + 1);
    }
    await examine(page, 'code');

    await first.hover();
    await first.getByRole('button', { name: 'Wrap lines' }).click();
    await expect(first.locator('pre')).toHaveCSS('white-space', 'pre-wrap');
    await first.getByRole('button', { name: 'Copy' }).click();
    await expect(first.getByRole('button', { name: 'Copied' })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(code);
  },
);

// spec: writing-17
test('what was begun to an ask that is answered elsewhere goes on as a message, under the same keys', async ({
  visit,
}) => {
  const id = crypto.randomUUID();
  const prompt = script(ask('Which grey?', 'light', 'dark'), { text: 'Taken.' });
  await server().api('POST', '/api/sessions', { id, title: 'Dark emails', prompt });
  const page = await visit(server(), { path: `/s/${id}` });
  const question = asks(page, 'Which grey?');
  await question.getByRole('button', { name: 'Or in your own words…' }).click();
  await page.keyboard.type('Neither: take the th');
  const { items } = await server().api<{ items: { id: string; title: string }[] }>(
    'GET',
    '/api/state',
  );
  const item = items.find(({ title }) => title === 'Which grey?');
  const answers = { 'Which grey?': ['dark'] };
  const answer = { id: crypto.randomUUID(), decision: 'answer', answers };
  await server().api('POST', `/api/inbox/${item?.id}/answer`, answer);
  await expect(question).toHaveCount(0);
  const handle = await page.getByRole('heading', { level: 1 }).innerText();
  await expect(composer(page, handle)).toBeFocused();
  await page.keyboard.type('ird');
  await expect(composer(page, handle)).toHaveValue('Neither: take the third');
  await expect(page.getByText('“Which grey?” is over.')).toBeVisible();
  await page.reload();
  await expect(composer(page, handle)).toHaveValue('Neither: take the third');
});

// spec: writing-18
test('a message in line is edited with the keys of the composer, and what was made of it outlives its turn', async ({
  visit,
}) => {
  const page = await visit(server());
  await say(page, script({ gate: 'line', text: 'At last.' }));
  const line = page.getByRole('region', { name: 'Queued' });
  await expect(page.getByRole('button', { name: 'Stop this turn' })).toBeVisible();
  await say(page, 'The first in line');
  await say(page, 'The second in line');
  await expect(line.getByRole('listitem')).toHaveCount(2);
  const edit = line.getByRole('listitem').last().getByRole('button', { name: 'Edit' });
  await edit.click();
  await expect(line.getByRole('textbox')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(edit).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('End');
  await page.keyboard.type(', rewritten');
  await page.keyboard.press('Enter');
  await expect(line.getByRole('listitem').last()).toContainText('The second in line, rewritten');
  await expect(edit).toBeFocused();
  await page.keyboard.press('Enter');
  await line.getByRole('textbox').fill('The second, said too late');
  await server().model.open('line');
  await expect(line).toHaveCount(0);
  await expect(composer(page)).toHaveValue('The second, said too late');
  await expect(composer(page)).toBeFocused();
});

// spec: layout-10
test('a draft is the same in every tab, and sent once', async ({ visit }) => {
  const page = await visit(server());
  const other = await page.context().newPage();
  await other.goto(server().url);
  await composer(page).fill('Half a thought in two tabs');
  await expect(composer(other)).toHaveValue('Half a thought in two tabs');
  await composer(page).press('Enter');
  await expect(said(page, 'ok: Half a thought in two tabs')).toHaveCount(1);
  await expect(composer(other)).toHaveValue('');
});
