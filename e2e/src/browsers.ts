/** The two browsers of the tests, and how they are started. */
import { chromium, type Browser } from '@playwright/test';

/** The whole program: notifications, and whether a page can be installed. */
export const WHOLE = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
/** The same engine without windows, tabs and menus of its own: it opens a page with a tenth of the work. */
export const BARE = process.env['CHROMIUM_BARE_PATH'] || WHOLE;

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchOptions(executablePath: string, ...more: string[]) {
  return { executablePath, args: [...ARGS, ...more] };
}

/** A browser of its own, for what no other test's browser may have. */
export function launch(executablePath: string, ...more: string[]): Promise<Browser> {
  return chromium.launch(launchOptions(executablePath, ...more));
}
