/** What it costs, and what happens at a ceiling, with the real agent. */
import AxeBuilder from '@axe-core/playwright';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { script } from '../src/model.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { isPhone } from '../src/ui.ts';

const server = useServer({
  agent: 'claude',
  settings: { MAINLOOP_COMMANDS: 'allow', MAINLOOP_MAX_USD_PER_SESSION: '0.05' },
});

const used = { usage: { input_tokens: 8000, output_tokens: 1000 } };

async function examine(page: Page, name: string): Promise<void> {
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    // Colours fade into each other.
    await page.waitForFunction(() =>
      document.getAnimations().every((animation) => animation.playState !== 'running'),
    );
    const size = isPhone(page) ? 'phone' : 'desktop';
    await page.screenshot({ path: `screens/${size}-${name}-${theme}.png` });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`)).toEqual([]);
    const sideways = await page.evaluate(
      () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
    );
    expect(sideways).toBe(false);
  }
}

// spec: cost-5, cost-6, cost-8, cost-10, cost-11
test(
  'at its ceiling a session stops and asks, goes on where it stood, and its cost is shown',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const prompt = script(
      { ...bash('echo one >> steps'), ...used },
      { text: 'Not before it may.' },
    );
    await server().api('POST', '/api/sessions', { id, title: 'Count the steps', prompt });
    const page = await visit(server(), { path: `/s/${id}` });
    const more = page.getByRole('button', { name: /^Once, \$\d+\.\d\d more$/ });
    await expect(more.first()).toBeVisible();
    await expect(page.getByText(/\$0\.\d\d of \$0\.05 are used/).first()).toBeVisible();
    await examine(page, 'ceiling');
    await more.first().click();
    const after = page.locator('p', { hasText: /^Not before it may\.$/ });
    await expect(after.first()).toBeVisible();

    await page.getByRole('tab', { name: 'Details' }).click();
    const details = page.getByRole('region', { name: 'Details' });
    await expect(details.getByText(/^\$0\.\d\d$/)).toBeVisible();
    await expect(details.getByText(/ of 1M tokens$/)).toBeVisible();

    await page.goto(`${server().url}/cost`);
    const sessions = page.getByRole('region', { name: 'Sessions' });
    await expect(sessions.getByRole('row', { name: /Count the steps/ })).toContainText('$0.');
    await expect(page.getByRole('img', { name: /^Cost by day/ })).toBeVisible();
    await expect(
      page.getByRole('region', { name: 'Models' }).getByText('claude-opus'),
    ).toBeVisible();
    await examine(page, 'cost');

    const day = page.locator('[data-ceiling="day-usd"]');
    await day.getByRole('button').click();
    await day.getByRole('textbox').fill('-3');
    await day.getByRole('button', { name: 'Save' }).click();
    await expect(day.getByRole('alert')).toContainText('more than nothing');
    await day.getByRole('textbox').fill('12.50');
    await day.getByRole('textbox').press('Enter');
    await expect(day).toContainText('of $12.50');
  },
);

// spec: cost-18
test(
  'a session and a project get ceilings of their own, say whose value holds, and give it up again',
  { tag: '@wide' },
  async ({ visit }) => {
    const folder = mkdtempSync('/var/tmp/mainloop-e2e-ceilings-');
    execFileSync('git', ['init', '-q', folder]);
    const name = `shop-${crypto.randomUUID().slice(0, 8)}`;
    await server().api('POST', '/api/projects', { name, source: folder });
    const id = crypto.randomUUID();
    const prompt = script({ text: 'Done.' });
    await server().api('POST', '/api/sessions', { id, title: 'Look', prompt });

    const page = await visit(server(), { path: `/s/${id}` });
    await page.getByRole('tab', { name: 'Details' }).click();
    const session = page.locator('[data-ceiling="session-usd"]');
    await expect(session).toContainText('as in the settings');
    await session.getByRole('button', { name: /^Change the ceiling/ }).click();
    await session.getByRole('textbox').fill('none at all');
    await session.getByRole('button', { name: 'Save' }).click();
    await expect(session.getByRole('alert')).toContainText('A ceiling is a number of dollars');
    await session.getByRole('textbox').fill('3');
    await session.getByRole('textbox').press('Enter');
    await expect(session).toContainText('of $3.00');
    await expect(session).toContainText('its own');
    await session.scrollIntoViewIfNeeded();
    await examine(page, 'own-ceilings');

    await page.goto(`${server().url}/projects`);
    const project = page.locator('[data-project]', { hasText: name });
    await project.locator('summary').click();
    const daily = project.locator('[data-ceiling="project-tokens"]');
    await daily.getByRole('button').click();
    await daily.getByRole('textbox').fill('500000');
    await daily.getByRole('textbox').press('Enter');
    await expect(daily).toContainText('of the project');
    await examine(page, 'project-ceilings');
    await daily.getByRole('button').click();
    await daily.getByRole('textbox').fill('');
    await daily.getByRole('textbox').press('Enter');
    await expect(daily).toContainText('as in the settings');
  },
);
