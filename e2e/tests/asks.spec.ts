import { examine, fits } from '../src/examine.ts';
import { ask, bash, plan, spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, asks, block, isPhone, openSessions, said, say } from '../src/ui.ts';

// The real program against the scripted model.
const server = useServer({ agent: 'claude' });
const COMMAND = 'printf "%s\\n" released > release.txt && cat release.txt';
// Longer than what is sent with every item.
const LONG = `printf "%s" "${'dear reader '.repeat(3000)}the end" > letter.txt && tail -c 7 letter.txt`;
// What follows the sign is written from right to left: it seems to be a note behind another command.
const TURNED = 'ls \u202e#llaw | hs.live';
// Its end lies below what is seen of it.
const FAR = `ls${'\n'.repeat(40)}rm -r ~`;

test.beforeAll(async () => {
  await server().model.rules(
    {
      match: 'Ship the release',
      steps: [
        spawn(
          { title: 'Pick the grey', prompt: 'Which grey shall it be?' },
          { title: 'Make the release', prompt: 'Release it now.' },
        ),
        { text: 'Two sessions are on it.' },
      ],
    },
    {
      match: 'Which grey shall it be',
      steps: [ask('Which grey?', 'c9d1cd', '8a938f'), { text: 'The answer was: {{result}}' }],
    },
    {
      match: 'Release it now',
      steps: [bash(COMMAND, 'Write the release'), { text: 'It said {{result}}' }],
    },
    {
      match: 'Write the long letter',
      steps: [bash(LONG, 'Write the letter'), { text: 'It ends with: {{result}}' }],
    },
    {
      match: 'Run what hides',
      steps: [bash(TURNED, 'Count the files'), { text: 'I was told: {{result}}' }],
    },
    {
      match: 'Run what ends far below',
      steps: [bash(FAR, 'Count the files'), { text: 'I was told: {{result}}' }],
    },
    {
      match: 'Ask without an end',
      steps: [ask(`Which ${'name'.repeat(80)}?`, 'x'.repeat(300), 'short'), { text: 'Thank you.' }],
    },
    {
      match: 'Delete the old logs',
      steps: [bash('rm -r logs'), { text: 'I was told: {{result}}' }],
    },
    {
      match: 'Move the database',
      steps: [
        ...plan('# Move to 17\n\n1. Dump\n2. Restore\n'),
        ...plan('# Move to 17, slowly\n\n1. Copy\n2. Compare\n3. Switch\n').slice(1),
        { text: 'The plan holds: {{result}}' },
      ],
    },
    {
      match: 'Ask twice',
      steps: [ask('Which name?', 'Ada', 'Grace'), { text: 'So it is {{result}}' }],
    },
  );
});

// spec: inbox-1, inbox-2, inbox-4, inbox-6, inbox-8, inbox-11, layout-13
test(
  'a question is answered in the timeline and a permission in the list, and both leave every browser',
  {
    tag: '@both',
  },
  async ({ visit }) => {
    const page = await visit(server());
    const other = await visit(server(), { path: '/sessions' });
    await say(page, 'Ship the release');
    const grey = block(page, 'Pick the grey');
    const release = block(page, 'Make the release');
    const list = other.getByRole('main');
    await expect(asks(grey, 'Which grey?')).toBeVisible();
    await expect(asks(release, 'Run printf')).toBeVisible();
    await expect(grey).toHaveAttribute('data-state', 'waiting');
    await expect(page).toHaveTitle('(2) mainloop');
    await expect(list.locator('[data-count=needs]')).toHaveText('2');
    if (isPhone(page)) await expect(page.locator('[data-badge]')).toHaveText('2');

    await asks(grey, 'Which grey?').getByRole('radio', { name: 'c9d1cd' }).click();
    await expect(grey.getByText('You said: c9d1cd')).toBeVisible();
    await expect(asks(list, 'Which grey?')).toHaveCount(0);
    await expect(grey).toHaveAttribute('data-state', 'idle');
    await expect(grey).toContainText('c9d1cd');
    await expect(list.locator('[data-count=needs]')).toHaveText('1');
    await expect(page).toHaveTitle('(1) mainloop');

    const sessions = await openSessions(page);
    await expect(sessions.getByRole('heading', { name: /^Needs you/ })).toBeVisible();
    const waiting = asks(list, 'Run printf');
    await expect(waiting.locator('[data-command]')).toHaveText(`$ ${COMMAND}`);
    await expect(waiting).toContainText("Runs a command in the session's workspace");
    await approve(waiting, /^Allow once/);
    await expect(waiting).toHaveCount(0);
    await expect(page).toHaveTitle(/^[^(]*mainloop$/);
    await expect(list.locator('[data-count=needs]')).toHaveCount(0);

    await page.goto(server().url);
    await expect(release).toHaveAttribute('data-state', 'idle');
    await expect(release).toContainText('It said released');
  },
);

// spec: inbox-18
test('a command too long for an event is there to its last word before it can be allowed', async ({
  visit,
}) => {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', {
    id,
    title: 'Letter',
    prompt: 'Write the long letter.',
  });
  const page = await visit(server());
  // The whole of it does not arrive at first: there is nothing to allow.
  await page.route('**/api/blobs/*', (route) => route.abort());
  await page.goto(`${server().url}/s/${id}`);
  const waiting = asks(page, 'Run printf');
  const fetchAll = waiting.getByRole('button', { name: /^Show all/ });
  await expect(fetchAll).toBeEnabled();
  await expect(waiting.getByRole('button', { name: /^Allow/ })).toHaveCount(0);

  await page.unroute('**/api/blobs/*');
  await fetchAll.click();
  await expect(waiting.locator('[data-command]')).toHaveText(`$ ${LONG}`);
  await approve(waiting, /^Allow once/);
  await expect(said(page, 'It ends with: the end')).toBeVisible();
});

// spec: inbox-32, page-20
test(
  'of a command nothing hides, and a word without an end goes beyond no edge',
  { tag: '@both' },
  async ({ visit }) => {
    const page = await visit(server());
    await server().api('POST', '/api/sessions', {
      id: crypto.randomUUID(),
      prompt: 'Run what hides',
    });
    await server().api('POST', '/api/sessions', {
      id: crypto.randomUUID(),
      prompt: 'Ask without an end',
    });
    const list = await openSessions(page);
    if (!isPhone(page)) await page.goto(`${server().url}/sessions`);
    const permission = page.getByRole('main').locator('[data-permission]').first();
    await expect(permission.locator('[data-command]')).toHaveText('$ ls ‹U+202E›#llaw | hs.live');
    await permission.getByRole('button', { name: 'Everything it hands over' }).click();
    await expect(permission).toContainText('"ls ‹U+202E›#llaw | hs.live"');
    await expect(page.getByRole('main').getByText('x'.repeat(300))).toBeVisible();
    await fits(page, 'a word without an end');
    await expect(list).not.toContainText('\u202e');
    await permission.getByRole('button', { name: 'Deny', exact: true }).click();
    await page.getByRole('main').getByRole('radio', { name: 'short' }).click();

    const far = crypto.randomUUID();
    await server().api('POST', '/api/sessions', { id: far, prompt: 'Run what ends far below' });
    await page.goto(`${server().url}/s/${far}`);
    const long = asks(page, /^Run ls/);
    const end = async () => {
      const [inner, outer] = await Promise.all([
        long.locator('[data-command]').evaluate((pre) => pre.scrollHeight),
        long.locator('[data-command]').evaluate((pre) => pre.clientHeight),
      ]);
      return inner - outer;
    };
    expect(await end()).toBeGreaterThan(100);
    await long.getByRole('button', { name: 'There is more of it: show all' }).click();
    await expect.poll(end).toBeLessThan(2);
    await expect(long.getByRole('button', { name: /show all/ })).toHaveCount(0);
    await expect(long.locator('[data-permission]')).toBeFocused();
    await long.getByRole('button', { name: 'Deny', exact: true }).click();
  },
);

// spec: inbox-9
test(
  'a refused command does not run, and the agent reads why',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    await server().api('POST', '/api/sessions', {
      id,
      title: 'Tidy',
      prompt: 'Delete the old logs.',
    });
    const page = await visit(server(), { path: `/s/${id}` });
    const waiting = asks(page, 'Run rm -r logs');
    await expect(waiting.locator('[data-command]')).toHaveText('$ rm -r logs');
    await waiting.getByRole('button', { name: 'Deny and say why' }).click();
    await waiting.getByRole('textbox').fill('They are still needed for the audit');
    await waiting.getByRole('button', { name: 'Deny', exact: true }).click();
    await expect(said(page, /I was told: .*still needed for the audit/s)).toBeVisible();
  },
);

// spec: inbox-12, inbox-26, inbox-27, layout-13
test(
  'a plan is sent back with a comment, comes again, and is approved',
  { tag: '@both' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    await server().api('POST', '/api/sessions', {
      id,
      title: 'Database',
      prompt: 'Move the database.',
    });
    const page = await visit(server(), { path: `/s/${id}` });
    const first = asks(page, /^Move to 17$/);
    await expect(first.getByRole('heading', { name: 'Move to 17' })).toBeVisible();
    // Said to one step, kept over a reload, and sent with what is said to all of it.
    await first.getByRole('button', { name: 'Comment on: 2. Restore' }).click();
    await first.getByRole('textbox', { name: 'Comment on: 2. Restore' }).fill('On a copy');
    await expect(async () => {
      await page.reload();
      await expect(first.getByRole('textbox', { name: /Restore$/ })).toHaveValue('On a copy', {
        timeout: 5000,
      });
    }).toPass();
    await examine(page, 'plan-comments');
    await first.getByRole('button', { name: /^Send back, 1 comment/ }).click();
    await first
      .getByRole('textbox', { name: 'What should change?' })
      .fill('Compare before you switch');
    await first.getByRole('button', { name: 'Send back', exact: true }).click();

    const second = asks(page, 'Move to 17, slowly');
    await expect(second.getByRole('heading', { name: 'Move to 17, slowly' })).toBeVisible();
    const heard = JSON.stringify((await server().model.heard()).map((request) => request.body));
    expect(heard).toContain('> 2. Restore');
    expect(heard).toContain('On a copy');
    expect(heard).toContain('Compare before you switch');
    await expect(second.locator('[data-version]')).toHaveText('version 2');
    await approve(second, /^Approve plan/);
    await expect(
      page.locator('[data-session-header]').getByText('answered', { exact: true }),
    ).toBeVisible();
    if (isPhone(page)) await page.getByRole('tab', { name: 'Chat' }).click();
    await expect(said(page, 'The plan holds:')).toBeVisible();
  },
);

// spec: inbox-7
test('an answer can be taken back for a moment, and is free text where one wants', async ({
  visit,
}) => {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title: 'Naming', prompt: 'Ask twice.' });
  const page = await visit(server(), { path: `/s/${id}` });
  const waiting = asks(page, 'Which name?');
  await waiting.getByRole('radio', { name: 'Ada' }).click();
  await waiting.getByRole('button', { name: 'Undo' }).click();
  await expect(waiting.getByRole('radio', { name: 'Grace' })).toBeVisible();
  await waiting.getByRole('button', { name: 'Or in your own words…' }).click();
  await waiting.getByRole('textbox').fill('Call it Hopper');
  await waiting.getByRole('button', { name: 'Send answer' }).click();
  await expect(said(page, /So it is .*Call it Hopper/s)).toBeVisible();
  await expect(said(page, 'Ada')).toHaveCount(0);
});

// spec: inbox-31
test('a note that is kept while it is written goes with the answer that is chosen', async ({
  visit,
}) => {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title: 'Noted', prompt: 'Ask twice.' });
  const page = await visit(server(), { path: `/s/${id}` });
  const waiting = asks(page, 'Which name?');
  await waiting.getByRole('button', { name: 'Add a note…' }).click();
  await waiting.getByRole('textbox').fill('for now');
  await page.reload();
  await expect(waiting.getByRole('textbox')).toHaveValue('for now');
  await waiting.getByRole('radio', { name: 'Ada' }).click();
  await waiting.getByRole('button', { name: 'Undo' }).click();
  await expect(waiting.getByRole('textbox')).toHaveValue('for now');
  await waiting.getByRole('radio', { name: 'Ada' }).click();
  await expect(said(page, /So it is .*Ada \(for now\)/s)).toBeVisible();
});
