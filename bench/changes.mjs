/** Measures changes in a browser, as JSON on the output: node bench/changes.mjs <pairing link> <session> <session of many files>. */
import { launch } from './chromium.mjs';

const [link, few, many] = process.argv.slice(2);

const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
const cdp = await context.newCDPSession(page);
// CPU of the page's own thread, not time that passes.
await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });

/** Milliseconds that the page's thread has worked on scripts, styles and layout. */
async function worked() {
  const { metrics } = await cdp.send('Performance.getMetrics');
  const of = (name) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  const parts = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration'].map(of);
  return 1000 * parts.reduce((sum, part) => sum + part, 0);
}

async function open(session, files) {
  await page.goto(new URL(`/s/${session}`, link).href);
  await page.getByRole('tab', { name: /^Changes/ }).click();
  await page.locator('[data-place-in-change]', { hasText: `of ${files}` }).waitFor();
}

const shown = (name) =>
  page.waitForFunction(
    (wanted) =>
      document.querySelector('[data-does=files]')?.ariaLabel?.includes(wanted) &&
      document.querySelectorAll('[data-lines] [data-key]').length >= 100 &&
      [...CSS.highlights.values()].some((colour) =>
        [...colour].some(({ startContainer }) => document.contains(startContainer)),
      ),
    name,
    // Seldom: looking is work as well.
    { polling: 250 },
  );

try {
  await page.goto(link);
  await page.getByRole('textbox', { name: 'Message to mainloop' }).waitFor();

  await open(few, 20);
  await shown('part01.py');
  // Once without measuring: what is loaded with the first is loaded.
  await page.locator('[data-diff]').focus();
  const before = await worked();
  for (let n = 2; n <= 20; n++) {
    await page.keyboard.press(']');
    await shown(`part${String(n).padStart(2, '0')}.py`);
  }
  const twenty = ((await worked()) - before) * (20 / 19);

  await open(many, '5000');
  const began = await worked();
  const clock = performance.now();
  await page.getByRole('button', { name: /^Files of this change/ }).click();
  await page.locator('[data-tree] [data-file]').first().waitFor();
  const tree = { ms: performance.now() - clock, cpu: (await worked()) - began };
  await page.getByRole('searchbox', { name: 'Find a file' }).fill('file4321');
  await page.locator('[data-file$="file4321.py"]').waitFor();
  const rows = await page.locator('[data-tree] li').count();
  process.stdout.write(JSON.stringify({ twenty, tree, rows }));
} finally {
  await browser.close();
}
