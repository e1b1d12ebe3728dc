/** A session's change from its start to the screen: node bench/starting.mjs <answer of pairing>, then its id on the input. */
import { createInterface } from 'node:readline';
import { launch } from './chromium.mjs';

const link = JSON.parse(process.argv[2]).url;
const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole('textbox', { name: 'Message to mainloop' }).waitFor();
  process.stdout.write('ready\n');
  for await (const id of createInterface({ input: process.stdin })) {
    await page.locator(`[data-session-row="${id}"] a`).first().click();
    await page.getByRole('tab', { name: /^Changes/ }).click();
    await page.locator('[data-lines]', { hasText: 'measured' }).waitFor();
    process.stdout.write('shown\n');
    break;
  }
} finally {
  await browser.close();
}
