import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { composer, isPhone, openSessions } from '../src/ui.ts';

// One place at work: a hundred sessions are a hundred rows and one process.
const server = useServer({ settings: { MAINLOOP_COMMANDS: 'allow', MAINLOOP_MAX_ALIVE: '1' } });

async function start(title: string, prompt: string): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt });
  return id;
}

// spec: sessions-26, sessions-27
test(
  'the log is searched, and shows what a command wrote as text',
  { tag: '@wide' },
  async ({ visit }) => {
    const colours = "printf '\\033[1;31mred\\033[0m alert <b>bold</b>\\n10 %%\\r100 %%\\n'";
    const id = await start(
      'Look around',
      script(bash(colours), bash('echo nothing special'), { text: 'Done.' }),
    );
    const page = await visit(server(), { path: `/s/${id}` });
    await expect(page.getByText('Done.').first()).toBeVisible();
    await page.getByRole('tab', { name: /^Log/ }).click();
    const log = page.getByRole('region', { name: 'Log' });
    await expect(log.locator('[data-step]')).toHaveCount(2);
    const search = page.getByRole('searchbox', { name: 'Search in steps and their output' });
    await search.fill('alert');
    await expect(log.locator('[data-step]')).toHaveCount(1);
    await expect(page.getByRole('status').filter({ hasText: '1 of 2 steps' })).toBeVisible();
    await log.locator('[data-step]').getByRole('button').first().click();
    await expect(log.locator('pre').last()).toHaveText('red alert <b>bold</b>\n100 %');
    await examine(page, 'log-search');
    await search.fill('no such thing');
    await expect(log).toContainText('No step here has “no such thing” in it.');
  },
);

// spec: sessions-28, sessions-30
test('details say which runner lives and how long turns took', async ({ visit }) => {
  const id = await start('Tell of yourself', script({ text: 'Here I am.' }));
  const page = await visit(server(), { path: `/s/${id}` });
  await expect(page.getByText('Here I am.').first()).toBeVisible();
  await page.getByRole('tab', { name: 'Details' }).click();
  const details = page.getByRole('region', { name: 'Details' });
  await expect(details).toContainText(/Runner\s*run 1, build \d+\.\d+/);
  await expect(details).toContainText(/Process\s*\d+ on \S+, since/);
  await expect(details).toContainText(/Agent\s*scripted \d+\.\d+/);
  await expect(details).toContainText(/Last turns\s*\d/);
  const slow = "printf 'one\\n\\033[31mtwo\\033[0m <b>three</b>\\n'; sleep 4242";
  const message = { id: crypto.randomUUID(), text: script(bash(slow)), mode: 'queue' };
  await server().api('POST', `/api/threads/${id}/messages`, message);
  await expect(details.locator('[data-processes]')).toContainText(/sleep 4242 · [\d.]+ MB · since/);
  await examine(page, 'details');
  const soFar = page.getByRole('group', { name: 'Output so far' });
  if (isPhone(page)) await page.getByRole('tab', { name: 'Chat' }).click();
  await expect(soFar).toHaveText('one\ntwo <b>three</b>');
  await page.getByRole('tab', { name: /^Log/ }).click();
  await expect(soFar).toHaveCount(isPhone(page) ? 1 : 2);
  await examine(page, 'live-output');
  await page.getByRole('tab', { name: 'Details' }).click();
  await server().api('POST', `/api/threads/${id}/interrupt`, { turn: 2 });
  await expect(details.locator('[data-processes]')).toHaveCount(0);
  await expect(soFar).toHaveCount(0);
  await server().api('POST', `/api/sessions/${id}/park`, { reason: '' });
  await expect(details).toContainText(/Runner\s*none lives; a message starts one/);
});

// spec: sessions-29
test('a hundred sessions are folded and filtered', { tag: '@wide' }, async ({ visit }) => {
  const gate = `hundred-${crypto.randomUUID()}`;
  const words = crypto.randomUUID().slice(0, 8);
  await start(`Holds the place ${words}`, script({ gate, text: 'Free.' }));
  for (let i = 0; i < 20; i++) {
    await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        start(`Number ${i * 5 + n} of ${words}`, script({ text: 'Ok.' })),
      ),
    );
  }
  const page = await visit(server());
  await expect(composer(page)).toBeVisible();
  const list = await openSessions(page);
  await expect(list.locator('[data-count=working]')).toHaveText(/^1\d\d$/);
  await expect(list.locator('[data-session-row]').nth(11)).toBeAttached();
  expect(await list.locator('[data-session-row]').count()).toBeLessThan(30);
  await examine(page, 'hundred');
  await list.getByRole('textbox', { name: 'Filter sessions' }).fill(`number 42 ${words}`);
  await expect(list.locator('[data-session-row]')).toHaveCount(1);
  await expect(list.locator('[data-session-row]')).toContainText(/number-42/);
  await examine(page, 'filtered');
  await list.getByRole('textbox', { name: 'Filter sessions' }).fill('nothing of this kind');
  await expect(list).toContainText('No session here fits.');
  await list.getByRole('button', { name: 'Clear', exact: true }).click();
  await list.getByRole('button', { name: /^\d+ more at work$/ }).click();
  expect(await list.locator('[data-session-row]').count()).toBeGreaterThan(99);
  if (!isPhone(page)) await expect(composer(page)).toBeVisible();
});
