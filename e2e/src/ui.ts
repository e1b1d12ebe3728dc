/** The page in the words of a person: where one writes, what was said, the blocks of sessions. */
import { expect, type Locator, type Page } from '@playwright/test';

export function composer(page: Page, to = 'mainloop'): Locator {
  return page.getByRole('textbox', { name: `Message to ${to}`, exact: true });
}

function buttonAt(page: Page, to: string, name: string): Locator {
  return page
    .locator('[data-composer]', { has: composer(page, to) })
    .getByRole('button', { name, exact: true });
}

/** Write and send, as one does on this screen. */
export async function say(page: Page, text: string, to = 'mainloop'): Promise<void> {
  await composer(page, to).fill(text);
  await buttonAt(page, to, 'Send').click();
}

/** Write into the turn that runs. */
export async function steer(page: Page, text: string, to = 'mainloop'): Promise<void> {
  await composer(page, to).fill(text);
  await buttonAt(page, to, 'Send now, into the running turn').click();
}

export async function stop(page: Page, to = 'mainloop'): Promise<void> {
  await buttonAt(page, to, 'Stop this turn').click();
}

/** Messages of a timeline, by words of them. */
export function said(page: Page | Locator, words: string | RegExp): Locator {
  return page.getByRole('article').filter({ hasText: words });
}

/** The block of a session in the main line. */
export function block(page: Page, title: string): Locator {
  return page.locator('[data-session]').filter({ has: page.getByText(title, { exact: true }) });
}

export async function idOf(where: Locator): Promise<string> {
  return (await where.getAttribute('data-session')) ?? '';
}

/** Choose from the menu of a session. */
export async function choose(where: Locator, entry: string): Promise<void> {
  await where.getByRole('button', { name: /^What to do with/ }).click();
  await where.page().getByRole('menuitem', { name: entry }).click();
}

/**
 * Press a button that approves. It takes no press in the first half second, so that nobody approves by accident
 * what has just appeared.
 */
export async function approve(ask: Locator, name: RegExp): Promise<void> {
  const button = ask.getByRole('button', { name });
  await expect(button).toBeVisible();
  await expect(async () => {
    if ((await button.count()) > 0) await button.click({ timeout: 2000 });
    await expect(button).toHaveCount(0, { timeout: 1000 });
  }).toPass();
}

/** What waits for the person, wherever it is shown, by its title: the question, the plan's, "Run …". */
export function asks(page: Page | Locator, title: string | RegExp): Locator {
  return page.getByRole('group', { name: title });
}

export function isPhone(page: Page): boolean {
  return (page.viewportSize()?.width ?? 0) < 640;
}

/** The list of sessions: on a wide screen it stands beside the chat, on a phone behind its tab. */
export async function openSessions(page: Page): Promise<Locator> {
  if (isPhone(page)) {
    await page.getByRole('link', { name: /^Sessions/ }).click();
    return page.getByRole('main');
  }
  return page.getByRole('complementary', { name: 'Sessions' });
}
