/** The line between the browser and the server, cut at every point of a message's way and of an answer's. */
import type { Page, Route } from '@playwright/test';
import { script } from '../src/model.ts';
import { ask } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, said, say } from '../src/ui.ts';

const server = useServer();

interface Shift {
  value: number;
}

declare global {
  interface Window {
    moved: number;
  }
}

/** What becomes of the first request; the browser may be gone for a moment. All that follow get through. */
type Cut = (route: Route, page: Page) => Promise<void>;

const CUTS: Record<string, Cut> = {
  'before the server has it': (route) => route.abort('connectionreset'),
  'when the server has it, before its answer is here': async (route) => {
    await route.fetch();
    await route.abort('connectionreset');
  },
  'by something in between that answers in its place': (route) =>
    route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
  'by something in between, after the server has it': async (route) => {
    await route.fetch();
    await route.fulfill({ status: 504, body: '' });
  },
  'by a reload before the server has it': async (route, page) => {
    await page.reload();
    await route.abort().catch(() => undefined);
  },
  'by a reload when the server has it': async (route, page) => {
    await route.fetch();
    await page.reload();
    await route.abort().catch(() => undefined);
  },
  'by the death of the server before it has it': async (route) => {
    await server().kill();
    await route.abort('connectionreset');
    await server().start();
  },
  'by the death of the server when it has it': async (route) => {
    await route.fetch();
    await server().kill();
    await route.abort('connectionreset');
    await server().start();
  },
};

interface Logged {
  kind: string;
  body: { role?: string; text?: string; status?: string };
}

async function logged(): Promise<Logged[]> {
  const { events } = await server().api<{ events: Logged[] }>(
    'GET',
    '/api/threads/main/events?limit=500',
  );
  return events;
}

for (const [where, cut] of Object.entries(CUTS)) {
  // spec: kills-16, layout-11
  test(`a message whose line is cut ${where} is there once`, async ({ visit }) => {
    const page = await visit(server());
    await page.route('**/api/threads/main/messages', (route) => cut(route, page), { times: 1 });
    const text = `Cut ${where}`;
    await say(page, text);
    await expect(said(page, `ok: ${text}`)).toHaveCount(1);
    await expect(said(page, text).filter({ hasText: 'sam@mainloop$' })).toHaveCount(1);
    await expect(page.getByText('waiting for a connection')).toHaveCount(0);
    const mine = (await logged()).filter(
      ({ body }) => body.text === text && body.status === 'queued',
    );
    expect(mine.map((event) => event.body.role)).toEqual(['user']);
  });

  // An answer that did not arrive is no other case than a message that did not.
  if (where.includes('before the server has it')) continue;
  // spec: kills-16
  const tag = where.includes('death') ? [] : '@long';
  test(`an answer whose line is cut ${where} arrives once`, { tag }, async ({ visit }) => {
    const page = await visit(server());
    const question = `Which one, ${where}?`;
    await say(page, `${script(ask(question, 'left', 'right'), { text: `done: {{result}}` })}`);
    const waiting = asks(page, question);
    await expect(waiting).toBeVisible();
    await page.route('**/api/inbox/*/answer', (route) => cut(route, page), { times: 1 });
    await waiting.getByRole('radio', { name: 'left' }).click();
    await expect(said(page, /done: .*left/).filter({ hasText: question })).toHaveCount(1);
    await expect(waiting).toHaveCount(0);
  });
}

const TEXT = `Two things were found, and **one** of them matters:

1. The port of the test server is fixed, so two runs beside each other fail.
2. \`search\` reads its settings twice.

\`\`\`python
def port() -> int:
    return 8000
\`\`\`

| what | before | after |
| --- | --- | --- |
| start | 38 ms | 12 ms |
`;

// spec: length-14, length-15
test(
  'a first visit over the line of a phone waits for it once, and nothing that stands there moves',
  { tag: '@phone' },
  async ({ visit }) => {
    const device = await server().device();
    const before = await visit(server(), { device });
    for (const turn of ['first', 'second']) {
      await say(
        before,
        `The ${turn}. ${script({ text: `${TEXT}\n\nThat was the ${turn} look.` })}`,
      );
      // Asked for, and said.
      await expect(said(before, `That was the ${turn} look.`)).toHaveCount(2);
    }
    await say(before, script(ask('Which port shall it be?', 'any that is free', 'this one')));
    await expect(asks(before, 'Which port shall it be?')).toBeVisible();

    const page = await visit(server(), {
      path: '/api/health',
      device,
      options: { serviceWorkers: 'block' },
    });
    const line = await page.context().newCDPSession(page);
    await line.send('Network.enable');
    await line.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 150,
      downloadThroughput: 200_000,
      uploadThroughput: 200_000,
    });
    await page.addInitScript(() => {
      window.moved = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.moved += (entry as unknown as Shift).value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await page.goto(server().url);
    await expect(asks(page, 'Which port shall it be?')).toBeInViewport();
    await page.evaluate(async () => {
      await document.fonts.ready;
      await new Promise((resolve) => requestIdleCallback(resolve));
    });

    const asked = await page.evaluate(() =>
      (performance.getEntriesByType('resource') as PerformanceResourceTiming[]).map(
        ({ name, startTime, responseEnd, encodedBodySize }) => ({
          path: name.slice(location.origin.length),
          startTime,
          responseEnd,
          size: encodedBodySize,
        }),
      ),
    );
    const code = asked
      .filter(({ path }) => path.endsWith('.js'))
      .reduce((a, b) => (a.size > b.size ? a : b));
    const together = asked.filter(({ startTime }) => startTime < code.responseEnd);
    const paths = together.map(({ path }) => path);
    expect(paths).toContain('/api/state');
    expect(paths).toContain('/api/threads/main/events?limit=100');
    expect(paths.filter((path) => path.endsWith('.css'))).toHaveLength(1);
    // The renderer of what is said.
    expect(together.filter(({ path, size }) => path.endsWith('.js') && size > 20_000).length).toBe(
      2,
    );
    const again = asked.map(({ path }) => path).filter((path) => path.startsWith('/api/'));
    expect(again.filter((path) => path === '/api/state')).toHaveLength(1);
    expect(again.filter((path) => path.endsWith('events?limit=100'))).toHaveLength(1);
    expect(await page.evaluate(() => window.moved)).toBeLessThanOrEqual(0.02);
  },
);
