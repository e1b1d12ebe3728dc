/** What holds on every screen, in both themes; and a picture of it. */
import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from './test.ts';
import { isPhone } from './ui.ts';

/** What one could press but hardly hit: links in the flow of a text are as high as the text. */
async function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const pressable =
      'a[href], button, input, select, textarea, [role=button], [role=tab], [role=menuitem]';
    for (const element of document.querySelectorAll<HTMLElement>(pressable)) {
      // A choice is pressed anywhere on its label.
      const choice = element.matches('[type=radio], [type=checkbox]') && element.closest('label');
      const box = (choice || element).getBoundingClientRect();
      if (!element.checkVisibility() || box.width === 0 || box.bottom < 0 || box.right < 0)
        continue;
      if (element.matches('p a, li a, td a') && getComputedStyle(element).display === 'inline')
        continue;
      if (element.matches('textarea') && element.closest('[data-composer]')) continue;
      if (box.height < 43.5) {
        found.push(
          `${element.ariaLabel ?? element.innerText} ${Math.round(box.width)}×${Math.round(box.height)}`,
        );
      }
    }
    return found;
  });
}

/** Nothing to scroll sideways, and nothing to press that stands beyond an edge. */
export async function fits(page: Page, name: string): Promise<void> {
  const wide = await page.evaluate(() => {
    const scrollers = [document.documentElement, ...document.querySelectorAll('main, main *')];
    const over = scrollers.filter((element) => {
      const { overflowX } = getComputedStyle(element);
      const scrolls =
        element === document.documentElement || overflowX === 'auto' || overflowX === 'scroll';
      const meant = element.matches('pre, table, [role=tablist]');
      return scrolls && !meant && element.scrollWidth > element.clientWidth + 1;
    });
    const cut = [...document.querySelectorAll('main button, main a[href]')].filter((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const seen = element.checkVisibility() && bottom > 0 && top < innerHeight;
      const moves = element.closest('pre, table, [role=tablist], [data-lines]');
      return seen && !moves && right > left && (left < -1 || right > innerWidth + 1);
    });
    return [
      ...over.map(
        ({ tagName, className, scrollWidth }) => `${tagName} ${className} ${scrollWidth}`,
      ),
      ...cut.map(({ outerHTML }) => outerHTML.slice(0, 120)),
    ];
  });
  expect.soft(wide, `${name} goes beyond its edges`).toEqual([]);
}

/** No accessibility violation, nothing to scroll sideways, targets one can hit; a picture in e2e/screens. */
export async function examine(page: Page, name: string): Promise<void> {
  const size = isPhone(page) ? 'phone' : 'desktop';
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    // Colours fade into each other.
    await page.waitForFunction(() =>
      document.getAnimations().every((animation) => animation.playState !== 'running'),
    );
    await page.screenshot({ path: `screens/${size}-${name}-${theme}.png` });
    // The themes differ in their colours only.
    const axe = new AxeBuilder({ page });
    const { violations } = await (
      theme === 'light' ? axe.withTags(['wcag2a', 'wcag2aa']) : axe.withRules(['color-contrast'])
    ).analyze();
    const words = violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join('\n')}`,
    );
    expect.soft(words, `${name}, ${theme}`).toEqual([]);
  }
  await fits(page, name);
  if (isPhone(page)) expect.soft(await smallTargets(page), `small targets on ${name}`).toEqual([]);
}
