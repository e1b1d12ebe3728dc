/** Standing permissions with the real program: offered, given, seen in the log, listed, taken back. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { examine } from '../src/examine.ts';
import { bash, report } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, asks } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });
let folder = '';

test.beforeAll(() => {
  folder = mkdtempSync('/var/tmp/mainloop-e2e-code-');
});
test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

// spec: permissions-1, permissions-2, permissions-3, permissions-9, permissions-10, permissions-14
test(
  'the third allow is offered to stand; the fourth runs by itself, until it is taken back',
  { tag: '@wide' },
  async ({ visit }, info) => {
    const name = `rocket-${info.project.name}`;
    const source = `${folder}/${name}`;
    mkdirSync(source);
    writeFileSync(`${source}/pytest`, '#!/bin/sh\necho "$1 passed" >> passed\n');
    chmodSync(`${source}/pytest`, 0o755);
    const git = (...given: string[]) => execFileSync('git', given, { cwd: source });
    git('init', '-q', '-b', 'main');
    git('add', '.');
    git('-c', 'user.name=A', '-c', 'user.email=a@example.invalid', 'commit', '-qm', 'first');
    const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', { source });

    const runs = (...commands: string[]) => [...commands.map((c) => bash(c)), report('All done.')];
    await server().model.rules(
      {
        match: `Test ${name}`,
        steps: runs(
          './pytest one',
          './pytest one',
          './pytest one',
          './pytest one',
          './pytest one; rm x',
        ),
      },
      { match: `Again ${name}`, steps: runs('./pytest one') },
    );
    const start = async (prompt: string) => {
      const id = crypto.randomUUID();
      await server().api('POST', '/api/sessions', { id, prompt, title: prompt, project });
      return id;
    };
    const page = await visit(server(), { path: `/s/${await start(`Test ${name}`)}` });
    const ask = asks(page, 'Run ./pytest one').first();
    for (let allowed = 0; allowed < 2; allowed++) {
      await expect(ask.getByRole('button', { name: 'Allow always' })).toHaveCount(0);
      await approve(ask, /^Allow once/);
      await expect(page.locator('[data-item]')).toHaveCount(allowed + 1);
    }
    await expect(ask).toContainText('You allowed the same 2 times before.');
    await ask.getByRole('alertdialog').press('a');
    const form = page.locator('[data-always]');
    await expect(form.locator('[data-past]')).toContainText('./pytest one');
    await expect(form.locator('[data-past]')).toContainText('allowed, 2 times');
    await examine(page, 'permission-always');
    await form.press('Escape');
    await expect(form).toHaveCount(0);
    await ask.getByRole('button', { name: 'Allow always' }).click();
    await expect(form.getByRole('radio', { name: 'in this project' })).toBeChecked();
    await form.getByRole('combobox').selectOption({ label: 'a week' });
    await form.getByRole('button', { name: 'Allow from now on' }).click();
    await expect(page.getByText('Allowed from now on: ./pytest one').first()).toBeVisible();

    // The fourth is a line of the log, the fifth holds something else and is asked.
    const fifth = asks(page, /rm x/);
    await expect(fifth.getByRole('button', { name: /^Allow once/ })).toBeVisible();
    const line = page.locator('[data-standing]');
    await expect(line).toHaveCount(1);
    await expect(line).toContainText('Ran on standing permission');
    await expect(line).toContainText('./pytest one');
    await expect(line).toContainText('used 1 time');
    await approve(fifth, /^Deny$/);

    const settings = await visit(server(), { path: '/settings' });
    const list = settings.locator('[data-permissions]');
    const row = list.getByRole('listitem').filter({ hasText: name });
    await expect(row).toContainText('./pytest one');
    await expect(row).toContainText(`in project ${name}`);
    await expect(row).toContainText('used 1 time, last now');
    await list.scrollIntoViewIfNeeded();
    await examine(settings, 'settings-permissions');
    await row.getByRole('button', { name: 'Revoke ./pytest one' }).click();
    await expect(row).toHaveCount(0);
    await settings.getByRole('button', { name: 'Undo' }).click();
    await expect(row).toContainText('not used yet');
    const other = await start(`Again ${name}`);
    await page.goto(`${server().url}/s/${other}`);
    await expect(page.getByText('All done.').first()).toBeVisible();
    await expect(page.locator('[data-standing]')).toHaveCount(1);

    await settings.reload();
    await row.getByRole('button', { name: 'Revoke ./pytest one' }).focus();
    await settings.keyboard.press('Enter');
    await expect(row).toHaveCount(0);
    await expect(list.getByText(/ended$/)).toBeVisible();
    await page.goto(`${server().url}/s/${await start(`Again ${name}`)}`);
    await expect(
      asks(page, 'Run ./pytest one').getByRole('button', { name: /^Allow once/ }),
    ).toBeVisible();
  },
);

// spec: permissions-15, permissions-16
test(
  'one is given by hand after what it covers was seen, and answers what waits already',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const title = `Waits ${crypto.randomUUID().slice(0, 4)}`;
    await server().model.rules({
      match: title,
      steps: [bash('./pytest waiting'), report('It went on.')],
    });
    await server().api('POST', '/api/sessions', { id, title, prompt: title });
    const session = await visit(server(), { path: `/s/${id}` });
    await expect(
      asks(session, 'Run ./pytest waiting').getByRole('button', { name: /^Allow once/ }),
    ).toBeVisible();

    const page = await visit(server(), { path: '/settings' });
    const list = page.locator('[data-permissions]');
    await list.getByRole('button', { name: 'Give one' }).click();
    const form = page.getByRole('dialog', { name: 'Allow from now on' });
    const { handle } = await server().api<{ handle: string }>('GET', `/api/sessions/${id}`);
    await form.getByLabel('Where').selectOption({ label: `in session ${handle}` });
    await form.getByLabel('Pattern').fill('make *');
    await expect(form.getByRole('alert')).toContainText('could do anything');
    await expect(form.getByRole('button', { name: 'Allow from now on' })).toBeDisabled();
    await form.getByLabel('Pattern').fill('./pytest waiting');
    await expect(form.locator('[data-waiting]')).toContainText('./pytest waiting');
    await form.getByLabel('For how long').selectOption({ label: 'a day' });
    await examine(page, 'permission-by-hand');
    await form.getByRole('button', { name: 'Allow from now on' }).click();

    await expect(form).toHaveCount(0);
    const row = list.getByRole('listitem').filter({ hasText: handle });
    await expect(row).toContainText('./pytest waiting');
    await expect(session.getByText('It went on.').first()).toBeVisible();
    await expect(session.locator('[data-standing]')).toContainText('used 1 time');
  },
);
