/** A form that an agent sends: filled in, declined, kept as a draft, on a phone and on a wide screen. */
import { examine } from '../src/examine.ts';
import { call, script } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, isPhone } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

const FORM = {
  message: 'Where shall the staging server run?',
  schema: {
    type: 'object',
    properties: {
      host: {
        type: 'string',
        title: 'Host name',
        minLength: 3,
        description: 'As it stands in DNS.',
      },
      copies: { type: 'integer', title: 'Copies', minimum: 1, maximum: 9, default: 2 },
      contact: { type: 'string', title: 'Who is told', format: 'email' },
      public: { type: 'boolean', title: 'Open to the public' },
      zone: { type: 'string', title: 'Zone', enum: ['eu', 'us'], enumNames: ['Europe', 'America'] },
      days: {
        type: 'array',
        title: 'Days',
        maxItems: 2,
        items: {
          anyOf: ['mon', 'tue', 'wed'].map((day) => ({ const: day, title: day.toUpperCase() })),
        },
      },
      since: { type: 'string', title: 'Since', format: 'date' },
    },
    required: ['host', 'zone'],
  },
};

async function start(title: string): Promise<string> {
  const id = crypto.randomUUID();
  const steps = [
    { tools: [call('mcp__mainloop__form', FORM)] },
    { text: 'I was told: {{result}}' },
  ];
  await server().api('POST', '/api/sessions', { id, title, prompt: script(...steps) });
  return id;
}

async function resultOf(id: string): Promise<string> {
  const { result } = await server().api<{ result: { text: string } | null }>(
    'GET',
    `/api/sessions/${id}`,
  );
  return result?.text ?? '';
}

// spec: inbox-28
test('a form whose code is still on its way says what it is about, and comes', async ({
  visit,
}) => {
  const id = await start('Slow form');
  const page = await visit(server(), {
    path: '/api/health',
    options: { serviceWorkers: 'block' },
  });
  let held = 0;
  let letGo = () => {};
  const way = new Promise<void>((done) => (letGo = done));
  await page.route('**/_app/immutable/**/*.js', async (route) => {
    const response = await route.fetch();
    const body = await response.text();
    if (body.includes('data-form')) {
      held += 1;
      await way;
    }
    await route.fulfill({ response, body });
  });
  // The page is loaded only once all of it has come.
  await page.goto(server().url, { waitUntil: 'commit' });
  const form = page.locator('[data-ask]').filter({ hasText: FORM.message }).first();
  await expect(form).toBeVisible();
  await expect.poll(() => held).toBeGreaterThan(0);
  await expect(form.getByLabel('Host name')).toHaveCount(0);
  letGo();
  await expect(form.getByLabel('Host name')).toBeVisible();
  // What is fetched ahead may be on its way still.
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  // No other test shall take it for its own.
  await server().api('POST', `/api/sessions/${id}/cancel`, {});
  await expect(form.getByRole('button', { name: 'Send answer' })).toHaveCount(0);
});

// spec: inbox-28, inbox-29
test(
  'a form is filled in from the list, checked before it goes, and kept over a reload',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = await start('Staging');
    const page = await visit(server(), { path: '/sessions' });
    const form = asks(page.getByRole('main'), FORM.message);
    await expect(form.getByLabel('Copies')).toHaveValue('2');
    await examine(page, 'form');

    await form.getByRole('button', { name: 'Send answer' }).click();
    await form.getByLabel('Host name').fill('ash.example.org');
    await form.getByLabel('Open to the public').check();
    await form.getByRole('radio', { name: 'Europe' }).check();
    for (const day of ['MON', 'TUE', 'WED'])
      await form.getByRole('checkbox', { name: day }).check();
    await form.getByRole('button', { name: 'Send answer' }).click();
    await expect(form.getByRole('alert')).toHaveText('Choose up to 2.');
    await form.getByRole('checkbox', { name: 'TUE' }).uncheck();
    await form.getByLabel('Since').fill('2026-03-14');
    await expect
      .poll(() => page.evaluate(() => JSON.stringify(localStorage)))
      .toContain('2026-03-14');

    await page.reload();
    await expect(form.getByLabel('Host name')).toHaveValue('ash.example.org');
    await expect(form.getByRole('checkbox', { name: 'WED' })).toBeChecked();
    await form.getByRole('button', { name: 'Send answer' }).click();
    await form.getByRole('button', { name: 'Undo' }).click();
    await expect(form.getByLabel('Host name')).toHaveValue('ash.example.org');
    await expect(form.getByRole('radio', { name: 'Europe' })).toBeChecked();
    await expect(form.getByRole('checkbox', { name: 'WED' })).toBeChecked();
    // A browser takes this for an address, the server does not.
    await form.getByLabel('Who is told').fill('ada@here');
    await form.getByRole('button', { name: 'Send answer' }).click();
    await expect(form.getByText(/Who is told.*e-mail address/)).toBeVisible();
    await expect(form.getByLabel('Host name')).toHaveValue('ash.example.org');
    await expect(form.getByLabel('Who is told')).toHaveValue('ada@here');
    await form.getByLabel('Who is told').fill('ada@here.example');
    await form.getByRole('button', { name: 'Send answer' }).click();
    await expect(page.getByText(/You said:.*ash\.example\.org/)).toBeVisible();
    await expect(form).toHaveCount(0);
    await expect
      .poll(() => page.evaluate(() => JSON.stringify(localStorage)))
      .not.toContain('ash.example.org');
    await expect.poll(() => resultOf(id)).toContain('"zone": "eu", "days": ["mon", "wed"]');
    expect(await resultOf(id)).toContain('"copies": 2');
  },
);

// spec: inbox-28
test(
  'a form is declined in its session, and what was filled in stands in the log',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = await start('Production');
    const page = await visit(server(), { path: `/s/${id}` });
    const other = await visit(server(), { path: '/sessions' });
    const form = asks(page, FORM.message).last();
    await expect(asks(other.getByRole('main'), FORM.message)).toBeVisible();
    await examine(page, 'form-session');
    await form.getByRole('button', { name: 'Decline' }).click();
    await expect(asks(other.getByRole('main'), FORM.message)).toHaveCount(0);
    await expect.poll(() => resultOf(id)).toContain('declined to fill this in');
    await expect(page.getByText('Denied').last()).toBeVisible();
    if (isPhone(page)) await expect(page.locator('[data-badge]')).toHaveCount(0);
  },
);
