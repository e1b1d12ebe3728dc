/** The browser of the measures: CHROMIUM_PATH, or the first that this machine has. Best is one without windows of its own,
 * which another one draws beside the page while that is measured. */
import { execFileSync } from 'node:child_process';
import { chromium } from '@playwright/test';

function find() {
  for (const name of ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']) {
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
