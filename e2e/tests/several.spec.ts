/** Many asks at once: chosen together, answered each on its own, and the focus goes on by itself. */
import { examine } from '../src/examine.ts';
import { ask, bash, plan } from '../src/steps.ts';
import { script, type Step } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';
import { approve, asks, isPhone } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

async function start(title: string, ...steps: Step[]): Promise<void> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt: script(...steps) });
}

interface Waiting {
  id: string;
  title: string;
}

async function waiting(n: number): Promise<Waiting[]> {
  const read = () => server().api<{ items: Waiting[] }>('GET', '/api/inbox');
  await expect.poll(async () => (await read()).items.length).toBe(n);
  return (await read()).items;
}

// spec: inbox-22, inbox-23, inbox-24
test(
  'five at once: some are allowed, denied and dismissed together, and one was faster elsewhere',
  { tag: '@wide' },
  async ({ visit }) => {
    const told = (what: string) => ({ text: `${what}: {{result}}` });
    await start('One', bash('echo 1 > made && cat made'), told('one'));
    await start('Two', bash('echo 2 > made && cat made'), told('two'));
    await start('Three', bash('echo 3 > made && cat made'), told('three'));
    await start('Four', ask('Which?', 'left', 'right'), told('four'));
    await start('Five', ...plan('# Tidy up\n\n1. Look\n2. Tidy\n'), told('five'));
    const items = await waiting(5);
    const page = await visit(server(), { path: '/sessions' });
    const list = page.getByRole('main');
    const select = list.getByRole('button', { name: 'Select', exact: true });
    const bar = list.locator('[data-several]');
    await expect(list.locator('[data-count=needs]')).toHaveText('5');
    await examine(page, 'five-asks');

    if (isPhone(page)) await select.click();
    else {
      await asks(list, /^Run echo 1/)
        .getByRole('alertdialog')
        .focus();
      await page.keyboard.press('x');
      await expect(bar.getByRole('status')).toHaveText('1 selected');
    }
    await bar.getByRole('button', { name: 'All', exact: true }).click();
    await expect(bar.getByRole('status')).toHaveText('5 selected');
    await expect(bar.getByRole('button', { name: 'Allow once, 3' })).toBeVisible();
    await expect(bar.getByRole('button', { name: 'Deny, 4' })).toBeVisible();
    await expect(bar.getByRole('button', { name: 'Dismiss, 1' })).toBeVisible();
    await expect(bar.getByRole('button', { name: 'Snooze, 5' })).toBeVisible();
    await examine(page, 'several');

    // Taken back together.
    await bar.getByRole('button', { name: 'Dismiss, 1' }).click();
    await expect(list.getByText('You said: Dismissed')).toBeVisible();
    await page.getByRole('status').getByRole('button', { name: 'Undo' }).last().click();
    await expect(asks(list, 'Which?').getByRole('radio', { name: 'left' })).toBeVisible();
    expect((await waiting(5)).length).toBe(5);

    // One of three was answered elsewhere while they were held.
    await select.click();
    for (const n of [1, 2, 3]) {
      await list.getByRole('checkbox', { name: new RegExp(`Run echo ${n}`) }).check();
    }
    const three = items.find((item) => item.title.startsWith('Run echo 3'));
    await approve(bar, /^Allow once, 3/);
    await expect(list.getByText('You said: Allowed once')).toHaveCount(3);
    const answer = { id: crypto.randomUUID(), decision: 'deny', text: 'not on a Friday' };
    await server().api('POST', `/api/inbox/${three?.id}/answer`, answer);
    await expect(page.getByText(/Run echo 3.*already answered.*not on a Friday/)).toBeVisible();
    await waiting(2);
    const said = async (title: string) => {
      const { sessions } = await server().api<{
        sessions: { title: string; result: { text: string } | null }[];
      }>('GET', '/api/sessions');
      return sessions.find((session) => session.title === title)?.result?.text ?? '';
    };
    await expect.poll(() => said('One')).toContain('one: 1');
    await expect.poll(() => said('Two')).toContain('two: 2');
    await expect.poll(() => said('Three')).toContain('not on a Friday');

    // After an answer the next has the focus, and nothing is over before the last.
    await expect(list.locator('[data-calm]')).toHaveCount(0);
    await asks(list, 'Which?').getByRole('radio', { name: 'right' }).click();
    await expect(asks(list, 'Tidy up')).toBeFocused();
    await approve(asks(list, 'Tidy up'), /^Approve/);
    await expect(list.getByRole('heading', { name: 'Nothing needs you' })).toBeVisible();
    await examine(page, 'nothing-needs-you');
    await expect.poll(() => said('Four')).toContain('right');
  },
);

// spec: inbox-24
test('a key pressed twice answers one ask', async ({ visit }) => {
  await start('Left', bash('echo left > made'), { text: 'left: {{result}}' });
  await start('Right', bash('echo right > made'), { text: 'right: {{result}}' });
  await waiting(2);
  const page = await visit(server(), { path: '/sessions' });
  const list = page.getByRole('main');
  const first = list.getByRole('alertdialog').first();
  await expect(async () => {
    await first.focus();
    await page.keyboard.press('y');
    await expect(list.getByText('You said: Allowed once')).toHaveCount(1, { timeout: 1000 });
  }).toPass();
  // The focus is on the other one already; it takes no key yet.
  await page.keyboard.press('Z');
  await page.keyboard.press('z');
  await expect(list.getByText('You said: Allowed once')).toHaveCount(0);
  await expect(async () => {
    await first.focus();
    await page.keyboard.press('y');
    await page.keyboard.press('y');
    await expect(list.getByText('You said: Allowed once')).toHaveCount(1, { timeout: 1000 });
  }).toPass();
  await waiting(1);
});

// spec: inbox-3
test(
  'of hundreds that wait all are counted, and each is there when one comes to it',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const items = Array.from({ length: 150 }, (_, n) => ({
      id: `ask-${n}`,
      kind: 'failure',
      urgency: 6,
      decisions: ['dismiss'],
      thread_id: 'main',
      session_id: null,
      title: `Number ${n} failed`,
      notice: { kind: 'failure', text: `Number ${n} failed`, hint: '', decisions: ['dismiss'] },
      state: 'open',
      opened_at: new Date(Date.now() - (150 - n) * 1000).toISOString(),
    }));
    await page.route('**/api/state', async (route) => {
      const answer = await route.fetch();
      const state = (await answer.json()) as { items: unknown[] };
      await route.fulfill({ response: answer, json: { ...state, items } });
    });
    await page.goto(`${server().url}/sessions`);
    const list = page.getByRole('main');
    await expect(list.locator('[data-count=needs]')).toHaveText('150');
    await expect(page).toHaveTitle(/^\(150\) .*mainloop$/);
    await expect(asks(list, 'Number 0 failed')).toBeVisible();
    await expect(asks(list, 'Number 149 failed')).toHaveCount(0);
    // By keys, further than what was there at first.
    await list.locator('[data-item="ask-0"]').evaluate((first: HTMLElement) => {
      first.tabIndex = -1;
      first.focus();
    });
    for (let at = ''; at !== 'ask-45';) {
      await page.keyboard.press('j');
      at = await page.evaluate(
        () => document.activeElement?.closest<HTMLElement>('[data-item]')?.dataset['item'] ?? '',
      );
    }
    await expect(asks(list, 'Number 45 failed')).toBeInViewport();
    const last = asks(list, 'Number 149 failed');
    await expect(async () => {
      await list.locator('[data-ask]').last().scrollIntoViewIfNeeded();
      await expect(last).toBeVisible({ timeout: 500 });
    }).toPass();
  },
);
