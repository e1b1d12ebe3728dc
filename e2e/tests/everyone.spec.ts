/** For everyone: other scripts, zones, colours and sizes. */
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { block, composer, say } from '../src/ui.ts';

const server = useServer();
const ZONE = 'Asia/Tokyo';
const HEBREW = 'שלום, זה טקסט מימין לשמאל';

// spec: layout-19, layout-20, layout-21, layout-22
test('a message of any script and zone is read by everybody, in any colours and size', async ({
  visit,
}) => {
  const page = await visit(server(), { options: { timezoneId: ZONE } });
  const works = script({ gate: 'everyone', text: 'Done.' });
  const said = `${HEBREW}.\n\nAn emoji 👩‍👩‍👧 and a long word: ${'long'.repeat(80)}`;
  await say(page, script(spawn({ title: 'Works on', prompt: works }), { text: said }));

  // The person's own message has the script in it, and with that the same words.
  const article = page.getByRole('article', { name: /^loop/ }).filter({ hasText: HEBREW });
  const hebrew = article.locator('p', { hasText: HEBREW });
  await expect(hebrew).toBeVisible();
  const [before, after] = await hebrew.evaluate((paragraph) => {
    const range = document.createRange();
    range.selectNodeContents(paragraph);
    const [text, box] = [range.getBoundingClientRect(), paragraph.getBoundingClientRect()];
    return [text.left - box.left, box.right - text.right];
  });
  expect(after, 'it begins at the right').toBeLessThan(2);
  expect(before, 'and ends before the left').toBeGreaterThan(20);

  const time = article.locator('time');
  const at = (await time.getAttribute('datetime')) ?? '';
  const there = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: ZONE });
  await expect(time).toHaveText(there.format(new Date(at)));

  const branch = block(page, 'Works on').locator('section');
  await expect(block(page, 'Works on')).toHaveAttribute('data-state', 'working');
  const seen = () =>
    branch.evaluate((section) => {
      const colour = (element: Element, part?: string) =>
        getComputedStyle(element, part).backgroundColor;
      const end = section.querySelector('.end');
      return {
        canvas: colour(document.documentElement),
        line: colour(section, '::before'),
        end: end ? colour(end) : '',
      };
    });
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
  const { canvas, line, end } = await seen();
  expect(line).not.toBe(canvas);
  expect(end).not.toBe(canvas);

  const quiet = () => time.evaluate((element) => getComputedStyle(element).color);
  await page.emulateMedia({ forcedColors: 'none', contrast: 'no-preference' });
  const usual = await quiet();
  await page.emulateMedia({ contrast: 'more' });
  expect(await quiet()).not.toBe(usual);
  await page.emulateMedia({ contrast: 'no-preference' });

  // A window of 1440 by 900, seen at twice the size.
  await page.setViewportSize({ width: 720, height: 450 });
  await expect(composer(page)).toBeInViewport();
  await expect(page.getByRole('button', { name: 'Send', exact: true })).toBeInViewport();
  await examine(page, 'everyone-twice');
  await server().model.open('everyone');
});
