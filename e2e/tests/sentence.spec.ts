import { alive, runs } from '../src/processes.ts';
import { expect, test, useServer } from '../src/test.ts';
import { bash, report, spawn } from '../src/steps.ts';
import {
  approve,
  block,
  choose,
  composer,
  idOf,
  isPhone,
  said,
  say,
  steer,
  stop,
} from '../src/ui.ts';

// The real program against the scripted model, on both sizes.
const server = useServer({ agent: 'claude' });

// Nobody ever writes into it.
const WATCH = 'mkfifo harbour-watch && cat harbour-watch';

test.beforeAll(async () => {
  await server().model.rules(
    {
      match: 'Research tea and coffee in parallel',
      steps: [
        {
          text: 'I start two sessions side by side.',
          ...spawn(
            { title: 'How tea is grown', prompt: 'Find out how tea is grown.' },
            { title: 'How coffee is grown', prompt: 'Find out how coffee is grown.' },
          ),
        },
        { text: 'Both are running; their results come here.' },
      ],
    },
    {
      match: 'Find out how tea is grown',
      steps: [
        { text: 'I look at what is here.', ...bash('ls') },
        { gate: 'tea', text: 'Now the hills.', ...bash('pwd') },
        { text: 'I take it all together.', ...report('Tea grows on hills in the mist.') },
        { text: 'Reported.' },
      ],
    },
    {
      match: 'Find out how coffee is grown',
      steps: [{ text: 'Beans, beans', chunks: 3, gate_mid: 'coffee' }],
    },
    { match: 'Begin with the roasting', steps: [{ text: 'Roasting comes first, then.' }] },
    {
      match: 'What came out of the tea',
      steps: [{ text: 'I was told: {{find:Tea grows on \\w+}}.' }],
    },
    {
      match: 'Keep watch over the harbour',
      steps: [bash(WATCH, 'Watch'), { text: 'Nothing came.' }],
    },
    {
      match: 'What did I ask of you',
      steps: [{ text: 'You said: {{find:Keep watch over the \\w+}}.' }],
    },
  );
});

// spec: chat-21, chat-22, chat-23, sessions-1, sessions-3, sessions-6, sessions-11, sessions-12, layout-8, layout-16
test(
  '“Research X and Y in parallel” starts two real sessions that are read, written to, steered and interrupted',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Research tea and coffee in parallel');
    const tea = block(page, 'How tea is grown');
    const coffee = block(page, 'How coffee is grown');

    await test.step('both stand under the message, in colours of their own, and work at the same time', async () => {
      await expect(said(page, 'Both are running; their results come here.')).toBeVisible();
      await expect(page.locator('[data-session][data-state=working]')).toHaveCount(2);
      await expect(tea.getByText('working', { exact: true }).first()).toBeVisible();
      await expect(coffee.getByText('working', { exact: true }).first()).toBeVisible();
      const hues = await page
        .locator('[data-session] section[data-hue]')
        .evaluateAll((sections) => sections.map((section) => section.getAttribute('data-hue')));
      expect(new Set(hues).size).toBe(2);
      const colours = await page
        .locator('[data-session] h2')
        .evaluateAll((handles) => handles.map((handle) => getComputedStyle(handle).color));
      expect(new Set(colours).size).toBe(2);
      const messages = await page.locator('[data-timeline=main] li').allInnerTexts();
      const order = ['Research tea and coffee', 'How tea is grown', 'How coffee is grown'].map(
        (words) => messages.findIndex((text) => text.includes(words)),
      );
      expect(order).toEqual([...order].sort((a, b) => a - b));
    });
    const teaId = await idOf(tea);
    const teaHandle = (await tea.locator('h2').innerText()).trim();
    const coffeeHandle = (await coffee.locator('h2').innerText()).trim();

    await test.step('one is opened in place and folded again', async () => {
      await tea.getByRole('button', { name: 'Show the conversation' }).click();
      await expect(said(tea, 'Find out how tea is grown.')).toBeVisible();
      await expect(said(tea, 'I look at what is here.')).toBeVisible();
      await expect(composer(page, teaHandle)).toBeVisible();
      await tea.getByRole('button', { name: 'Fold' }).click();
      await expect(composer(page, teaHandle)).toHaveCount(0);
    });

    await test.step('it is zoomed to the whole screen, steered there, and left by Back and by Escape', async () => {
      await tea.getByRole('link', { name: `Open ${teaHandle} full screen` }).click();
      await expect(page).toHaveURL(`${server().url}/s/${teaId}`);
      await expect(page.getByRole('heading', { level: 1, name: teaHandle })).toBeVisible();
      await steer(page, 'Only green tea, please', teaHandle);
      await page.goBack();
      await expect(tea).toBeVisible();
      await tea.getByRole('link', { name: `Open ${teaHandle} full screen` }).click();
      await expect(page).toHaveURL(`${server().url}/s/${teaId}`);
      await page.getByRole('heading', { level: 1 }).click();
      await page.keyboard.press('Escape');
      await expect(page).toHaveURL(`${server().url}/`);
      await expect(tea).toBeVisible();
    });

    await test.step('the other is interrupted in place and told something else', async () => {
      await coffee.getByRole('button', { name: 'Show the conversation' }).click();
      await expect(said(coffee, 'Bean')).toBeVisible();
      await stop(page, coffeeHandle);
      await expect(coffee.getByText(/^stopped by you/)).toBeVisible();
      await expect(coffee).toHaveAttribute('data-state', 'idle');
      await expect(tea).toHaveAttribute('data-state', 'working');
      await say(page, 'Begin with the roasting', coffeeHandle);
      await expect(said(coffee, 'Roasting comes first, then.')).toBeVisible();
      await coffee.getByRole('button', { name: 'Fold' }).click();
    });

    await test.step('its result comes to the main thread by itself, once, and the main agent knows it', async () => {
      await server().model.open('tea');
      await expect(tea).toHaveAttribute('data-state', 'idle');
      await expect(tea).toContainText('Tea grows on hills in the mist.');
      const notices = page
        .locator(`[data-notice="${teaId}"]`)
        .filter({ hasText: 'Tea grows on hills' });
      await expect(notices).toHaveCount(1);
      // It stands whole where it spoke last, and one line where it began.
      await expect(notices.locator(`[data-session="${teaId}"]`)).toBeVisible();
      const began = page.locator(`[data-stub="${teaId}"]`).first();
      await expect(began).toContainText('How tea is grown');
      await began.click();
      await expect(said(page, 'I take it all together.')).toHaveCount(1);
      await expect(page.locator(`[data-session="${teaId}"]`)).toHaveCount(1);
      await expect(notices.locator('[data-session]')).toHaveCount(0);
      await page.keyboard.press('Escape');
      await page.getByRole('region', { name: 'Conversation' }).focus();
      await expect(notices.locator(`[data-session="${teaId}"]`)).toBeVisible();
      const heard = JSON.stringify((await server().model.heard()).map((request) => request.body));
      expect(heard).toContain('Only green tea, please');
      await say(page, 'What came out of the tea?');
      await expect(said(page, 'I was told: Tea grows on hills.')).toBeVisible();
      await page.reload();
      await expect(said(page, 'I was told: Tea grows on hills.')).toBeVisible();
      await expect(notices).toHaveCount(1);
    });

    await test.step('a notice leads into the session', async () => {
      const notice = page
        .locator(`[data-notice="${teaId}"]`)
        .filter({ hasText: 'Tea grows on hills' });
      await notice.getByRole('button', { name: 'Show the conversation' }).click();
      await expect(said(notice, 'I take it all together.')).toBeVisible();
      await expect(said(notice, 'Only green tea, please')).toHaveCount(1);
      await expect(composer(page, teaHandle)).toBeVisible();
    });
  },
);

// spec: sessions-13, sessions-15, inbox-2, inbox-10
test(
  'a cancelled session’s processes are gone within seconds, and a message makes it go on',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    await server().api('POST', '/api/sessions', {
      id,
      title: 'Harbour',
      prompt: 'Keep watch over the harbour.',
    });
    const page = await visit(server(), { path: `/s/${id}` });
    const handle = (await page.getByRole('heading', { level: 1 }).innerText()).trim();
    await expect(page.locator('[data-command]')).toHaveText(`$ ${WATCH}`);
    await approve(page.locator('[data-ask]'), /^Allow once/);
    await expect(page.locator('[data-ask]')).toHaveCount(0);
    await expect.poll(() => runs('cat harbour-watch')).toBe(true);
    const before = server().processes(id);
    expect(before.length).toBeGreaterThan(3);

    await choose(page.locator('[data-session-header]'), 'Cancel session');
    await expect(
      page.locator('[data-session-header]').getByText('stopped', { exact: true }),
    ).toBeVisible();
    await expect.poll(() => alive(before), { timeout: 10_000 }).toEqual([]);
    expect(runs('cat harbour-watch')).toBe(false);
    // Its work is kept behind the sandbox, which takes a moment.
    await expect.poll(() => server().processes(id)).toEqual([]);

    await say(page, 'What did I ask of you?', handle);
    await expect(said(page, 'You said: Keep watch over the harbour.')).toBeVisible();
    await expect(
      page.locator('[data-session-header]').getByText('answered', { exact: true }),
    ).toBeVisible();
    if (isPhone(page)) await expect(page.getByRole('tab', { name: 'Chat' })).toBeVisible();
  },
);
