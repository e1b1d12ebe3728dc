/** The page in the words of a person: where one writes, what was said, the blocks of sessions. */
import { expect, type Locator, type Page } from '@playwright/test';

export function composer(page: Page, to = 'mainloop'): Locator {
  return page.getByRole('textbox', { name: `Message to ${to}`, exact: true });
}

/** Write and send, as one does on this screen. */
export async function say(page: Page, text: string, to = 'mainloop'): Promise<void> {
  const field = composer(page, to);
  await field.fill(text);
  const buttons = page.locator('[data-composer]', { has: field });
  await buttons.getByRole('button', { name: 'Send', exact: true }).click();
}

/** A message in the timeline, by words of it. */
export function said(page: Page | Locator, words: string | RegExp): Locator {
  return page.getByRole('article').filter({ hasText: words });
}

/** The block of a session in the main line. */
export function block(page: Page, title: string): Locator {
  return page.locator('[data-session]').filter({ has: page.getByText(title, { exact: true }) });
}

/** The id of the session whose block this is. */
export async function idOf(where: Locator): Promise<string> {
  return (await where.getAttribute('data-session')) ?? '';
}

export async function handleOf(where: Locator): Promise<string> {
  return (await where.locator('h2').first().innerText()).trim();
}

export async function openMenu(where: Locator, entry: string): Promise<void> {
  await where.getByRole('button', { name: /^What to do with/ }).click();
  await where.page().getByRole('menuitem', { name: entry }).click();
}

/** Nothing runs in the conversation that is shown: its button to stop is gone. */
export async function untilQuiet(page: Page): Promise<void> {
  await expect(page.getByRole('button', { name: 'Stop this turn' })).toHaveCount(0);
}

export const phone = (page: Page): boolean => (page.viewportSize()?.width ?? 0) < 640;
