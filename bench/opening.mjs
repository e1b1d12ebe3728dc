/** Measures how the page opens, as JSON on the output: node bench/opening.mjs <pairing link>. */
import { PHONE, launch } from './chromium.mjs';

const [link] = process.argv.slice(2);
const TRIES = 3;
const MESSAGES = 25;
// What a phone has on a bad line and on a good one: bytes a second, milliseconds, and how much slower than this machine.
const LINES = {
  bad: { speed: (1.6 * 1024 * 1024) / 8, latency: 150, slower: 4 },
  good: { speed: (9 * 1024 * 1024) / 8, latency: 60, slower: 2 },
};

const browser = await launch();
const context = await browser.newContext(PHONE);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const found = {};

/** The largest paint and the shifts of a first visit over a line, from nothing kept. */
async function visit({ speed, latency, slower }, storageState) {
  const fresh = await browser.newContext({ ...PHONE, serviceWorkers: 'block', storageState });
  const page = await fresh.newPage();
  await page.addInitScript(() => {
    window.seen = { paint: 0, shifts: 0 };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.seen.paint = entry.startTime;
    }).observe({ type: 'largest-contentful-paint', buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        if (!entry.hadRecentInput) window.seen.shifts += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const cdp = await fresh.newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', {
    offline: false,
    latency,
    downloadThroughput: speed,
    uploadThroughput: speed,
  });
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  await page.goto(new URL('/', link).href);
  // Asked from outside: the test tool's own program would be loaded into the page that is measured.
  const expression = `!!document.querySelector('[data-timeline="main"] [data-kind="message"]')`;
  while (!(await cdp.send('Runtime.evaluate', { expression })).result.value)
    await new Promise((resolve) => setTimeout(resolve, 50));
  // What is drawn once more after that shows as a shift.
  await page.evaluate(async () => {
    await document.fonts.ready;
    await new Promise((resolve) => requestIdleCallback(resolve, { timeout: 5000 }));
  });
  const seen = await page.evaluate(() => window.seen);
  await fresh.close();
  return seen;
}

try {
  const page = await context.newPage();
  await page.goto(link);
  const line = page.locator('[data-timeline="main"]');
  await line.locator('[data-kind="message"]').last().waitFor();

  // A session that was looked at before: from the tap to the frame that has its rows.
  await page.goto(new URL('/sessions', link).href);
  const address = await page.locator('a[href*="/s/"]').first().getAttribute('href');
  const times = [];
  for (let turn = 0; turn <= TRIES; turn++) {
    const took = await page.evaluate(async (href) => {
      const frame = () => new Promise(requestAnimationFrame);
      const rows = () => document.querySelector(`[data-timeline="${href.split('/').at(-1)}"] .row`);
      const begun = performance.now();
      document.querySelector(`a[href="${href}"]`).click();
      while (!rows()) await frame();
      await frame();
      return performance.now() - begun;
    }, address);
    // The first time it is read from the server.
    if (turn > 0) times.push(took);
    await page.goBack();
    await page.locator(`a[href="${address}"]`).first().waitFor();
  }
  found.session = median(times);

  // From the key on one device, and from its request, until the message stands on the other. All clocks are this machine's.
  await page.goto(new URL('/', link).href);
  await line.locator('[data-kind="message"]').last().waitFor();
  const storageState = await context.storageState();
  const other = await (await browser.newContext({ storageState })).newPage();
  await other.goto(new URL('/', link).href);
  const composer = other.getByRole('textbox', { name: 'Message to mainloop', exact: true });
  await composer.waitFor();
  await other.evaluate(() => {
    window.sent = [];
    new PerformanceObserver((list) => {
      for (const { name, startTime } of list.getEntries())
        if (name.endsWith('/messages')) window.sent.push(performance.timeOrigin + startTime);
    }).observe({ type: 'resource' });
  });
  await page.evaluate(() => {
    window.stood = {};
    // In the line, or in what waits behind a turn. Asking for no layout, it measures the page and not itself.
    const look = () => {
      for (const word of document.body.textContent.matchAll(/told-\d+-/g))
        window.stood[word[0]] ??= performance.timeOrigin + performance.now();
    };
    new MutationObserver(() => requestAnimationFrame(look)).observe(document.body, {
      childList: true,
      subtree: true,
      characterData: true,
    });
  });
  const arrivals = { key: [], request: [] };
  for (let number = 0; number < MESSAGES; number++) {
    const word = `told-${number}-`;
    await composer.fill(word);
    const begun = Date.now();
    await composer.press('Enter');
    await page.waitForFunction((key) => window.stood[key], word, { polling: 50 });
    const stood = await page.evaluate((key) => window.stood[key], word);
    await other.waitForFunction((sent) => window.sent.length > sent, number, { polling: 50 });
    const sent = await other.evaluate(() => window.sent.at(-1));
    arrivals.key.push(stood - begun);
    arrivals.request.push(stood - sent);
  }
  found.arrival = Object.fromEntries(
    Object.entries(arrivals).map(([since, times]) => [
      since,
      times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)],
    ]),
  );

  await other.context().close();
  found.shifts = 0;
  for (const [name, of] of Object.entries(LINES)) {
    const paints = [];
    for (let turn = 0; turn < TRIES; turn++) {
      const { paint, shifts } = await visit(of, storageState);
      paints.push(paint);
      found.shifts = Math.max(found.shifts, shifts);
    }
    found[name] = median(paints);
  }
} finally {
  await browser.close();
}
process.stdout.write(`${JSON.stringify(found)}\n`);
