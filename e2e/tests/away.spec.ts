/** Coming back: what happened is the first thing on the screen, and said once. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { ask, spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { tool } from '../src/repository.ts';
import { block, say } from '../src/ui.ts';

const run = promisify(execFile);

// Whoever has not looked for the time of a breath was away.
const server = useServer({ agent: 'claude', settings: { MAINLOOP_AWAY_MINUTES: '0.001' } });

/** They looked that long ago, all devices: the clock of a test does not go on by a day. */
async function lookedHoursAgo(hours: number): Promise<void> {
  const program = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as db:
    db.execute("UPDATE device SET looked_at = strftime('%Y-%m-%d %H:%M:%f000', looked_at, ?)", [sys.argv[2]])
`;
  await run(tool('python'), ['-c', program, `${server().home}/mainloop.db`, `-${hours} hours`]);
}

// spec: unread-8, unread-9, unread-10, unread-11
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

    // After a day it is a digest, by its names and with what comes next.
    await server().api('PUT', '/api/schedules/morning', {
      instruction: 'Say what waits for me.',
      cron: '0 8 * * *',
    });
    await Promise.all([back, other].map((one) => one.goto('about:blank')));
    await lookedHoursAgo(30);
    const next = await visit(server());
    const digest = next.locator('[data-digest=day]');
    await expect(digest).toBeInViewport();
    await expect(digest).toContainText(`build-${name}: All of it is built.`);
    await expect(digest).toContainText(`choose-${name}: Which grey?`);
    await expect(digest).toContainText('Say what waits for me.');
    await examine(next, 'digest');
    await next.setViewportSize({ width: 390, height: 844 });
    await expect(digest).toBeInViewport();
    await next.screenshot({ path: 'screens/desktop-digest-narrow.png' });
    await next.setViewportSize({ width: 1440, height: 900 });
    await digest.getByRole('link', { name: `build-${name}` }).click();
    await expect(next).toHaveURL(/\/s\//);
    const { items } = await server().api<{ items: { id: string }[] }>('GET', '/api/inbox');
    for (const { id } of items) {
      const answer = { id: crypto.randomUUID(), decision: 'dismiss' };
      await server().api('POST', `/api/inbox/${id}/answer`, answer);
    }
  },
);
