/** What is unread: a dot everywhere, a mark where it begins, gone once it was looked at, and back on request. */
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { block, choose, idOf, isPhone, openSessions, say } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

interface Mark {
  read: number;
  told: number;
}

const long = (what: string) =>
  Array.from({ length: 60 }, (_, i) => `${what}, paragraph ${i + 1}.`).join('\n\n');

// spec: unread-1, unread-4, unread-5, unread-6, unread-7
test(
  'a dot says what is unread, opening it goes there, and a second of looking reads it on every device',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const title = `Report ${crypto.randomUUID().slice(0, 4)}`;
    const first = script({ text: long('First') });
    await say(page, script(spawn({ title, prompt: first }), { text: 'Started.' }));
    const report = block(page, title);
    await expect(report).toHaveAttribute('data-state', 'idle');
    await expect(report).toContainText('First, paragraph 1.');
    await expect(report.locator('[data-unread]')).toBeVisible();
    const id = await idOf(report);
    const mark = () => server().api<Mark>('GET', `/api/threads/${id}/read`);

    // Its preview in the main line is on the screen all the while; inside of it a second is enough.
    expect((await mark()).read).toBe(0);
    const other = await visit(server(), { path: `/s/${id}` });
    await expect(other.locator('[data-new]')).toBeVisible();
    await expect.poll(async () => (await mark()).read >= (await mark()).told).toBe(true);
    await expect(report.locator('[data-unread]')).toHaveCount(0);
    await expect(other.locator('[data-new]')).toHaveCount(1);

    // Something new, while nobody is in there: the next time begins at it.
    await other.goto(`${server().url}/settings`);
    const more = { id: crypto.randomUUID(), text: script({ text: long('Second') }) };
    await server().api('POST', `/api/threads/${id}/messages`, more);
    await expect(report.locator('[data-unread]')).toBeVisible();
    const list = await openSessions(page);
    const row = list.locator(`[data-session-row="${id}"]`);
    await expect(row.locator('[data-unread]')).toBeVisible();
    await examine(page, 'unread-list');
    await other.goto(`${server().url}/s/${id}`);
    await expect(other.locator('[data-new]')).toBeInViewport();
    await expect(other.getByText('Second, paragraph 1.', { exact: true })).toBeInViewport();
    await expect(other.getByText('Second, paragraph 60.', { exact: true })).not.toBeInViewport();
    await expect(row.locator('[data-unread]')).toHaveCount(0);
    await examine(other, 'unread-session');

    // Unread again from here, and so it stays while it is looked at.
    if (isPhone(other)) await choose(other.locator('[data-session-header]'), 'Mark as unread');
    else {
      await other.getByText('Second, paragraph 1.', { exact: true }).hover();
      await other.keyboard.press('Shift+U');
    }
    await expect(row.locator('[data-unread]')).toBeVisible();
    const { told } = await mark();
    await other.getByRole('textbox', { name: /^Message to/ }).fill('a draft');
    await page.reload();
    await expect(row.locator('[data-unread]')).toBeVisible();
    expect((await mark()).read).toBeLessThan(told);
    await other.reload();
    await expect(row.locator('[data-unread]')).toHaveCount(0);
    await server().restart();
    expect((await mark()).read).toBeGreaterThanOrEqual(told);
  },
);
