/** mainloop behind a proxy that terminates HTTPS, as the guide for the phone says: all that a browser allows only there. */
import { type BrowserContext } from '@playwright/test';
import { WHOLE, launch } from '../src/browsers.ts';
import { freePort } from '../src/port.ts';
import { Certificate, startProxy } from '../src/proxy.ts';
import { Server } from '../src/server.ts';
import { expect, test } from '../src/test.ts';
import { composer, said, say } from '../src/ui.ts';

const NAME = 'desk.test';

/** Why Chromium would not install the page; that it never does for a test's own browser is no reason of ours. */
async function hindrances(context: BrowserContext): Promise<unknown[]> {
  const [page] = context.pages();
  if (!page) throw new Error('there is no page');
  const devtools = await context.newCDPSession(page);
  const { errors, data } = await devtools.send('Page.getAppManifest');
  expect(JSON.parse(data ?? '{}')).toMatchObject({ display: 'standalone', start_url: '/' });
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
  await devtools.detach();
  const ours = installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito');
  return [...errors, ...ours];
}

// spec: access-9
test('behind a proxy with HTTPS one signs in, is heard, is kept and told as on the machine itself', async () => {
  const certificate = new Certificate(NAME);
  const [port, other] = [await freePort(), await freePort()];
  const home = `https://${NAME}:${port}`;
  const server = await Server.start({ settings: { MAINLOOP_PUBLIC_URL: home } });
  const behind = Number(new URL(server.url).port);
  const front = { certificate, behind };
  const proxies = [
    await startProxy({ ...front, port, keepsHost: true }),
    await startProxy({ ...front, port: other, keepsHost: false }),
  ];
  const browser = await launch(WHOLE, ...certificate.trusted);
  try {
    const link = await server.link();
    expect(link.url).toBe(`${home}/pair#${link.code}`);
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(link.url);
    await expect(composer(page)).toBeVisible();
    expect(await page.evaluate(() => isSecureContext)).toBe(true);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Strict' });
    await say(page, 'Through the proxy');
    await expect(said(page, 'ok: Through the proxy')).toHaveCount(1);

    // It can be installed, opens without a line, and can be told.
    await page.evaluate(() => navigator.serviceWorker.ready);
    expect(await hindrances(context)).toEqual([]);
    await context.grantPermissions(['notifications'], { origin: home });
    await page.goto(`${home}/settings`);
    await expect(page.locator('[data-push=off]')).toBeVisible();

    // Another site's page writes nothing here.
    const refused = await context.request.post(`https://127.0.0.1:${port}/api/pair`, {
      headers: { host: `${NAME}:${port}`, origin: 'https://elsewhere.test' },
      data: { code: link.code },
    });
    expect(refused.status()).toBe(403);

    // One that asks under a name of its own does as well.
    const second = await browser.newContext({ ignoreHTTPSErrors: true });
    const there = await second.newPage();
    const { code } = await server.link();
    await there.goto(`https://${NAME}:${other}/pair#${code}`);
    await expect(composer(there)).toBeVisible();
    await say(there, 'Through the other one');
    await expect(said(there, 'ok: Through the other one')).toHaveCount(1);
  } finally {
    await browser.close();
    for (const proxy of proxies) {
      proxy.close();
      proxy.closeAllConnections();
    }
    await server.stop();
  }
});
