import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { git } from '../src/repository.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { isPhone, said } from '../src/ui.ts';

const server = useServer({ settings: { MAINLOOP_COMMANDS: 'allow' } });

let folder = '';

test.beforeAll(() => {
  folder = mkdtempSync('/var/tmp/mainloop-e2e-code-');
  const shop = `${folder}/shop`;
  git('init', '-q', '-b', 'main', shop);
  writeFileSync(`${shop}/README.md`, '# Shop\n');
  writeFileSync(`${shop}/package.json`, '{"scripts": {"test": "vitest"}}');
  git('-C', shop, 'add', '.');
  git('-C', shop, 'commit', '-q', '-m', 'Begin');
  mkdirSync(`${folder}/notes`);
  git('init', '-q', '-b', 'main', `${folder}/empty`);
});

test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

// spec: sessions-24
test(
  'a project is added by its path; what is none says so',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server(), { path: '/projects' });
    await expect(page.getByText('No projects yet')).toBeVisible();
    const dialog = page.getByRole('dialog', { name: 'Add a project' });
    const add = async (path: string) => {
      if (!(await dialog.isVisible()))
        await page.getByRole('button', { name: 'Add a project' }).click();
      await dialog.getByRole('textbox', { name: 'Path or address' }).fill(path);
      await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    };
    await add('notes');
    await expect(dialog.getByRole('alert')).toContainText('notes is not a whole path');
    await add(`${folder}/notes`);
    await expect(page.getByRole('alert').first()).toContainText(/no(t a)? (git )?repository/i);
    await add(`${folder}/empty`);
    await expect(page.getByRole('alert').filter({ hasText: /empty|no commit/i })).toBeVisible();
    await add(`${folder}/shop`);
    const shop = page
      .getByRole('article')
      .filter({ has: page.getByRole('heading', { name: 'shop' }) });
    await expect(shop).toContainText('ready');
    await expect(shop).toContainText('main branch main');
  },
);

// spec: sessions-22, sessions-23, projects-1, projects-11, projects-20, projects-3, projects-6
test(
  'a session of a project commits on a branch of its own, and the checkout stays as it was',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', {
      source: `${folder}/shop`,
    });
    const page = await visit(server(), { path: '/projects' });
    const shop = page.locator(`[data-project="${project}"]`);
    await expect(shop).toContainText('ready');
    await shop.getByText('Settings', { exact: true }).click();
    await shop.getByRole('button', { name: 'npm test because of package.json' }).click();
    await expect(shop.getByRole('textbox', { name: /^Tests/ })).toHaveValue('npm test');
    await shop.getByRole('textbox', { name: 'Variables' }).fill('PATH=/tmp');
    await shop.getByRole('button', { name: 'Save' }).click();
    await expect(shop.getByRole('alert')).toContainText("PATH can't be set for a project");
    await shop.getByRole('textbox', { name: 'Variables' }).fill('SHOP=corner');
    await shop.getByRole('textbox', { name: 'Set-up' }).fill('echo "the $SHOP shop is ready"');
    await shop.getByRole('checkbox', { name: /^Merge it by itself/ }).uncheck();
    await shop.getByRole('combobox', { name: 'Your own repository' }).selectOption('branch');
    // What is not saved is here again after a reload.
    await page.reload();
    await shop.getByText('Settings', { exact: true }).click();
    await expect(shop.getByRole('textbox', { name: 'Variables' })).toHaveValue('SHOP=corner');
    await expect(shop.getByRole('checkbox', { name: /^Merge it by itself/ })).not.toBeChecked();
    await examine(page, 'project-settings');
    await shop.getByRole('button', { name: 'Save' }).click();
    await expect(shop.getByRole('status')).toContainText('Saved');
    const { projects } = await server().api<{ projects: { settings: { merge: unknown } }[] }>(
      'GET',
      '/api/projects',
    );
    expect(projects.map(({ settings }) => settings.merge)).toContainEqual(
      expect.objectContaining({ by_itself: false, reach: 'branch', needs_green: true }),
    );

    await page.goto(`${server().url}/sessions`);
    await page.getByRole('button', { name: 'New session' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Start a session' });
    const work = bash(
      'echo "open daily" > hours.txt && git add . && git commit -qm "Say when it is open" && git log --oneline',
    );
    await dialog
      .getByRole('textbox', { name: 'What should it do?' })
      .fill(`Write down the hours. ${script(work, { text: 'Committed:\n\n{{result}}' })}`);
    await dialog.getByRole('textbox', { name: 'Title (optional)' }).fill('Opening hours');
    await dialog.getByRole('combobox', { name: 'Project' }).selectOption({ label: 'shop' });
    await dialog.getByRole('button', { name: 'Start' }).click();
    await expect(said(page, 'Committed:').last()).toContainText('Say when it is open');

    await page
      .getByRole('button', { name: /^set-up echo/ })
      .first()
      .click();
    await expect(page.getByText('the corner shop is ready', { exact: true }).first()).toBeVisible();

    await page.getByRole('tab', { name: 'Details' }).click();
    const details = page.getByRole('region', { name: 'Details' });
    await expect(details).toContainText('shop');
    const branch = await details.locator('dt:text-is("Branch") + dd').innerText();
    expect(branch).toMatch(/opening-hours/);
    if (!isPhone(page)) {
      await expect(page.locator('[data-session-header]').getByText(branch)).toBeVisible();
    }

    const mirror = `${server().home}/mirrors/${project}.git`;
    const log = () => git('--git-dir', mirror, 'log', '--oneline', '--all');
    await expect.poll(log).toContain('Say when it is open');
    expect(git('-C', `${folder}/shop`, 'log', '--oneline', '--all')).not.toContain('Say when');
    expect(git('-C', `${folder}/shop`, 'status', '--porcelain')).toBe('');
  },
);
