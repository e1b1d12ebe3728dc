/** Coming back: what happened is the first thing on the screen, and said once. */
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { ask, spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { block, say } from '../src/ui.ts';

// Whoever has not looked for the time of a breath was away.
const server = useServer({ agent: 'claude', settings: { MAINLOOP_AWAY_MINUTES: '0.001' } });

// spec: unread-8, unread-9, unread-10
test(
  'who comes back sees first what finished, what needs them and what it cost',
  { tag: '@wide' },
  async ({ visit }) => {
    const name = crypto.randomUUID().slice(0, 4);
    const page = await visit(server());
    await say(
      page,
      script(
        spawn(
          { title: `Build ${name}`, prompt: script({ text: 'All of it is built.' }) },
          { title: `Choose ${name}`, prompt: script(ask('Which grey?', 'light', 'dark')) },
        ),
        { text: 'Two sessions are on it.' },
      ),
    );
    await expect(block(page, `Choose ${name}`)).toBeVisible();
    await page.goto('about:blank'); // nobody looks
    const ended = async () => {
      const { sessions } = await server().api<{ sessions: { title: string; state: string }[] }>(
        'GET',
        '/api/sessions',
      );
      return sessions
        .filter((session) => session.title.endsWith(name))
        .map((session) => session.state)
        .sort()
        .join();
    };
    await expect.poll(ended).toBe('idle,waiting');

    const back = await visit(server());
    const line = back.locator('[data-away]').last();
    await expect(line).toBeInViewport();
    await expect(line).toContainText(/away \d\d:\d\d to \d\d:\d\d/);
    await expect(line).toContainText(`1 finished (build-${name})`);
    await expect(line).toContainText('needs you');
    await expect(line).toContainText('$');
    const lines = await back.locator('[data-away]').count();
    await examine(back, 'away');

    // In every browser, at its place in the log; and not said again where nothing happened since.
    const other = await visit(server());
    await expect(block(other, `Choose ${name}`)).toBeVisible();
    await expect(other.locator('[data-away]')).toHaveCount(lines);
    await expect(other.locator('[data-away]').last()).toContainText(`build-${name}`);
    const { items } = await server().api<{ items: { id: string }[] }>('GET', '/api/inbox');
    for (const { id } of items) {
      const answer = { id: crypto.randomUUID(), decision: 'dismiss' };
      await server().api('POST', `/api/inbox/${id}/answer`, answer);
    }
  },
);
