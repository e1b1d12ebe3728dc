/** What is said where a price is not known, and where a subscription pays, with the real agent. */
import { script } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';

// Signed in with a plan of one's own instead of a key.
const server = useServer({
  agent: 'claude',
  settings: { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'a-plan-of-my-own' },
});
const used = { usage: { input_tokens: 8000, output_tokens: 1000 } };

async function start(title: string, model?: string): Promise<string> {
  const id = crypto.randomUUID();
  const prompt = script({ text: `${title} is done.`, ...used });
  await server().api('POST', '/api/sessions', { id, title, prompt, ...(model && { model }) });
  return id;
}

// spec: cost-2, cost-4, cost-6
test(
  'a price that nobody knows is said to be unknown, and who pays is said',
  { tag: '@wide' },
  async ({ visit }) => {
    const known = await start('Priced work');
    const page = await visit(server(), { path: `/s/${known}` });
    await expect(page.getByText('Priced work is done.').first()).toBeVisible();
    await page.getByRole('tab', { name: 'Details' }).click();
    const details = page.getByRole('region', { name: 'Details' });
    await expect(details).toContainText(/\$0\.\d\d/);
    await expect(details).toContainText('subscription');

    const unknown = await start('Free work', 'a-model-of-my-own');
    await page.goto(`${server().url}/s/${unknown}`);
    await expect(page.getByText('Free work is done.').first()).toBeVisible();
    await page.getByRole('tab', { name: 'Details' }).click();
    // Its ceilings are in dollars; what it has cost is not.
    await expect(details.locator('dl')).toContainText('not known');
    await expect(details.locator('dl')).not.toContainText('$');

    await page.goto(`${server().url}/cost`);
    await expect(page.getByText(/^The price of [\d,]+ tokens is not known/)).toBeVisible();
    await expect(page.getByText(/a subscription pays\.$/)).toBeVisible();
    const rows = page.getByRole('region', { name: 'Sessions' });
    await expect(rows.getByRole('row', { name: /Free work/ })).toContainText('not known');
    await expect(rows.getByRole('row', { name: /Priced work/ })).toContainText('$0.');
  },
);
