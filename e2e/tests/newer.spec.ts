/** A page that is older than its server: what it does not know is text, and can be dismissed. */
import { expect, test, useServer } from '../src/test.ts';

const server = useServer();

// spec: inbox-25
test(
  'an ask of a kind that the page does not know is shown in words and can be dismissed',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const item = {
      id: 'ask-of-a-newer-kind',
      kind: 'hologram',
      thread_id: 'main',
      session_id: null,
      title: 'Which <b>hologram</b> shall it be?',
      ask: { kind: 'hologram', shapes: ['cube', 'sphere'] },
      notice: null,
      state: 'open',
      opened_at: new Date().toISOString(),
    };
    const given: unknown[] = [];
    await page.route('**/api/state', async (route) => {
      const answer = await route.fetch();
      const state = (await answer.json()) as { items: unknown[] };
      const items = given.length > 0 ? [] : [item];
      await route.fulfill({ response: answer, json: { ...state, items } });
    });
    await page.route('**/api/inbox/*/answer', async (route) => {
      given.push(route.request().postDataJSON());
      await route.fulfill({ json: { ...item, state: 'answered', answer: given[0] } });
    });
    await page.goto(`${server().url}/sessions`);
    const ask = page.locator('[data-ask="ask-of-a-newer-kind"]').first();
    await expect(ask.getByText(item.title)).toBeVisible();
    await expect(ask.getByText(/This page is older than the server/)).toBeVisible();
    await expect(ask.getByRole('button', { name: /^Allow|^Approve|^Answer/ })).toHaveCount(0);
    await ask.getByRole('button', { name: 'Dismiss' }).click();
    await expect.poll(() => given).toMatchObject([{ decision: 'dismiss' }]);
  },
);
