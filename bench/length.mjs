/** Measures the page in a browser, as JSON on the output: node bench/length.mjs <pairing link> <milliseconds a row>. */
import { launch } from './chromium.mjs';

const [link, enough = '20000'] = process.argv.slice(2);
const ENOUGH = Number(enough);
const PAGES = 34;
const WRITTEN = 200_000;

const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
const page = await context.newPage();
const cdp = await context.newCDPSession(page);
await cdp.send('Performance.enable');
const metrics = async () => {
  const { metrics: all } = await cdp.send('Performance.getMetrics');
  return Object.fromEntries(all.map(({ name, value }) => [name, value]));
};
const LINE = '[data-timeline="main"]';
const found = {};

/** Median and worst gaps between frames while the wheel turns, up and down. */
async function scroll(target, selector) {
  const box = await target.locator(selector).boundingBox();
  await target.mouse.move(box.x + 200, box.y + 200);
  await target.evaluate(() => {
    window.gaps = [];
    let last = performance.now();
    const tick = (now) => {
      window.gaps.push(now - last);
      last = now;
      window.ticking = requestAnimationFrame(tick);
    };
    window.ticking = requestAnimationFrame(tick);
  });
  const until = Date.now() + Math.min(8000, ENOUGH);
  for (let step = 0; Date.now() < until; step++) {
    await target.mouse.wheel(0, step % 60 < 30 ? -240 : 240);
    await target.waitForTimeout(40);
  }
  const gaps = await target.evaluate(() => {
    cancelAnimationFrame(window.ticking);
    return window.gaps.slice(2).sort((a, b) => a - b);
  });
  return { p95: gaps[Math.floor(gaps.length * 0.95)], worst: gaps.at(-1) };
}

try {
  await page.goto(link);
  const line = page.locator(LINE);
  await line.locator('[data-kind="message"]').last().waitFor();

  // As many rows as are ever held.
  let pages = 0;
  page.on('response', (answer) => (pages += /main\/events\?.*before=/.test(answer.url()) ? 1 : 0));
  for (const until = Date.now() + ENOUGH; pages < PAGES && Date.now() < until;) {
    await line.press('Home');
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await page.waitForLoadState('networkidle').catch(() => undefined);

  // One more page: from its last byte to the frame that has it.
  found.painted = await line.evaluate(async (scroller) => {
    const frame = () => new Promise(requestAnimationFrame);
    const times = [];
    for (let turn = 0; turn < 5; turn++) {
      // A row that is another one from the start than it was: a page has come above it.
      const known = new Map();
      const moved = () =>
        [...scroller.querySelectorAll('.row')].some(({ dataset: { place, index } }) => {
          const was = known.get(place);
          known.set(place, index);
          return was !== undefined && was !== index;
        });
      moved();
      scroller.scrollTop = 0;
      let frames = 0;
      do await frame();
      while (!moved() && ++frames < 120);
      if (frames === 120) continue;
      await frame();
      const asked = performance.getEntriesByType('resource').filter((e) => /events\?/.test(e.name));
      times.push(performance.now() - asked.at(-1).responseEnd);
    }
    return times.sort((a, b) => a - b)[times.length >> 1];
  });
  found.rows = await line.evaluate((scroller) => {
    scroller.scrollTop = scroller.scrollHeight;
    return new Promise((resolve) =>
      setTimeout(
        () =>
          resolve(
            1 + Math.max(...[...scroller.querySelectorAll('.row')].map((r) => +r.dataset.index)),
          ),
        300,
      ),
    );
  });
  await cdp.send('HeapProfiler.collectGarbage');
  found.heap = (await metrics()).JSHeapUsedSize / 1024 / 1024;

  found.scrolling = await scroll(page, LINE);
  const plain = await context.newPage();
  const paragraph =
    '<p>The second query reads the whole table, because its index begins elsewhere.</p>';
  await plain.setContent(
    `<div id="all" style="height:780px;overflow:auto">${paragraph.repeat(2000)}</div>`,
  );
  found.plain = await scroll(plain, '#all');
  await plain.close();

  // A reply that grows: what a token (four characters) costs at its beginning and at its end.
  await page
    .getByRole('button', { name: /^Latest/ })
    .click()
    .catch(() => undefined);
  const sentence = 'The **second** query reads `the table`, because its index begins elsewhere. ';
  const block = `${sentence.repeat(6)}\n\n- one\n- two\n\n`;
  const text = block.repeat(Math.ceil(WRITTEN / block.length));
  const steps = [{ text, chunks: Math.ceil(text.length / 120), chunk_delay: 0.01 }];
  const composer = page.getByRole('textbox', { name: 'Message to mainloop', exact: true });
  await composer.fill(`[[script]]${JSON.stringify(steps)}[[/script]]`);
  await composer.press('Enter');
  const length = () =>
    page.evaluate(
      () => document.querySelector('.markdown[aria-busy="true"]')?.textContent.length ?? 0,
    );
  const cost = async (from, upTo, until) => {
    let begin = await length();
    for (; begin < from && Date.now() < until; begin = await length())
      await page.waitForTimeout(100);
    const before = await metrics();
    let end = begin;
    while (end < upTo && Date.now() < until) {
      await page.waitForTimeout(250);
      end = Math.max(end, await length());
    }
    const after = await metrics();
    const spent = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration'];
    const ms = spent.reduce((sum, name) => sum + (after[name] - before[name]) * 1000, 0);
    return end > begin ? { at: end, ms: ms / ((end - begin) / 4) } : null;
  };
  const until = Date.now() + 3 * ENOUGH;
  found.early = await cost(2_000, 10_000, until);
  found.late = await cost(WRITTEN * 0.7, WRITTEN * 0.8, until);
} finally {
  await browser.close();
}
process.stdout.write(`${JSON.stringify(found)}\n`);
