import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, block, choose, isPhone, openSessions } from '../src/ui.ts';

const server = useServer();

// spec: changes-38, changes-40, changes-42
test(
  'a session waits for others, in an order that the person changes, and begins',
  { tag: '@wide' },
  async ({ visit }) => {
    const start = async (title: string, ...after: string[]) => {
      const id = crypto.randomUUID();
      const given = { id, title, prompt: script({ text: `${title}: done.` }), after };
      await server().api('POST', '/api/sessions', given);
      return id;
    };
    const foundation = await start('Foundation');
    const walls = await start('Walls', foundation);
    const roof = await start('Roof', foundation, walls);
    const waits = 'waits for foundation to be closed';

    // Said in the timeline and in the list, and no place is taken.
    const page = await visit(server(), { path: '/' });
    await expect(block(page, 'Walls')).toContainText(`${waits}.`);
    await expect(block(page, 'Walls')).toContainText('waits for others');
    const list = await openSessions(page);
    await expect(list.locator(`[data-session-row="${roof}"]`)).toContainText(
      'waits for foundation and walls to be closed',
    );

    // In its own view: the order, changed there.
    await page.goto(`${server().url}/s/${roof}`);
    const bar = page.locator(`[data-held="${roof}"]`);
    await expect(bar).toContainText('waits for foundation and walls to be closed.');
    await bar.getByRole('button', { name: 'Change' }).focus();
    await page.keyboard.press('Enter');
    await expect(page.locator(':focus')).toHaveText(isPhone(page) ? 'Details' : 'Change');
    const order = page.locator('[data-order]');
    await expect(order.getByRole('listitem')).toHaveText([/^foundation\s+waited for/, /^walls/]);
    await order.getByRole('button', { name: 'Don’t wait for foundation' }).click();
    await expect(order.getByRole('listitem')).toHaveText([/^walls/]);
    // By keys: the list is gone through before one is added, and the focus stays here.
    await expect(order.getByRole('combobox')).toBeFocused();
    await page.keyboard.press('ArrowDown');
    await expect(order.getByRole('combobox')).not.toHaveValue('');
    await expect(order.getByRole('listitem')).toHaveText([/^walls/]);
    await order.getByRole('combobox').selectOption({ label: 'foundation: Foundation' });
    await order.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(order.getByRole('listitem')).toHaveText([/^walls/, /^foundation/]);
    await examine(page, 'order-details');
    await order.getByRole('button', { name: 'Begin now' }).click();
    await expect(order).toHaveCount(0);
    await expect
      .poll(
        async () => (await server().api<{ state: string }>('GET', `/api/sessions/${roof}`)).state,
      )
      .toBe('idle');

    // Who is waited for is cancelled: the person says whether it begins.
    await server().api('POST', `/api/sessions/${foundation}/cancel`, {});
    await page.goto(`${server().url}/s/${walls}`);
    const ask = asks(page, 'It can’t begin: foundation was cancelled.'.replace('’', "'"));
    await expect(ask.getByRole('button', { name: 'Cancel session' })).toBeVisible();
    await expect(page.locator('[data-held]')).toHaveCount(0);
    await examine(page, 'order-lost');
    await ask.getByRole('button', { name: 'Begin now' }).click();
    await expect(page.getByText('Begins without it')).toBeVisible();
    await expect(
      page.getByRole('article').filter({ hasText: 'Walls: done.' }).last(),
    ).toBeVisible();

    // The same from the menu.
    const garden = await start('Garden', roof);
    await page.goto(`${server().url}/${isPhone(page) ? 'sessions' : ''}`);
    await choose(page.locator(`[data-session-row="${garden}"]`), 'Begin now');
    await expect
      .poll(
        async () => (await server().api<{ state: string }>('GET', `/api/sessions/${garden}`)).state,
      )
      .toBe('idle');
  },
);
