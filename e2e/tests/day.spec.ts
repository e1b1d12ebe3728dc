/** A recorded day of a busy main thread, as it looks when it has just ended. */
import { examine, fits } from '../src/examine.ts';
import { call, script } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';
import { composer, isPhone, openSessions } from '../src/ui.ts';

const server = useServer({ day: true });

// spec: layout-7, layout-16, sessions-31
test('sixty sessions of a day stand where they belong', { tag: '@wide' }, async ({ visit }) => {
  const steps = ['completed', 'completed', 'in_progress', 'pending'];
  const todos = steps.map((status, n) => ({ content: `Step ${n}`, activeForm: '', status }));
  const title = `Goes on into the night ${crypto.randomUUID().slice(0, 8)}`;
  await server().api('POST', '/api/sessions', {
    id: crypto.randomUUID(),
    title,
    prompt: script({ tools: [call('TodoWrite', { todos })] }, { delay: 3600, text: 'Over.' }),
  });
  const page = await visit(server());
  await expect(composer(page)).toBeVisible();
  await expect(page.locator('[data-timeline=main] [data-kind=message]').last()).toBeVisible();
  const working = page.getByRole('region', { name: title });
  await expect(working.getByRole('img')).toHaveAccessibleName('2 of 4 steps done');
  const replies = { name: /^Show the conversation, \d+ repl(y|ies)$/ };
  const answered = page.getByRole('region', { name: 'Session translate-help-pages' });
  await expect(answered.getByRole('button', replies)).toBeVisible();
  if (!isPhone(page)) await examine(page, 'day');
  const list = await openSessions(page);
  await expect(list.locator('[data-count=needs]')).toHaveText('2');
  await expect(list).toContainText('Which grey for quoted replies: which of the two?');
  await expect(list.locator('[data-count=review]')).toHaveText('3');
  if (isPhone(page)) await examine(page, 'day-sessions');
  // A change of it is really there: its commit came along.
  await list.getByText('search-p95-above', { exact: false }).first().click();
  await expect(page.locator('[data-session-header]')).toContainText('Search p95 above 800 ms');
});

// spec: layout-5
test('a day fits a tablet, where the sidebar leaves half of it, and a narrow window', async ({
  visit,
}) => {
  const { sessions } = await server().api<{ sessions: { id: string; state: string }[] }>(
    'GET',
    '/api/sessions',
  );
  const session = `/s/${sessions.find(({ state }) => state === 'in_review')?.id}`;
  const page = await visit(server());
  for (const [width, height] of [
    [820, 1180],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const path of ['/', '/sessions', '/cost', '/projects', '/settings', session]) {
      await page.goto(server().url + path);
      await expect(page.locator('main').first()).toBeVisible();
      if (path === session) {
        await page.getByRole('tab', { name: /^Changes/ }).click();
        await expect(page.getByRole('button', { name: 'Send back' })).toBeVisible();
      }
      if (path === '/settings')
        await expect(page.getByRole('button', { name: 'Add one' })).toBeVisible();
      if (path === '/cost') await expect(page.getByRole('table').first()).toBeVisible();
      await fits(page, `${path} at ${width}`);
      await expect(page.getByRole('main').getByRole('alert')).toHaveCount(0);
    }
  }
});
