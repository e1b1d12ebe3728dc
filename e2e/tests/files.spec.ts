import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { composer, said } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

/** A picture of one colour, or of noise, as a PNG. */
function picture(width = 320, height = 200, noise = false): Buffer {
  const crcs = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  const crc = (data: Buffer) =>
    (data.reduce((c, byte) => (crcs[(c ^ byte) & 255] ?? 0) ^ (c >>> 8), 0xffffffff) ^
      0xffffffff) >>>
    0;
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([size, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const row = () => [
    Buffer.from([0]),
    noise ? randomBytes(width * 3) : Buffer.alloc(width * 3, 0x88),
  ];
  const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, row).flat()));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

interface Given {
  name: string;
  type: string;
  data: string;
}

/** As if it were in the clipboard, or dragged here. */
async function bring(
  page: Page,
  how: 'paste' | 'drop',
  files: Given[],
  to = 'mainloop',
): Promise<void> {
  await composer(page, to).evaluate(
    (field, [how, files]) => {
      const data = new DataTransfer();
      for (const { name, type, data: encoded } of files) {
        const bytes = Uint8Array.from(atob(encoded), (sign) => sign.charCodeAt(0));
        data.items.add(new File([bytes], name, { type }));
      }
      const more = { bubbles: true, cancelable: true };
      if (how === 'paste')
        field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, ...more }));
      else field.dispatchEvent(new DragEvent('drop', { dataTransfer: data, ...more }));
    },
    [how, files] as const,
  );
}

/** Pictures open only once the returned function was called. */
async function slowPictures(page: Page): Promise<() => Promise<void>> {
  const at = await page.evaluateHandle(() => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const real = window.createImageBitmap.bind(window) as (data: Blob) => Promise<ImageBitmap>;
    const slow = (data: Blob) => opened.then(() => real(data));
    Object.assign(window, { createImageBitmap: slow });
    return { open };
  });
  return () => at.evaluate(({ open }) => open());
}

const png = (name = 'shot.png') => ({
  name,
  type: 'image/png',
  data: picture().toString('base64'),
});
const torn = () => ({
  ...png('torn.png'),
  data: picture().subarray(0, 60).toString('base64'),
});
const file = (name: string, text: string, type = 'text/plain') => ({
  name,
  type,
  data: Buffer.from(text).toString('base64'),
});
const draft = (page: Page) =>
  page
    .getByRole('list', { name: 'Attached' })
    .filter({ has: page.getByRole('button', { name: /^Remove/ }) });
const send = (page: Page, to = 'mainloop') =>
  page
    .locator('[data-composer]', { has: composer(page, to) })
    .getByRole('button', { name: 'Send', exact: true });

// spec: writing-1, writing-2, writing-6, writing-8
test(
  'a pasted picture and a dropped text reach the model, and stand in the conversation',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    const asked = `What is wrong here? ${crypto.randomUUID()}`;
    await composer(page).fill(asked);
    await bring(page, 'paste', [png()]);
    await bring(page, 'drop', [
      file('notes.txt', 'The button is too low.'),
      file(
        'logo.svg',
        '<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="x"</script></svg>',
        'image/svg+xml',
      ),
    ]);
    await expect(draft(page).getByRole('listitem')).toHaveText([
      /shot\.png \d+ B|shot\.png.*KB/,
      /notes\.txt 22 B/,
      /logo\.svg/,
    ]);
    await expect(draft(page)).not.toContainText('%');
    await examine(page, 'files-draft');

    // What has arrived survives a reload, and can be taken away.
    await page.reload();
    await expect(draft(page).getByRole('listitem')).toHaveCount(3);
    await expect(composer(page)).toHaveValue(asked);
    await send(page).click();
    await expect(draft(page)).toHaveCount(0);
    const message = said(page, asked);
    await expect(message.getByRole('img', { name: 'shot.png' })).toBeVisible();
    await expect
      .poll(() =>
        message
          .getByRole('img', { name: 'shot.png' })
          .evaluate((image) => (image as HTMLImageElement).naturalWidth),
      )
      .toBe(320);
    await expect(message.getByRole('button', { name: 'Save notes.txt' })).toBeVisible();
    // A drawing with a script is a file to be saved, nothing else.
    await expect(message.getByRole('img')).toHaveCount(1);
    const saving = page.waitForEvent('download');
    await message.getByRole('button', { name: 'Save logo.svg' }).click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toBe('logo.svg');
    expect(readFileSync((await saved.path()) ?? '', 'utf8')).toContain('<script>');
    await examine(page, 'files-sent');
    await message.getByRole('button', { name: 'Enlarge shot.png' }).click();
    await expect(page.getByRole('dialog', { name: 'shot.png' })).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);

    await expect(said(page, /^loop@mainloop/).last()).toBeVisible();
    const heard = await server().model.heard();
    const body = JSON.stringify(
      heard.filter(({ body }) => JSON.stringify(body).includes(asked)).at(0)?.body,
    );
    expect(body).toContain(`"media_type":"image/png","data":"${png().data.slice(0, 40)}`);
    expect(body).toContain('The button is too low.');
  },
);

// spec: writing-8
test('in a session each file lies where its agent can read it', async ({ visit }) => {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', {
    id,
    title: 'Reading',
    prompt: script({ text: 'Ready.' }),
  });
  const page = await visit(server(), { path: `/s/${id}` });
  await expect(page.getByText('Ready.').first()).toBeVisible();
  const handle = (await page.getByRole('heading', { level: 1 }).innerText()).trim();
  await bring(page, 'drop', [file('../../plan b.txt', 'First the well, then the house.')], handle);
  await expect(draft(page)).toContainText('31 B');
  await server().model.rules({
    match: 'Read me the plan',
    steps: [bash("cat '{{find:: (/[^\\n]*plan b\\.txt)}}'"), { text: 'It says: {{result}}' }],
  });
  await composer(page, handle).fill('Read me the plan.');
  await send(page, handle).click();
  await expect(said(page, 'It says: First the well, then the house.')).toBeVisible();
});

// spec: writing-3, writing-4, writing-5, writing-7
test('what can not be sent or read is said in words before it is sent', async ({ visit }) => {
  const page = await visit(server());
  const twenty = Array.from({ length: 20 }, (_, i) => file(`${i}.txt`, `number ${i}`));
  await expect(composer(page)).toBeVisible();
  await bring(page, 'drop', [file('nothing.txt', ''), ...twenty]);
  await expect(page.getByRole('alert')).toHaveText(
    'nothing.txt is empty. A message takes 10 files: 10 were left out.',
  );
  await expect(draft(page).getByRole('listitem')).toHaveCount(10);
  for (let left = 10; left > 0; left--) {
    await expect(draft(page).getByRole('listitem')).toHaveCount(left);
    await draft(page)
      .getByRole('button', { name: /^Remove/ })
      .first()
      .click();
  }
  await expect(page.getByRole('alert')).toHaveCount(0);
  await bring(page, 'drop', [torn()]);
  await expect(page.getByRole('alert')).toHaveText(
    'torn.png can’t be opened as a picture: it is damaged.',
  );
  await expect(draft(page)).toHaveCount(0);
  // A text that calls itself a picture is a text; a PDF can't be read in the main thread.
  await bring(page, 'drop', [
    file('lie.png', 'just words', 'image/png'),
    file('a.pdf', '%PDF-1.7 …', 'application/pdf'),
  ]);
  await expect(draft(page).getByRole('listitem')).toHaveText([/lie\.png 10 B/, /a\.pdf/]);
  await expect(draft(page).getByRole('img')).toHaveCount(0);
  await expect(page.getByRole('note')).toHaveText([
    /^a\.pdf: Claude can’t read this here, only its name.*A session could/,
  ]);
  await examine(page, 'files-refused');
});

// spec: writing-10
test('without a connection a message waits with its files, and goes out with them', async ({
  visit,
}) => {
  const page = await visit(server());
  // What it takes to write without a connection is fetched when all is quiet.
  const here = () =>
    page.evaluate(() =>
      performance.getEntriesByType('resource').some(({ name }) => /Palette\.\w+\.css/.test(name)),
    );
  await expect.poll(here).toBe(true);
  const kept: number[] = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/api/attachments') kept.push(response.status());
  });
  await page.context().setOffline(true);
  const words = `While away ${crypto.randomUUID()}`;
  // What is damaged is known without a connection, and before it could go along.
  const goOn = await slowPictures(page);
  await composer(page).fill(words);
  await bring(page, 'drop', [torn()]);
  await expect(draft(page)).toContainText('torn.png');
  await composer(page).press('Enter');
  await goOn();
  await expect(page.getByRole('alert')).toContainText('torn.png can’t be opened');
  await expect(draft(page)).toHaveCount(0);
  await expect(composer(page)).toHaveValue(words);
  await bring(page, 'paste', [png('away.png')]);
  await expect(draft(page)).toContainText('waits for a connection');
  await composer(page).fill(words);
  await send(page).click();
  const waiting = said(page, words);
  await expect(waiting.getByRole('img', { name: 'away.png' })).toBeVisible();
  await expect(page.getByText('1 message waits here')).toBeVisible();
  await page.context().setOffline(false);
  await expect(page.locator('[data-message]', { hasText: words })).toBeVisible();
  const events = (await server().api('GET', '/api/threads/main/events?limit=500')) as {
    events: {
      kind: string;
      body: { id: string; text: string; attachments: { name: string; type: string }[] };
    }[];
  };
  const sent = events.events.filter(({ kind, body }) => kind === 'message' && body.text === words);
  // One message, which says each of its states, with one file.
  expect(new Set(sent.map(({ body }) => body.id)).size).toBe(1);
  for (const { body } of sent)
    expect(body.attachments).toMatchObject([{ name: 'away.png', type: 'image/png' }]);
  expect(kept).toEqual([201]);
  await expect(page.locator('[data-message]', { hasText: words }).getByRole('img')).toBeVisible();
});

// spec: writing-10
test('a file that hangs holds up nothing in another place, and its message stays taken back', async ({
  visit,
}) => {
  const page = await visit(server());
  const id = crypto.randomUUID();
  const work = { id, title: 'Meanwhile', prompt: script({ text: 'At your service.' }) };
  await server().api('POST', '/api/sessions', work);
  let arrive: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (arrive = resolve));
  await page.route('**/api/attachments', async (route) => {
    await gate;
    await route.continue().catch(() => undefined);
  });
  const words = `With a file ${crypto.randomUUID()}`;
  await bring(page, 'paste', [png('slow.png')]);
  await expect(draft(page)).toBeVisible();
  await composer(page).fill(words);
  await send(page).click();
  await expect(said(page, words)).toBeVisible();

  // The message with its file is kept here: the page that sends on is another one.
  await page.goto(`${server().url}/s/${id}`);
  const other = `In the meantime ${crypto.randomUUID()}`;
  await page.getByRole('textbox').last().fill(other);
  await page.keyboard.press('Enter');
  await expect(page.locator('[data-message]', { hasText: other }).first()).toBeVisible();

  const begun = page.waitForRequest('**/api/attachments');
  await page.goto(server().url);
  await begun;
  await said(page, words).getByRole('img', { name: 'slow.png' }).waitFor();
  await page.getByRole('button', { name: 'discard' }).click();
  await expect(said(page, words)).toHaveCount(0);
  const kept = page.waitForResponse('**/api/attachments');
  arrive();
  expect((await kept).status()).toBe(201);
  const after = `After it ${crypto.randomUUID()}`;
  await composer(page).fill(after);
  await send(page).click();
  await expect(page.locator('[data-message]', { hasText: after }).first()).toBeVisible();
  await expect(page.locator('[data-message], [data-pending]', { hasText: words })).toHaveCount(0);
});

// spec: writing-3
test('a picture that is too large for a model is made smaller, and the page says so', async ({
  visit,
}) => {
  const page = await visit(server());
  const large = picture(1500, 1200, true);
  expect(large.length).toBeGreaterThan(3_750_000);
  const data = large.toString('base64');
  await bring(page, 'paste', [{ name: 'noise.png', type: 'image/png', data }]);
  await expect(draft(page)).toContainText('noise.webp');
  await expect(page.getByRole('note')).toHaveText(/noise\.webp: made smaller \(5\.\d MB before\)/);
  await composer(page).fill('Look at this');
  await page.keyboard.press('Enter');
  await expect(
    said(page, 'Look at this').getByRole('button', { name: /noise\.webp/ }),
  ).toBeVisible();
  // As the server has it.
  const given = async () => {
    const { events } = await server().api<{
      events: { body: { attachments?: { name: string; type: string; size: number }[] } }[];
    }>('GET', '/api/threads/main/events?limit=500');
    const files = events.flatMap(({ body }) => body.attachments ?? []);
    return files.filter(({ name, size }) => name.startsWith('noise') && size <= 3_750_000)[0];
  };
  await expect.poll(given).toMatchObject({ name: 'noise.webp', type: 'image/webp' });
});
