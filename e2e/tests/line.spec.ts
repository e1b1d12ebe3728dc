/** The line between the browser and the server, cut at every point of a message's way and of an answer's. */
import type { Page, Route } from '@playwright/test';
import { script } from '../src/model.ts';
import { ask } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, said, say } from '../src/ui.ts';

const server = useServer();

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
