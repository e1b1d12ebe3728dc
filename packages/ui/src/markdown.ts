/**
 * Markdown that is still being written, as blocks of safe HTML.
 *
 * Finished blocks are frozen and never rendered again; only the tail is read anew, so that one more word costs
 * the same in a long text as in a short one. Text comes from agents, repositories and people alike: raw HTML in
 * it is shown as text, and what remains is sanitised by an allow list.
 */
import DOMPurify, { type Config } from 'dompurify';
import { Marked, type Token, type Tokens } from 'marked';
import remend from 'remend';
import { upright } from './unseen';

export type Block =
  | { key: string; kind: 'html'; html: string }
  | { key: string; kind: 'code'; text: string; language: string };

const SAFE_LINK = /^(https?:|mailto:|#)/i;
// A picture by an address would be requested by looking at the text, from wherever a browser takes that to lead.
const OWN_PICTURE = /^(data:image\/(png|jpeg|gif|webp);|blob:)/i;

const ALLOWED: Config = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'pre', 'code', 'strong'],
    ...['em', 'del', 'a', 'ul', 'ol', 'li', 'img', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  // Neither class, id nor style: a text must not borrow our looks, cover the page or shadow a name.
  ALLOWED_ATTR: [
    'href',
    'src',
    'alt',
    'title',
    'start',
    'align',
    'data-picture',
    'data-callout',
    'data-task',
  ],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function hostOf(address: string, from?: string): string {
  try {
    return new URL(address, from).host;
  } catch {
    return '';
  }
}

function isSafeLink(href: string): boolean {
  if (SAFE_LINK.test(href)) return true;
  // Browsers read `/\host` as another host, so one of them says where a place of ours leads.
  return href.startsWith('/') && hostOf(href, location.href) === location.host;
}

/** A quote that begins with `[!NOTE]` is set off, as on the forges. */
const CALLOUT = /^\[!(note|tip|important|warning|caution)\][ \t]*(?:\n|$)/i;

/** Takes the mark out of a quote's first line; which it was, or nothing. */
function calloutOf(tokens: Token[]): string {
  const first = tokens[0];
  const words = first?.type === 'paragraph' ? first.tokens?.[0] : undefined;
  if (words?.type !== 'text') return '';
  const found = CALLOUT.exec(words.raw);
  if (!found) return '';
  words.raw = words.raw.slice(found[0].length);
  (words as Tokens.Text).text = (words as Tokens.Text).text.slice(found[0].length);
  return (found[1] as string).toLowerCase();
}

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escapeHtml(text),
    blockquote({ tokens }: Tokens.Blockquote) {
      const kind = calloutOf(tokens);
      const head = kind && `<p><strong>${kind[0]?.toUpperCase()}${kind.slice(1)}</strong></p>`;
      const mark = kind && ` data-callout="${kind}"`;
      return `<blockquote${mark}>${head}${this.parser.parse(tokens)}</blockquote>`;
    },
    // What is ticked has a sign of its own.
    listitem(item: Tokens.ListItem) {
      return `<li${item.task ? ' data-task' : ''}>${this.parser.parse(item.tokens)}</li>\n`;
    },
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
    image({ href, text, title }: Tokens.Image) {
      const alt = escapeHtml(text);
      if (OWN_PICTURE.test(href)) return `<img src="${escapeHtml(href)}" alt="${alt}">`;
      const host = hostOf(href);
      if (!host) return alt;
      // An address can carry data out, so a remote picture is a link that says where it leads.
      const words = escapeHtml(text || title || 'picture');
      return `<a href="${escapeHtml(href)}" data-picture="${escapeHtml(host)}">${words}</a>`;
    },
  },
});

let purifier: ReturnType<typeof DOMPurify> | undefined;

function sanitise(html: string): string {
  if (!purifier) {
    purifier = DOMPurify(window);
    purifier.addHook('afterSanitizeAttributes', (node) => {
      if (node.nodeName === 'A') {
        const href = node.getAttribute('href') ?? '';
        if (!isSafeLink(href)) node.removeAttribute('href');
        else if (/^https?:/i.test(href)) {
          node.setAttribute('target', '_blank');
          node.setAttribute('rel', 'noopener noreferrer');
        }
      }
      if (node.nodeName === 'IMG' && !OWN_PICTURE.test(node.getAttribute('src') ?? ''))
        node.remove();
    });
  }
  return purifier.sanitize(html, ALLOWED) as string;
}

function isFence(token: Token): token is Tokens.Code {
  return token.type === 'code' && (token as Tokens.Code).codeBlockStyle !== 'indented';
}

function block(key: string, token: Token, html: string): Block {
  if (isFence(token)) {
    return { key, kind: 'code', text: token.text, language: token.lang?.split(/\s/)[0] ?? '' };
  }
  return { key, kind: 'html', html: sanitise(html) };
}

function sourceOf(text: string): string {
  return upright(text.replaceAll('\r\n', '\n'));
}

/** A finished text in one go. */
export function renderMarkdown(text: string): Block[] {
  const source = sourceOf(text);
  const tokens = marked.lexer(source);
  const blocks: Block[] = [];
  let run: Token[] = [];
  const flush = () => {
    if (run.length === 0) return;
    const key = `b${blocks.length}`;
    blocks.push({
      key,
      kind: 'html',
      html: sanitise(marked.parser(Object.assign(run, { links: tokens.links }))),
    });
    run = [];
  };
  for (const token of tokens) {
    if (token.type === 'space' || token.type === 'def') continue;
    flush();
    if (isFence(token)) blocks.push(block(`b${blocks.length}`, token, ''));
    else run.push(token);
  }
  flush();
  return blocks;
}

/** A text that grows: call `update` with all of it so far; blocks that did not change keep their identity. */
export class GrowingMarkdown {
  #source = '';
  #frozenUpTo = 0;
  #frozen: Block[] = [];

  update(text: string): Block[] {
    const source = sourceOf(text);
    if (!source.startsWith(this.#source.slice(0, this.#frozenUpTo))) {
      this.#frozen = [];
      this.#frozenUpTo = 0;
    }
    this.#source = source;
    const tokens = marked.lexer(source.slice(this.#frozenUpTo));
    let last = tokens.length - 1;
    while (last >= 0 && tokens[last]?.type === 'space') last--;
    tokens.slice(0, Math.max(last, 0)).forEach((token) => {
      this.#frozenUpTo += token.raw.length;
      if (token.type === 'space' || token.type === 'def') return;
      const key = `b${this.#frozen.length}`;
      this.#frozen.push(block(key, token, isFence(token) ? '' : marked.parser([token])));
    });
    // A new array each time, so that who compares by identity sees that something grew.
    const blocks = [...this.#frozen];
    const open = tokens[Math.max(last, 0)];
    if (open && open.type !== 'space' && open.type !== 'def') {
      const html = isFence(open)
        ? ''
        : (marked.parse(remend(open.raw, { linkMode: 'text-only' })) as string);
      blocks.push(block(`b${blocks.length}`, open, html));
    }
    return blocks;
  }
}
