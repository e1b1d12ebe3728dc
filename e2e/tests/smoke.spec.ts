import { call } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';
import { block, say, said } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

test('smoke', async ({ visit }) => {
  await server().model.rules(
    { match: 'Research tea and coffee', steps: [
      { text: 'I start two.', tools: [call('mcp__mainloop__spawn_session', { title: 'Tea', prompt: 'Look into leaves.' }), call('mcp__mainloop__spawn_session', { title: 'Coffee', prompt: 'Look into beans.' })] },
      { text: 'Both are running.' },
    ] },
    { match: 'Look into leaves', steps: [{ text: 'Reading.', gate: 'tea' }, ] },
    { match: 'Look into beans', steps: [{ text: 'Reading beans.', gate: 'coffee' }, ] },
  );
  const page = await visit(server());
  await say(page, 'Research tea and coffee in parallel');
  await expect(said(page, 'Both are running.')).toBeVisible();
  await expect(block(page, 'Tea')).toHaveAttribute('data-state', 'working');
  await expect(block(page, 'Coffee')).toHaveAttribute('data-state', 'working');
  await server().model.open('tea');
  await server().model.open('coffee');
  await expect(block(page, 'Tea')).toHaveAttribute('data-state', 'idle');
  await page.screenshot({ path: 'test-results/smoke.png' });
});
