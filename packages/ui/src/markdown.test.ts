import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOSTILE } from './hostile';
import { GrowingMarkdown, renderMarkdown, type Block } from './markdown';

/** What the blocks become in a page. */
function drawn(blocks: Block[]): HTMLElement {
  const page = document.createElement('div');
  for (const block of blocks) {
    if (block.kind === 'html') page.insertAdjacentHTML('beforeend', block.html);
    else {
      const pre = document.createElement('pre');
      pre.textContent = block.text;
      page.append(pre);
    }
  }
  return page;
}

const FORBIDDEN =
  'script, style, svg, math, iframe, object, embed, form, input, button, meta, base, link, video, audio, template, noscript, div, textarea, select';

describe('hostile text', () => {
  const ways: [string, (text: string) => Block[]][] = [
    ['finished', renderMarkdown],
    ['growing', (text) => new GrowingMarkdown().update(text)],
    [
      'growing piece by piece',
      (text) => {
        const markdown = new GrowingMarkdown();
        for (let i = 1; i <= text.length; i += 3) {
          expectSafe(drawn(markdown.update(text.slice(0, i))));
        }
        return markdown.update(text);
      },
    ],
  ];
  for (const [way, render] of ways) {
    test.each(HOSTILE)(`${way}: %s`, (_, text) => expectSafe(drawn(render(text))));
  }
});

function expectSafe(page: HTMLElement): void {
  expect(page.querySelector(FORBIDDEN)).toBeNull();
  for (const element of page.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      expect([
        'href',
        'src',
        'alt',
        'title',
        'start',
        'align',
        'data-picture',
        'data-callout',
        'target',
        'rel',
      ]).toContain(name);
      if (name === 'href') {
        expect(value).toMatch(/^(https?:|mailto:|\/|#)/i);
        // What looks like a place of ours is one, as a browser reads it.
        if (/^[/#]/.test(value)) expect(new URL(value, location.href).origin).toBe(location.origin);
      }
      // Neither a remote host nor our own server is asked for anything.
      if (name === 'src') expect(new URL(value, location.href).protocol).toMatch(/^(data|blob):$/);
    }
  }
}

test('a remote picture is a link that says where it leads', () => {
  const link = drawn(renderMarkdown('![the logo](https://evil.example/?q=token)')).querySelector(
    'a',
  );
  expect(link?.dataset['picture']).toBe('evil.example');
  expect(link?.textContent).toBe('the logo');
  expect(link?.rel).toBe('noopener noreferrer');
});

test('raw HTML is shown as it was written', () => {
  expect(drawn(renderMarkdown('Use <b>bold</b>.')).textContent?.trim()).toBe('Use <b>bold</b>.');
});

test('lists, tables, tasks and links come out', () => {
  const page = drawn(
    renderMarkdown(
      '# T\n\n- [x] done\n- [ ] open\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n[s](/s/1) and https://ok.example',
    ),
  );
  expect(page.querySelectorAll('li')).toHaveLength(2);
  expect(page.querySelector('li[data-task]')?.textContent).toContain('☑');
  expect(page.querySelector('td')?.textContent).toBe('1');
  expect(page.querySelector('a')?.getAttribute('href')).toBe('/s/1');
  expect(page.querySelectorAll('a')[1]?.target).toBe('_blank');
});

// spec: length-6
test('a quote that begins with its kind is set off, and any other is a quote', () => {
  const page = drawn(renderMarkdown('> [!WARNING]\n> Mind **this**.\n\n> [!WHAT]\n> else'));
  const [callout, quote] = page.querySelectorAll('blockquote');
  expect(callout?.dataset['callout']).toBe('warning');
  expect(callout?.textContent?.replace(/\s+/g, ' ').trim()).toBe('WarningMind this.');
  expect(quote?.dataset['callout']).toBeUndefined();
  expect(quote?.textContent).toContain('[!WHAT]');
});

describe('a growing text', () => {
  const TEXT =
    'First **paragraph**.\n\n```python\nprint(1)\n\nprint(2)\n```\n\n1. one\n2. two\n\nLast.';

  test('ends as the finished text would be', () => {
    const markdown = new GrowingMarkdown();
    let blocks: Block[] = [];
    for (let i = 1; i <= TEXT.length; i++) blocks = markdown.update(TEXT.slice(0, i));
    expect(blocks).toEqual(renderMarkdown(TEXT));
  });

  const word = fc.constantFrom(
    ...[
      'a',
      'plain',
      'word',
      '**bold**',
      '*soft*',
      '`code`',
      '~~gone~~',
      '[in](/s/1)',
      '<b>',
      '&amp;',
    ],
    ...[
      'https://ok.example',
      '![x](https://evil.example/x.png)',
      '\\*',
      '_',
      '*',
      '`',
      '|',
      '1.',
      '#',
    ],
  );
  const words = fc.array(word, { minLength: 1, maxLength: 8 }).map((list) => list.join(' '));
  const lines = (mark: string) =>
    fc
      .array(words, { minLength: 1, maxLength: 4 })
      .map((list) => list.map((l) => mark + l).join('\n'));
  const piece = fc.oneof(
    words.map((text) => `So ${text}`),
    words.map((text) => `## ${text}`),
    lines('- x '),
    lines('1. x '),
    lines('- [ ] '),
    lines('> x '),
    lines('').map((text) => `\`\`\`ts\n${text}\n\`\`\``),
    lines('').map((text) => `> [!NOTE]\n> ${text.replaceAll('\n', '\n> ')}`),
    fc.constant('| a | b |\n|---|---|\n| 1 | *2* |\n| 3 | 4 |'),
    fc.constant('---'),
  );

  // spec: length-5
  test('ends as the finished text would be, whatever it says and wherever it was cut', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 9 }),
        (pieces, steps) => {
          // Two lists, or two quotes, behind each other would be one.
          const text = pieces.map((part) => `${part}\n\nThen.`).join('\n\n');
          const markdown = new GrowingMarkdown();
          for (let at = 0, step = 0; at < text.length; step++) {
            at += steps[step % steps.length] ?? 1;
            markdown.update(text.slice(0, at));
          }
          expect(markdown.update(text)).toEqual(renderMarkdown(text));
        },
      ),
      { numRuns: 30 },
    );
  }, 120_000);

  test('keeps finished blocks as they are', () => {
    const markdown = new GrowingMarkdown();
    const before = markdown.update(TEXT);
    const after = markdown.update(`${TEXT} And on.`);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after.at(-1)).not.toBe(before.at(-1));
  });

  test('closes what is half open', () => {
    const [block] = new GrowingMarkdown().update('This is **bol');
    expect(block).toMatchObject({
      kind: 'html',
      html: expect.stringContaining('<strong>bol</strong>'),
    });
  });

  test('starts over where the text became another', () => {
    const markdown = new GrowingMarkdown();
    markdown.update('One.\n\nTwo.\n\nThree.');
    expect(drawn(markdown.update('Other.')).textContent?.trim()).toBe('Other.');
  });
});
