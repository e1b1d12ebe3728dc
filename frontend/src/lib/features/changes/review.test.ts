import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Drafts } from '$lib/shared/drafts';
import type { ChangedFile } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';
import { Review } from './review.svelte';

const file = { id: 'f', path: 'src/a.py' } as ChangedFile;

/** A page of this browser: its comments, and what it has handed over. */
class Page {
  readonly drafts = new Drafts(localStorage);
  readonly said: { text: string; id: string }[] = [];
  readonly review: Review;

  constructor() {
    const sendMessage = (_: string, text: string, __: string, ___: [], ____: [], id: string) => {
      this.said.push({ text, id });
      return Promise.resolve();
    };
    const app = {
      connection: {
        live: { sendMessage, call: (work: () => Promise<unknown>) => work() },
        api: { headers: () => ({}) },
      },
      drafts: this.drafts,
      attempt: (work: () => Promise<unknown>) =>
        work().then(
          () => true,
          () => false,
        ),
    };
    this.review = new Review('s', app as unknown as App);
  }

  comment(text: string) {
    this.review.begin(file, null);
    const { id } = this.review.comments.at(-1) ?? { id: '' };
    this.review.change(id, { text, state: 'kept' });
    return id;
  }
}

beforeEach(() => localStorage.clear());
afterEach(() => vi.unstubAllGlobals());

// spec: changes-16, changes-18
describe('a review', () => {
  it('is sent once, however often one says so', async () => {
    const page = new Page();
    page.comment('Why?');
    const { review, said } = page;
    const [comment] = review.waiting;
    const first = review.send(review.waiting);
    expect(review.waiting).toEqual([]);
    await Promise.all([first, review.send(comment ? [comment] : []), review.send(review.comments)]);
    await review.send(review.comments);
    expect(said).toHaveLength(1);
    expect(review.comments.map(({ state }) => state)).toEqual(['sent']);
  });

  it('gives the focus to the comment that is begun or gone on with, once', () => {
    const { review } = new Page();
    review.begin(file, null);
    const { id } = review.comments[0] ?? { id: '' };
    expect(review.takesFocus(id)).toBe(true);
    expect(review.takesFocus(id)).toBe(false);
    review.change(id, { text: 'Why?', state: 'kept' });
    expect(review.takesFocus(id)).toBe(false);
    review.edit(id);
    expect(review.takesFocus(id)).toBe(true);
  });

  it('is that of both tabs, and what one has sent the other does not send again', async () => {
    const [one, other] = [new Page(), new Page()];
    const key = one.drafts.keyOf('s:review');
    // The browser tells the tabs that did not write.
    const told = (oldValue: string | null) => {
      const newValue = localStorage.getItem(key);
      dispatchEvent(new StorageEvent('storage', { key, oldValue, newValue }));
      return newValue;
    };
    one.comment('From one');
    one.drafts.flush();
    const before = told(null);
    other.comment('From the other');
    other.drafts.flush();
    told(before);
    expect(one.review.waiting.map(({ text }) => text)).toEqual(['From one', 'From the other']);
    // Sent in one tab, and the other has not heard of it yet.
    await one.review.send(one.review.waiting);
    expect(other.review.waiting).toHaveLength(2);
    await other.review.send(other.review.waiting);
    expect(one.said).toHaveLength(1);
    expect(other.said).toHaveLength(0);
  });
});

// spec: changes-62
it('what is sent back is one message however often it is tried, and another one when it is said again', async () => {
  const ids: string[] = [];
  let reached = false;
  vi.stubGlobal('fetch', (_: string, { body }: { body: string }) => {
    ids.push((JSON.parse(body) as { id: string }).id);
    // The server has taken it, and the answer is lost.
    return reached ? Promise.resolve(new Response('{}')) : Promise.reject(new TypeError());
  });
  expect(await new Page().review.sendBack('c1', 'Run the tests.')).toBe(false);
  reached = true;
  // Also on a page that is loaded anew.
  const page = new Page();
  expect(await page.review.sendBack('c1', 'Run the tests.')).toBe(true);
  expect(ids[1]).toBe(ids[0]);
  // Its agent has answered without a new commit.
  expect(await page.review.sendBack('c1', 'Run the tests.')).toBe(true);
  expect(ids).toHaveLength(3);
  expect(ids[2]).not.toBe(ids[0]);
});
