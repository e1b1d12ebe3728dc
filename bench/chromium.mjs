/** The browser of the measures: CHROMIUM_PATH, or the first that this machine has. */
import { execFileSync } from 'node:child_process';
import { chromium } from '@playwright/test';

function find() {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim();
    } catch {
      // The next name.
    }
  }
  throw new Error('there is no Chromium: set CHROMIUM_PATH');
}

export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH || find(),
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
}
