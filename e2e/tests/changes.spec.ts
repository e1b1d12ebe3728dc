import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { examine } from '../src/examine.ts';
import { call, script } from '../src/model.ts';
import { git } from '../src/repository.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { isPhone } from '../src/ui.ts';

const server = useServer({ agent: 'claude', settings: { MAINLOOP_COMMANDS: 'allow' } });

const WRITER = `from collections.abc import Iterator


class CsvWriter:
    """Writes the rows of an export into a file."""

    def __init__(self, store, buffer):
        self._store = store
        self._buffer = buffer

    def rows(self, export: Export) -> Iterator[Row]:
        """Yield rows in the order they are written."""
        query = Order.select().where(Order.export == export)
        for order in query:
            yield self.to_row(order)

    def to_row(self, order: Order) -> Row:
        return Row(order.id, order.created_at, order.total)

    def header(self) -> Row:
        return Row("id", "created_at", "total")

    def flush(self):
        self._buffer.seek(0)
        name = f"export-{datetime.now():%Y%m%d}.csv"
        return self._store.put(name, self._buffer)
`;
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAAAAgABVKJPXQAAAABJRU5ErkJggg==';

let folder = '';

test.beforeAll(() => {
  folder = mkdtempSync('/var/tmp/mainloop-e2e-code-');
  const shop = `${folder}/shop`;
  git('init', '-q', '-b', 'main', shop);
  mkdirSync(`${shop}/exports`);
  mkdirSync(`${shop}/tests`);
  writeFileSync(`${shop}/exports/csv_writer.py`, WRITER);
  writeFileSync(`${shop}/tests/test_csv_writer.py`, 'def test_rows():\n    assert True\n');
  writeFileSync(`${shop}/old.txt`, 'no longer wanted\n');
  git('-C', shop, 'add', '.');
  git('-C', shop, 'commit', '-q', '-m', 'Begin');
});

test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function project(): Promise<string> {
  const { id } = await server().api<{ id: string }>('POST', '/api/projects', {
    source: `${folder}/shop`,
  });
  await expect
    .poll(async () => {
      const { projects } = await server().api<{ projects: { id: string; state: string }[] }>(
        'GET',
        '/api/projects',
      );
      return projects.find((one) => one.id === id)?.state;
    })
    .toBe('ready');
  return id;
}

const edit = (path: string, old_string: string, new_string: string) => ({
  tools: [call('Edit', { file_path: path, old_string, new_string })],
});

const FIXED = `        query = (
            Order.select()
            .where(Order.export == export.id)
            .order_by(Order.created_at, Order.id)
        )
        for order in query.iterator():`;
const BROKEN = `        query = Order.select().where(Order.export == export)
        for order in query:`;

const lines = (page: Page) => page.locator('[data-lines]');
const line = (page: Page, text: string) =>
  lines(page).locator('[data-key]').filter({ hasText: text }).first();

/** What stands there in the colour of keywords. */
const keywords = () =>
  [...(CSS.highlights.get('code-token-keyword') ?? [])].map(
    ({ startContainer, startOffset, endOffset }) =>
      startContainer.isConnected
        ? (startContainer.textContent?.slice(startOffset, endOffset).trim() ?? '')
        : '',
  );

// spec: changes-11, changes-12, changes-13, changes-14, changes-15, changes-16, changes-17, changes-18
test(
  'the change of a session is seen while its agent works, file by file',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const begun = `begun-${id}`;
    const writer = `${server().home}/threads/${id}/workspace/exports/csv_writer.py`;
    const prompt = script(
      { tools: [call('Read', { file_path: writer })] },
      edit(writer, BROKEN, FIXED),
      bash(
        `rm old.txt && printf '%s' ${PIXEL} | base64 -d > logo.png && echo '{}' > package-lock.json && mkdir -p "docs/deep" && printf 'a \\342\\200\\256 b\\n' > "docs/deep/a b.md" && seq 1 1600 > zz.txt`,
      ),
      {
        gate: begun,
        ...edit(writer, '{datetime.now():%Y%m%d}', '{export.period_end:%Y%m%d}'),
      },
      { text: 'Both causes are gone.' },
    );
    await server().api('POST', '/api/sessions', {
      id,
      title: 'Flaky CSV export test',
      prompt,
      project: await project(),
    });
    const page = await visit(server(), { path: `/s/${id}` });
    await page.getByRole('tab', { name: /^Changes/ }).click();
    const place = page.locator('[data-place-in-change]');
    await expect(place).toHaveText(isPhone(page) ? '1/6' : 'file 1 of 6');
    await expect(page.getByRole('tab', { name: /^Changes/ })).toContainText('6');

    // The tree, in the order of paths; a file is gone to from it.
    await page.getByRole('button', { name: /^Files of this change/ }).click();
    const tree = page.locator('[data-tree]');
    await expect(tree.locator('[data-file]')).toHaveCount(6);
    await tree.locator('[data-file="exports/csv_writer.py"]').click();
    // Also to who does not see the sign before it.
    expect(await line(page, 'order_by').ariaSnapshot()).toContain('added:');
    expect(await line(page, 'Order.export == export)').ariaSnapshot()).toContain('removed:');
    await expect(lines(page).locator('mark').filter({ hasText: 'iterator' })).toBeVisible();
    await expect(lines(page).getByText('period_end')).toHaveCount(0);

    // While one reads, the agent goes on: the new lines come, what one reads stays.
    await page
      .getByRole('button', { name: /Show \d+ more line/ })
      .first()
      .click();
    await expect(line(page, 'Writes the rows of an export')).toBeVisible();
    await server().model.open(begun);
    await expect(lines(page).getByText('period_end')).toBeVisible();
    await expect(line(page, 'Writes the rows of an export')).toBeVisible();
    await examine(page, 'changes');

    // In two columns, where there is room.
    const sides = page.getByRole('button', { name: 'Side by side' });
    if (!isPhone(page)) {
      await sides.click();
      await examine(page, 'changes-split');
      const sideOf = async (text: string) =>
        (await lines(page).locator('.ln').filter({ hasText: text }).first().boundingBox())?.x ?? 0;
      expect(await sideOf('query.iterator')).toBeGreaterThan((await sideOf('in query:')) + 100);
      await sides.click();
    }
    await expect(sides).toHaveCount(isPhone(page) ? 0 : 1);
    await expect.poll(() => page.evaluate(keywords)).toContain('yield');

    // Keys, and the marks of this browser.
    await page.locator('[data-diff]').focus();
    await page.keyboard.press('v');
    await expect(page.locator('[data-facts]')).toContainText('A new file.');
    await expect(page.locator('[data-pictures] img')).toBeVisible();
    await page.keyboard.press(']');
    await expect(page.locator('[data-facts]')).toContainText('Deleted.');
    await page.keyboard.press(']');
    await expect(page.getByText('Written by a program')).toBeVisible();
    await page.getByRole('button', { name: 'Show it' }).click();
    await expect(line(page, '{}')).toBeVisible();
    for (let i = 0; i < 4; i++) await page.keyboard.press('[');
    // What turns the direction of a text is shown.
    await expect(line(page, 'a ‹U+202E› b')).toBeVisible();
    await page.reload();
    await page.getByRole('tab', { name: /^Changes/ }).click();
    await page.getByRole('button', { name: /^Files of this change/ }).click();
    await expect(page.getByRole('dialog')).toContainText('1 of 6 viewed');

    // A long file is drawn in parts, and one goes on reading where the next begins.
    await tree.locator('[data-file="zz.txt"]').click();
    await page.getByRole('button', { name: 'Show it' }).click();
    await expect(line(page, '1500')).toHaveCount(1);
    await expect(line(page, '1600')).toHaveCount(0);
    await page.getByRole('button', { name: 'Show more lines' }).focus();
    await page.keyboard.press('Enter');
    await expect(page.locator('[data-key]:focus')).toContainText('1501');
    await expect(line(page, '1600')).toHaveCount(1);
    await page.getByRole('button', { name: /^Files of this change/ }).click();
    await tree.locator('[data-file="exports/csv_writer.py"]').click();

    // Comments: on a line by its number, on the next one by keys, on the file.
    const comments = page.locator('[data-comment]');
    const write = async (text: string, button = 'Add to review') => {
      await page.locator('[data-comment=writing] textarea').fill(text);
      if (button) await comments.getByRole('button', { name: button }).click();
    };
    // A finger takes the whole line.
    const commented = line(page, 'order_by');
    await (isPhone(page)
      ? commented.locator('.tx').tap()
      : commented.locator('.no').last().click());
    await write('Is there an index on (created_at, id)?');
    // One is at the line again, and goes on from there.
    const here = page.locator('[data-key]:focus');
    await expect(here).toContainText('order_by');
    await expect(async () => {
      await page.keyboard.press('j');
      await expect(here).toContainText('query.iterator()', { timeout: 50 });
    }).toPass({ intervals: [0] });
    await page.keyboard.press('Enter');
    await write('Why an iterator?');
    await examine(page, 'changes-comments');
    await page.getByRole('button', { name: 'Comment on the file' }).click();
    await write('Not finished yet', '');
    await page.reload();
    await page.getByRole('tab', { name: /^Changes/ }).click();
    await page.getByRole('button', { name: /^Files of this change/ }).click();
    await tree.locator('[data-file="exports/csv_writer.py"]').click();
    await expect(comments).toHaveCount(3);
    await expect(page.locator('[data-comment=writing] textarea')).toHaveValue('Not finished yet');

    // The agent goes on: a line moves with its comment, a line that is gone leaves its comment.
    await server().api('POST', `/api/threads/${id}/messages`, {
      id: crypto.randomUUID(),
      text: script(
        edit(writer, 'for order in query.iterator():', 'for order in query:'),
        edit(writer, 'class CsvWriter:', '# Rows, in order.\n\nclass CsvWriter:'),
        { text: 'Changed.' },
      ),
      mode: 'queue',
    });
    await expect(comments.filter({ hasText: 'index' })).toContainText('on line 18');
    await expect(comments.filter({ hasText: 'Why an iterator?' })).toContainText(
      'the line has changed',
    );
    await expect(page.locator('[data-comment=writing] textarea')).toHaveValue('Not finished yet');

    // Nothing of that took the focus.
    await expect(page.locator('textarea:focus')).toHaveCount(0);

    // All that was added goes as one message, and the agent has it once.
    await page.getByRole('button', { name: /^Send 2 comments/ }).dblclick();
    await expect(page.locator('[data-comment=sent]')).toHaveCount(2);
    await expect(page.getByRole('button', { name: /^Send \d/ })).toHaveCount(0);
    const heard = async () =>
      (await server().model.heard()).filter(({ user }) =>
        user.includes('2 comments on your change'),
      );
    await expect.poll(async () => (await heard()).length).toBeGreaterThan(0);
    const { events } = await server().api<{
      events: { kind: string; body: { id?: string; text?: string; role?: string } }[];
    }>('GET', `/api/threads/${id}/events?limit=500`);
    const said = events.flatMap(({ kind, body }) =>
      kind === 'message' && body.role === 'user' && body.text?.includes('2 comments on')
        ? [body]
        : [],
    );
    expect(new Set(said.map((body) => body.id)).size).toBe(1);
    const text = said[0]?.text;
    expect(text).toContain('`exports/csv_writer.py`, line 18**');
    expect(text).toContain('.order_by(Order.created_at, Order.id)');
    expect(text).toContain('line 18 (you have changed this line since)');
    expect(text).not.toContain('Not finished yet');
  },
);
