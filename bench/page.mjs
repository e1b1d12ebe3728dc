/**
 * A browser the size of a phone at one address. `node page.mjs '{"url", "cookies", "storage", "row", "count"?}'`
 *
 * Says `open` with the milliseconds until `count` rows (or none) stood there, then, a line each, `[key, when]` for every new
 * element that fits `row`: its `data-ask` or text, and the moment of the clock that all programs of this machine share.
 */
import { PHONE, launch } from './chromium.mjs';

const { url, cookies = [], storage = {}, row, count = 0, text = '' } = JSON.parse(process.argv[2]);
const browser = await launch();
const context = await browser.newContext({
  ...PHONE,
  storageState: {
    cookies,
    origins: [
      {
        origin: new URL(url).origin,
        localStorage: Object.entries(storage).map(([name, value]) => ({ name, value })),
      },
    ],
  },
});
const page = await context.newPage();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
await page.exposeFunction('sayRow', (key, when) => say([key, when]));
const began = performance.now();
await page.goto(url);
await page.waitForFunction(
  ([fits, wanted, words]) => {
    const rows = [...document.querySelectorAll(fits)];
    return rows.length >= wanted && (!words || document.body.innerText.includes(words));
  },
  [row, count, text],
  { polling: 'raf', timeout: 60_000 },
);
say(['open', performance.now() - began]);
await page.evaluate((fits) => {
  const seen = new Set();
  const look = () => {
    for (const found of document.querySelectorAll(fits)) {
      const key = found.dataset.ask ?? found.textContent;
      if (seen.has(key)) continue;
      seen.add(key);
      window.sayRow(key, performance.timeOrigin + performance.now());
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
}, row);
process.stdin.resume();
process.stdin.on('end', () => void browser.close());
