import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { examine } from '../src/examine.ts';
import { call, script, type Step } from '../src/model.ts';
import { git } from '../src/repository.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, isPhone, openSessions } from '../src/ui.ts';

const server = useServer({ settings: { MAINLOOP_COMMANDS: 'allow' } });

let folder = '';

test.beforeAll(() => {
  folder = mkdtempSync('/var/tmp/mainloop-e2e-code-');
  const shop = `${folder}/shop`;
  git('init', '-q', '-b', 'main', shop);
  writeFileSync(`${shop}/prices.txt`, 'apple 1\nbread 2\n');
  git('-C', shop, 'add', '.');
  git('-C', shop, 'commit', '-q', '-m', 'Begin');
});

test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

const writes = (text: string, message: string, ...before: Step[]) =>
  script(
    ...before,
    bash(`echo "${text}" >> prices.txt && git add . && git commit -qm "${message}"`),
    {
      text: `${message}: done.`,
    },
  );

// spec: changes-60, changes-61, changes-62, changes-64, changes-67
test(
  'a change is reviewed, sent back, approved and merged on the page',
  { tag: '@wide' },
  async ({ visit }) => {
    const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', {
      source: `${folder}/shop`,
    });
    const mirror = `${server().home}/mirrors/${project}.git`;
    const id = crypto.randomUUID();
    const page = await visit(server(), { path: '/' });
    const list = await openSessions(page);
    await server().api('POST', '/api/sessions', {
      id,
      title: 'The price of cheese',
      prompt: writes('cheese 3', 'Add cheese'),
      project,
    });

    // It stands under what is to be reviewed, and asks for nobody.
    await expect(list.locator('[data-count=review]')).toHaveText('1');
    await expect(list.locator('[data-count=needs]')).toHaveCount(0);
    const row = list.locator(`[data-session-row="${id}"]`);
    await expect(row).toContainText('+1');
    await expect(row).toContainText('It waits for your approval.');
    await examine(page, 'to-review');

    // Looked at: its lines, what it waits for, what can be done.
    await (
      isPhone(page) ? row.getByRole('link', { name: 'Look at it' }) : row.getByRole('link')
    ).click();
    const bar = page.getByRole('region', { name: 'What it proposes' });
    await expect(bar).toContainText('into main');
    await expect(bar.locator('[data-waits]')).toHaveText('It waits for your approval.');
    await expect(page.locator('[data-lines]')).toContainText('cheese 3');
    await examine(page, 'change-open');

    // Sent back with a comment at its line: one message to the agent, in the person's words.
    const line = page.locator('[data-lines] [data-key]').filter({ hasText: 'cheese 3' });
    await (isPhone(page) ? line.locator('.tx').tap() : line.locator('.no').click());
    await page.locator('[data-comment=writing] textarea').fill('It was 4 last week.');
    await page.getByRole('button', { name: 'Add to review' }).click();
    await bar.getByRole('button', { name: /^Send back with 1 comment/ }).click();
    const back = page.getByRole('dialog', { name: 'Send back' });
    await back.getByRole('textbox').fill('Not yet.');
    await examine(page, 'change-send-back');
    await back.getByRole('button', { name: 'Send back' }).click();
    await expect(back).toHaveCount(0);
    await expect(bar.locator('[data-waits]')).toHaveText('It was sent back.');
    await expect(page.locator('[data-comment=sent]')).toContainText('It was 4 last week.');
    const { events } = await server().api<{
      events: { kind: string; body: { id?: string; text?: string } }[];
    }>('GET', `/api/threads/${id}/events?limit=200`);
    const told = events.filter(({ body }) => body.text?.startsWith('Not yet.'));
    expect(new Set(told.map(({ body }) => body.id)).size).toBe(1);
    expect(told[0]?.body.text).toContain('`prices.txt`, line 3**');

    const name = /\(comment (\w+)\)/.exec(told[0]?.body.text ?? '')?.[1] ?? '';

    // It comes again with a reply at the line, and is approved: merged by itself, as the project wants it.
    await server().api('POST', `/api/threads/${id}/messages`, {
      id: crypto.randomUUID(),
      text: writes('cheese 4', 'Mend the price', {
        tools: [call('mcp__mainloop__reply', { comment: name, text: 'It **is** 4 now.' })],
      }),
      mode: 'queue',
    });
    await expect(bar.locator('[data-waits]')).toHaveText('It waits for your approval.');
    await expect(page.locator('[data-lines]')).toContainText('cheese 4');
    await expect(page.locator('[data-comment=sent] [data-reply]')).toContainText('It is 4 now.');
    if (isPhone(page)) {
      // One tap in the list.
      await page.goto(`${server().url}/sessions`);
      await approve(row, /^Approve and merge/);
      await expect(row).toContainText('merged');
      await row.getByRole('link').first().click();
      await page.getByRole('tab', { name: /^Changes/ }).click();
    } else {
      const yes = bar.getByRole('button', { name: /^Approve and merge/ });
      await expect(async () => {
        await page.locator('[data-diff]').focus();
        await page.keyboard.press('Control+Enter');
        await expect(yes).toHaveCount(0, { timeout: 1000 });
      }).toPass();
    }
    await expect(bar.locator('[data-waits]')).toContainText(/^Merged into main as [0-9a-f]{7}\./);
    await expect(page.locator('[data-lines]')).toContainText('cheese 4');
    await examine(page, 'change-merged');
    expect(git('--git-dir', mirror, 'show', 'refs/heads/main:prices.txt')).toBe(
      'apple 1\nbread 2\ncheese 3\ncheese 4',
    );
    // The person's own repository is as it was.
    expect(git('-C', `${folder}/shop`, 'log', '--oneline').split('\n')).toHaveLength(1);
  },
);

// spec: changes-36, changes-63, changes-65, changes-66
test('a change is looked at by another session, and merged by hand though its tests say no', async ({
  visit,
}) => {
  const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', {
    source: `${folder}/shop`,
    name: 'byhand',
  });
  await server().api('PATCH', `/api/projects/${project}`, {
    settings: {
      test: String.raw`printf '\033[31mno price for dates\033[0m\n'; exit 1`,
      merge: { repairs: 0 },
    },
  });
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', {
    id,
    title: 'The price of dates',
    prompt: writes('dates 5', 'Add dates'),
    project,
  });
  const page = await visit(server(), { path: `/s/${id}?tab=changes` });
  const bar = page.getByRole('region', { name: 'What it proposes' });
  const menu = bar.getByRole('button', { name: /^More for the change/ });
  await expect(bar.getByRole('button', { name: /^Approve/ })).toContainText('Approve');

  await menu.click();
  await page.getByRole('menuitem', { name: 'Ask another session to review it' }).click();
  await expect(page.getByText(/ reviews it\./)).toBeVisible();
  const { sessions } = await server().api<{ sessions: { id: string; title: string }[] }>(
    'GET',
    '/api/sessions',
  );
  const asked = sessions.find(({ title }) => title === 'Review: The price of dates');
  const { events } = await server().api<{ events: { body: { text?: string } }[] }>(
    'GET',
    `/api/threads/${asked?.id}/events`,
  );
  const { commit, base_commit } = await server().api<{ commit: string; base_commit: string }>(
    'GET',
    `/api/sessions/${id}/change`,
  );
  expect(events.map(({ body }) => body.text ?? '').join()).toContain(
    `git diff ${base_commit}...${commit}`,
  );

  // What the tests put out, without what a terminal makes of it.
  await bar.getByRole('button', { name: 'tests failed: show what they put out' }).click();
  const log = page.getByRole('dialog', { name: /^Tests of / });
  await expect(log.getByRole('region', { name: 'What the tests put out' })).toHaveText(
    /\nno price for dates\n/,
  );
  await examine(page, 'change-log');
  await log.getByRole('button', { name: 'Close' }).click();

  // Taken over under another name: a branch in the person's own repository, checked out nowhere.
  await menu.click();
  await page.getByRole('menuitem', { name: 'Take it over…' }).click();
  const over = page.getByRole('dialog', { name: 'Take it over' });
  await over.getByRole('textbox', { name: 'Name of the branch there' }).fill('my dates');
  await over.getByRole('button', { name: 'Take it over' }).click();
  await expect(over.getByRole('alert')).toContainText('my dates');
  await over.getByRole('textbox', { name: 'Name of the branch there' }).fill('dates');
  await expect(over).toContainText(/mainloop take \S+ --as dates/);
  await over.getByRole('button', { name: 'Take it over' }).click();
  await expect(over).toContainText(`git -C ${folder}/shop switch dates`);
  await examine(page, 'change-taken');
  expect(git('-C', `${folder}/shop`, 'rev-parse', 'dates')).toBe(commit);
  expect(git('-C', `${folder}/shop`, 'branch', '--show-current')).toBe('main');
  await over.getByRole('button', { name: 'Close' }).click();

  await menu.click();
  await page.getByRole('menuitem', { name: 'Merge…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Merge into main' });
  await expect(dialog.locator('[data-against]')).toHaveText(/^Its tests have failed/);
  await dialog.getByRole('radio', { name: /^Rebase/ }).check();
  await examine(page, 'change-merge');
  await approve(dialog, /^Merge anyway/);
  await expect(bar.locator('[data-waits]')).toContainText(/^Merged into main as/);
  const mirror = `${server().home}/mirrors/${project}.git`;
  expect(git('--git-dir', mirror, 'log', '-1', '--format=%s', 'refs/heads/main')).toBe('Add dates');
});

// spec: changes-24, changes-32, changes-60, changes-68, changes-69, changes-70, kept-14
test('a change is proposed, its tests are stopped and run again, it is discarded and comes back', async ({
  visit,
}) => {
  const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', {
    source: `${folder}/shop`,
    name: 'again',
  });
  const sets = (test: string) =>
    server().api('PATCH', `/api/projects/${project}`, { settings: { test } });
  await sets('echo begun; sleep 1000');
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', {
    id,
    title: 'The price of eggs',
    prompt: script(
      bash('echo "eggs 6" >> prices.txt && git add . && git commit -qm "Add eggs"'),
      {
        tools: [
          call('mcp__mainloop__report', {
            text: 'Half of it.',
            outcome: 'partial',
            not_done: 'The price of **ham**.',
            know: 'Eggs went up.',
          }),
        ],
      },
      { text: 'Half of it is done.' },
    ),
    project,
  });
  const page = await visit(server(), { path: `/s/${id}?tab=changes` });
  const bar = page.getByRole('region', { name: 'What it proposes' });
  const menu = bar.getByRole('button', { name: /^More for the change/ });
  const tests = (state: string) =>
    bar.getByRole('button', { name: `tests ${state}: show what they put out` });
  const choose = async (entry: string) => {
    await menu.click();
    await page.getByRole('menuitem', { name: entry }).click();
  };

  // What its agent calls half done is proposed when the person says so.
  await expect(bar).toContainText('It has commits, and proposes nothing yet.');
  // How much that is stands in the list already.
  await expect(page.locator(`[data-session-row="${id}"]`)).toContainText('+1 −0');
  await examine(page, 'change-not-proposed');
  await bar.getByRole('button', { name: 'Propose it' }).click();
  await expect(tests('run')).toBeVisible();
  await choose('Stop its tests');
  await expect(tests('stopped')).toBeVisible();
  await expect(bar.locator('[data-waits]')).toHaveText('Its tests were stopped.');
  await sets('grep eggs prices.txt');
  await choose('Run its tests again');
  await expect(tests('pass')).toBeVisible();
  await expect(bar.locator('[data-waits]')).toHaveText('It waits for your approval.');
  // What was done, what not, what to know: on the change, and in the main line.
  await bar.getByText('What its agent says').click();
  await expect(bar).toContainText('Half of it. Not done: The price of ham. To know: Eggs went up.');
  await examine(page, 'change-says');
  await page.goto(`${server().url}/`);
  await expect(page.locator(`[data-session="${id}"]`).first()).toContainText(
    'Not done: The price of ham.',
  );
  await examine(page, 'change-said-in-the-line');
  await page.goto(`${server().url}/s/${id}?tab=changes`);

  // Discarded, it is merged by nobody, and its work is kept.
  await choose('Discard…');
  const dialog = page.getByRole('dialog', { name: 'Discard this change?' });
  await examine(page, 'change-discard');
  await dialog.getByRole('button', { name: 'Discard it' }).click();
  await expect(bar.locator('[data-waits]')).toHaveText('Discarded. Its work is kept.');
  await expect(bar).toContainText('Not done: The price of ham.');
  await page.getByRole('tab', { name: 'Details' }).click();
  const kept = page.getByRole('region', { name: 'Kept work' });
  await kept.getByRole('button', { name: 'Bring it back' }).click();
  await expect(kept).toBeHidden();
  await page.getByRole('tab', { name: /^Changes/ }).click();
  await expect(page.locator('[data-lines]')).toContainText('eggs 6');
  await bar.getByRole('button', { name: 'Propose it' }).click();
  await expect(tests('pass')).toBeVisible();
  await approve(bar, /^Approve and merge/);
  await expect(bar.locator('[data-waits]')).toContainText(/^Merged into main as/);
  const mirror = `${server().home}/mirrors/${project}.git`;
  expect(git('--git-dir', mirror, 'show', 'refs/heads/main:prices.txt')).toMatch(/\neggs 6$/);
});

const PRICES = (more: string) => `PRICES = {'apple': 1, 'bread': 2${more}}\n`;
const TESTS = `import unittest
from prices import PRICES


class Prices(unittest.TestCase):
    def test_nothing_is_given_away(self):
        for name, price in PRICES.items():
            self.assertGreater(price, 0, f"{name} costs {price}")
`;

test.describe('the whole life of two changes, with the real agent', () => {
  const claude = useServer({ agent: 'claude', settings: { MAINLOOP_COMMANDS: 'allow' } });
  const write = (more: string, message: string) =>
    `cat > prices.py <<'END'\n${PRICES(more)}END\ngit commit -qam "${message}"`;

  // spec: changes-60, changes-61, changes-62, changes-66, changes-67
  test('red tests, comments, a conflict, a merge', { tag: '@long' }, async ({ visit }) => {
    const shop = `${folder}/tested`;
    git('init', '-q', '-b', 'main', shop);
    writeFileSync(`${shop}/prices.py`, PRICES(''));
    writeFileSync(`${shop}/test_prices.py`, TESTS);
    writeFileSync(`${shop}/.gitignore`, '__pycache__\n');
    git('-C', shop, 'add', '.');
    git('-C', shop, 'commit', '-q', '-m', 'Begin');
    const { id: project } = await claude().api<{ id: string }>('POST', '/api/projects', {
      source: shop,
    });
    await claude().api('PATCH', `/api/projects/${project}`, {
      settings: { test: 'python3 -m unittest -v' },
    });
    const mirror = `${claude().home}/mirrors/${project}.git`;
    const pears = crypto.randomUUID();
    const plums = crypto.randomUUID();
    const begun = `begun-${plums}`;
    // What nobody writes to an agent but mainloop, and the person on the page.
    await claude().model.rules(
      {
        match: 'did not end well[\\s\\S]*pear costs -3',
        steps: [bash(write(`, 'pear': 3`, 'Pears cost something')), { text: 'Mended.' }],
      },
      {
        match: 'They are 4 now',
        steps: [
          {
            tools: [
              call('mcp__mainloop__reply', {
                comment: '{{find:\\(comment ([a-z0-9]+)\\)}}',
                text: 'So they **are**.',
              }),
            ],
          },
          bash(write(`, 'pear': 4`, 'Pears cost 4')),
          { text: 'They cost 4.' },
        ],
      },
      {
        match: "can't be merged into main",
        steps: [
          bash(
            `git merge -q {{find:git merge ([0-9a-f]{40})}}; ${write(`, 'pear': 4, 'plum': 5`, 'Pears and plums')}`,
          ),
          { text: 'Both are sold.' },
        ],
      },
    );
    const start = (id: string, title: string, prompt: string) =>
      claude().api('POST', '/api/sessions', { id, title, prompt, project });
    // Both begin at the same commit, and change the same line.
    await start(
      plums,
      'Sell plums',
      script({ gate: begun, ...bash(write(`, 'plum': 5`, 'Sell plums')) }, { text: 'Plums.' }),
    );
    await start(
      pears,
      'Sell pears',
      script(bash(write(`, 'pear': -3`, 'Sell pears')), { text: 'Pears.' }),
    );
    const page = await visit(claude(), { path: `/s/${pears}?tab=changes` });
    const bar = page.getByRole('region', { name: 'What it proposes' });
    const waits = bar.locator('[data-waits]');
    const check = bar.getByRole('button', { name: /show what they put out$/ });

    // Red, told to its agent, which mends it; then green.
    await expect(page.locator('[data-lines]')).toContainText(`'pear': 3`);
    await expect(check).toHaveAccessibleName(/^tests pass/);
    await expect(waits).toHaveText('It waits for your approval.');
    const runs = await claude().api<{ checks: { state: string; commit: string }[] }>(
      'GET',
      `/api/sessions/${pears}/change`,
    );
    expect(runs.checks.map(({ state }) => state)).toEqual(['passed', 'failed']);
    await check.click();
    const log = page.getByRole('dialog', { name: /^Tests of / });
    await expect(log.getByRole('region')).toContainText('test_nothing_is_given_away');
    // The red one is still there.
    await log.getByRole('combobox', { name: 'Which run' }).selectOption({ index: 1 });
    await expect(log.getByRole('region')).toContainText('pear costs -3');
    await examine(page, 'life-red');
    await log.getByRole('button', { name: 'Close' }).click();

    // Sent back with a comment at its line; its agent goes on, and it is tested again.
    const line = page.locator('[data-lines] .add').filter({ hasText: 'pear' });
    await line.locator('.no').click();
    await page.locator('[data-comment=writing] textarea').fill('They are 4 now.');
    await page.getByRole('button', { name: 'Add to review' }).click();
    await bar.getByRole('button', { name: /^Send back with 1 comment/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send back' }).click();
    await expect(page.locator('[data-lines]')).toContainText(`'pear': 4`);
    const reply = page.locator('[data-comment=sent] [data-reply]');
    await expect(reply).toContainText('So they are.');
    await expect(waits).toHaveText('It waits for your approval.');
    await examine(page, 'life-replied');
    await approve(bar, /^Approve and merge/);
    await expect(waits).toContainText(/^Merged into main as/);

    // The other one meets what was merged: a conflict, which its agent solves, tested again.
    await claude().model.open(begun);
    await page.goto(`${claude().url}/`);
    const proposed = page.locator(`[data-session="${plums}"] a[data-change-line]`).first();
    await expect(proposed).toContainText('tests pass');
    await proposed.click();
    await expect(page.locator('[data-lines]')).toContainText(`'pear': 4, 'plum': 5`);
    await expect(waits).toHaveText('It waits for your approval.');
    // Taken over to be tried by hand, before it is approved.
    await bar.getByRole('button', { name: /^More for the change/ }).click();
    await page.getByRole('menuitem', { name: 'Take it over…' }).click();
    const over = page.getByRole('dialog', { name: 'Take it over' });
    await over.getByRole('textbox').fill('plums');
    await over.getByRole('button', { name: 'Take it over' }).click();
    await expect(over).toContainText(`git -C ${shop} switch plums`);
    await over.getByRole('button', { name: 'Close' }).click();
    await approve(bar, /^Approve and merge/);
    await expect(waits).toContainText(/^Merged into main as/);
    const heard = (await claude().model.heard()).map(({ user }) => user);
    expect(heard.some((user) => user.includes('it conflicts in prices.py'))).toBe(true);
    await examine(page, 'life-merged');
    expect(git('--git-dir', mirror, 'show', 'refs/heads/main:prices.py')).toBe(
      PRICES(`, 'pear': 4, 'plum': 5`).trim(),
    );
    expect(git('--git-dir', mirror, 'log', '--format=%s', 'refs/heads/main')).toBe(
      'Sell plums\nSell pears\nBegin',
    );
    expect(git('-C', shop, 'log', '--format=%s', 'main')).toBe('Begin');
    expect(git('-C', shop, 'show', 'plums:prices.py')).toBe(
      PRICES(`, 'pear': 4, 'plum': 5`).trim(),
    );
  });
});
