/** `test` with browsers that are watched: nothing foreign is requested, nothing is blocked, nothing throws. */
import { test as base, expect, type BrowserContextOptions, type Page } from '@playwright/test';
import { Server, type Options, type Device } from './server.ts';

export { expect, type Page, type Locator } from '@playwright/test';

export interface Visit {
  path?: string;
  /** Whose browser it is; the file's own where nothing is said, nobody's for null. */
  device?: Device | null;
  options?: BrowserContextOptions;
}

interface Fixtures {
  /** Open the page in a browser of its own. */
  visit: (server: Server, visit?: Visit) => Promise<Page>;
}

export const test = base.extend<Fixtures>({
  visit: async ({ browser }, use) => {
    const trouble: string[] = [];
    const pages: Page[] = [];
    await use(async (server, { path = '/', device, options = {} } = {}) => {
      const who = device === undefined ? await server.device() : device;
      const context = await browser.newContext({
        ...options,
        ...(who && { storageState: server.storage(who) }),
      });
      const page = await context.newPage();
      pages.push(page);
      context.on('request', (request) => {
        const { origin, protocol } = new URL(request.url());
        if (protocol !== 'data:' && protocol !== 'blob:' && origin !== server.url) {
          trouble.push(`requested ${request.url()}`);
        }
      });
      context.on('console', (message) => {
        if (/Content Security Policy|Refused to/i.test(message.text()))
          trouble.push(message.text());
      });
      page.on('pageerror', (error) =>
        trouble.push(error.stack || `${error.name}: ${error.message}`),
      );
      await page.goto(server.url + path);
      return page;
    });
    await Promise.all(pages.map((page) => page.context().close()));
    expect(trouble, 'what the browsers of this test complained about').toEqual([]);
  },
});

/** A server for the tests of this file. */
export function useServer(options: Options = {}): () => Server {
  let server: Server | undefined;
  test.beforeAll(async () => {
    server = await Server.start(options);
  });
  // eslint-disable-next-line no-empty-pattern
  test.afterEach(async ({}, info) => {
    if (info.status === info.expectedStatus || !server) return;
    await info.attach('server.log', { body: server.log(), contentType: 'text/plain' });
    console.error(server.log());
  });
  test.afterAll(async () => {
    await server?.stop();
  });
  return () => {
    if (!server) throw new Error('the server has not been started');
    return server;
  };
}
