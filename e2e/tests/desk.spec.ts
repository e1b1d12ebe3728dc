import { call } from '../src/model.ts';
import { bash, spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, said, say } from '../src/ui.ts';

// The real program against the scripted model.
const server = useServer({ agent: 'claude' });
const LIVE = '<img src=x onerror="document.title=\'owned\'"> **[pay](javascript:alert(1))**';

test.beforeAll(async () => {
  await server().model.rules(
    {
      match: 'Release it for me',
      steps: [
        spawn({ title: `Cedar ${LIVE}`, prompt: 'Make the release.' }),
        { text: 'One session is on it.' },
      ],
    },
    {
      match: 'Make the release',
      steps: [bash('printf released > out && cat out', LIVE), { text: 'It said {{result}}' }],
    },
    {
      match: 'Anything to know',
      steps: [
        { tools: [call('mcp__mainloop__list_inbox', {})] },
        {
          tools: [
            call('mcp__mainloop__propose_notice', {
              session: '{{find:"session": "(cedar[^"]*)"}}',
              kind: 'risk',
              text: `It writes over out. ${LIVE}`,
              importance: 'now',
            }),
          ],
        },
        { text: 'It wants to run one command; write “allow” to let it.' },
      ],
    },
    {
      match: '^Yes, allow it',
      steps: [
        {
          tools: [
            call('mcp__mainloop__answer_item', {
              item: '{{find:.*"id": "(ask-[^"]+)"}}',
              decision: 'allow',
            }),
          ],
        },
        { text: 'Told: {{result}}' },
      ],
    },
  );
});

// spec: desk-1, desk-4, desk-7, desk-8
test(
  'what waits is allowed in the conversation, and its source stands there in the person’s words',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Release it for me');
    const cedar = page.locator('[data-session]');
    await expect(asks(cedar, 'Run printf')).toBeVisible();
    await say(page, 'Anything to know?');
    const note = page.locator('[data-notice]', { hasText: 'It writes over out.' });
    await expect(note.locator('[data-importance=soon]')).toHaveText('worth a look');
    await expect(said(page, 'write “allow” to let it')).toBeVisible();
    await expect(asks(cedar, 'Run printf')).toBeVisible();

    await say(page, 'Yes, allow it.');
    await expect(said(page, /Told: Answered for cedar/)).toBeVisible();
    await expect(asks(cedar, 'Run printf')).toHaveCount(0);
    await expect(cedar).toHaveAttribute('data-state', 'idle');
    await page.goto(`${server().url}/s/${await cedar.getAttribute('data-session')}`);
    await expect(page.locator('[data-item]')).toContainText('Allowed once');
    await expect(page.locator('[data-said]')).toHaveText('In your words: “Yes, allow it.”');
    await expect(said(page, 'It said released')).toBeVisible();

    // Nothing that an agent named, described or proposed is more than its letters.
    await expect(page).toHaveTitle(/^cedar\S* · mainloop$/);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('a[href^=javascript]').count()).toBe(0);
  },
);
