/**
 * Every screen in both themes: no accessibility violation, nothing to scroll sideways, on the phone targets one can
 * hit; and a picture of each in e2e/screens, for looking at.
 */
import { examine } from '../src/examine.ts';
import { Server, type Device } from '../src/server.ts';
import { expect, test, type Page } from '../src/test.ts';
import { block, composer, say } from '../src/ui.ts';
import { fill, type World } from '../src/world.ts';

let full: Server;
let empty: Server;
let world: World;

test.beforeAll(async () => {
  test.setTimeout(300_000);
  [full, empty] = await Promise.all([
    Server.start({ agent: 'claude' }),
    Server.start({ agent: 'none' }),
  ]);
  world = await fill(full);
});

test.afterAll(async () => {
  await Promise.all([full?.stop(), empty?.stop()]);
});

interface Screen {
  name: string;
  on?: () => Server;
  path?: () => string;
  device?: Device | null;
  act?: (page: Page) => Promise<unknown>;
  ready: (page: Page) => Promise<unknown>;
}

const heading = (name: string | RegExp) => (page: Page) =>
  expect(page.getByRole('heading', { name }).first()).toBeVisible();
const ask = (page: Page) => expect(page.locator('[data-ask]').first()).toBeVisible();
const view = (page: Page) => expect(page.locator('[data-session-header]')).toBeVisible();

const SCREENS: Screen[] = [
  {
    name: 'chat',
    // Opened at its end, where every session has said something.
    ready: (page) => expect(page.locator('[data-notice]').last()).toBeInViewport(),
  },
  {
    name: 'chat-top',
    act: async (page) => {
      // Its end comes first.
      await ask(page);
      await page.getByRole('region', { name: 'Conversation' }).press('Home');
    },
    ready: (page) => expect(page.getByText('Get the shop ready')).toBeInViewport(),
  },
  {
    name: 'chat-inline',
    act: (page) =>
      block(page, 'Compare two loggers')
        .getByRole('button', { name: 'Show the conversation' })
        .click(),
    ready: (page) => expect(page.locator('[data-inline]')).toContainText('I measured both.'),
  },
  {
    name: 'chat-menu',
    act: (page) =>
      block(page, 'Compare two loggers')
        .getByRole('button', { name: /^What to do/ })
        .click(),
    ready: (page) => expect(page.getByRole('menu')).toBeVisible(),
  },
  { name: 'sessions', path: () => '/sessions', ready: ask },
  {
    name: 'session-working',
    path: () => `/s/${world.working}`,
    ready: (page) => expect(page.getByText('I read the release notes first.')).toBeVisible(),
  },
  { name: 'session-question', path: () => `/s/${world.question}`, ready: ask },
  { name: 'session-permission', path: () => `/s/${world.permission}`, ready: ask },
  { name: 'session-plan', path: () => `/s/${world.plan}`, ready: ask },
  {
    name: 'session-done',
    path: () => `/s/${world.done}`,
    ready: (page) => expect(page.getByText('I measured both.')).toBeVisible(),
  },
  { name: 'session-failed', path: () => `/s/${world.failed}`, ready: ask },
  { name: 'session-cancelled', path: () => `/s/${world.cancelled}`, ready: view },
  {
    name: 'session-log',
    path: () => `/s/${world.working}`,
    act: (page) => page.getByRole('tab', { name: /^Log/ }).click(),
    ready: (page) =>
      expect(page.getByRole('tab', { name: /^Log/ })).toHaveAttribute('aria-selected', 'true'),
  },
  {
    name: 'session-details',
    path: () => `/s/${world.done}`,
    act: (page) => page.getByRole('tab', { name: 'Details' }).click(),
    ready: (page) => expect(page.getByRole('region', { name: 'Details' })).toBeVisible(),
  },
  {
    name: 'unknown',
    path: () => '/s/9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
    ready: heading('There is no such session'),
  },
  {
    name: 'settings',
    path: () => '/settings',
    ready: (page) => expect(page.getByText(/^Checks/).locator('..')).not.toContainText('…'),
  },
  {
    name: 'projects',
    path: () => '/projects',
    ready: (page) => expect(page.getByText('No projects yet')).toBeVisible(),
  },
  {
    name: 'add-project',
    path: () => '/projects',
    act: (page) => page.getByRole('button', { name: 'Add a project' }).click(),
    ready: (page) => expect(page.getByRole('dialog')).toBeVisible(),
  },
  {
    name: 'start',
    path: () => '/sessions',
    act: (page) => page.getByRole('button', { name: 'New session' }).first().click(),
    ready: (page) => expect(page.getByRole('dialog')).toBeVisible(),
  },
  {
    name: 'keys',
    act: async (page) => {
      await expect(composer(page)).toBeVisible();
      await page.keyboard.press('?');
    },
    ready: (page) => expect(page.getByRole('dialog')).toBeVisible(),
  },
  { name: 'welcome', on: () => empty, ready: heading('What should happen first?') },
  {
    name: 'no-sessions',
    on: () => empty,
    path: () => '/sessions',
    ready: (page) => expect(page.getByText('No sessions yet').first()).toBeVisible(),
  },
  { name: 'signed-out', device: null, ready: heading('This browser is not signed in') },
  {
    name: 'bad-link',
    device: null,
    path: () => '/pair#nothing',
    ready: heading('This link did not work.'),
  },
  { name: 'no-page', path: () => '/nowhere', ready: heading('There is no such page') },
  {
    name: 'offline',
    on: () => empty,
    act: async (page) => {
      await heading('What should happen first?')(page);
      await page.context().setOffline(true);
      await say(page, 'When the search is done, compare it with the numbers from March.');
    },
    ready: (page) => expect(page.getByText('1 message waits here')).toBeVisible(),
  },
];

// One visit shows several screens: a page that is open already has only its new state to load.
const VISITS: Record<string, string[]> = {
  'the chat': SCREENS.filter(({ name }) => /^(chat|keys)/.test(name)).map(({ name }) => name),
  'the sessions': ['sessions', 'start', 'session-working', 'session-log', 'session-question'],
  'sessions that ask or are over': SCREENS.filter(({ name }) =>
    /^session-(permission|plan|done|details|failed|cancelled)/.test(name),
  ).map(({ name }) => name),
  'the other pages': ['unknown', 'settings', 'projects', 'add-project', 'no-page'],
  'a page with nothing yet': ['welcome', 'no-sessions', 'offline'],
  'a browser that is not signed in': ['signed-out', 'bad-link'],
};

test('every screen is looked at', () => {
  expect(Object.values(VISITS).flat().sort()).toEqual(SCREENS.map(({ name }) => name).sort());
});

for (const [what, names] of Object.entries(VISITS)) {
  // spec: layout-5, layout-6, layout-15
  test(`${what}: readable in both themes, and fits`, { tag: '@both' }, async ({ visit }) => {
    let page: Page | undefined;
    for (const name of names) {
      const screen = SCREENS.find((one) => one.name === name) as Screen;
      const { on = () => full, path = () => '/', device, act, ready } = screen;
      await test.step(name, async () => {
        if (page) await page.goto(on().url + path());
        else page = await visit(on(), { path: path(), ...(device === null && { device }) });
        if (on() === full && device !== null) await expect(page).toHaveTitle(/^\(4\) .*mainloop$/);
        if (act) await act(page);
        await ready(page);
        await examine(page, name);
      });
    }
  });
}
