/** Measures how a recorded day of sixty sessions opens, as JSON on the output: node bench/day.mjs <pairing link>. */
import { launch } from './chromium.mjs';

const [link] = process.argv.slice(2);
const TRIES = 3;
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(link);
  await page.locator('[data-timeline="main"] [data-kind="message"]').last().waitFor();
  const [opened, counted] = [[], []];
  for (let turn = 0; turn < TRIES; turn++) {
    await page.goto(new URL('/', link).href);
    opened.push(
      await page.evaluate(async () => {
        const stands = (selector) => document.querySelector(selector)?.checkVisibility();
        const whole = () =>
          stands('[data-timeline="main"] [data-session]') && stands('[data-count="review"]');
        while (!whole()) await new Promise(requestAnimationFrame);
        return performance.now();
      }),
    );
    counted.push(await page.locator('[data-session-row]').count());
  }
  process.stdout.write(`${JSON.stringify({ opened: median(opened), rows: median(counted) })}\n`);
} finally {
  await browser.close();
}
