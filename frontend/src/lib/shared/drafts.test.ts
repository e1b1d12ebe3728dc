import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Drafts } from './drafts';

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a draft is kept 400 ms after the last key', () => {
  const drafts = new Drafts(localStorage);
  drafts.write('main', 'Hel');
  vi.advanceTimersByTime(300);
  drafts.write('main', 'Hello');
  vi.advanceTimersByTime(300);
  expect(localStorage.length).toBe(0);
  vi.advanceTimersByTime(100);
  expect(new Drafts(localStorage).read('main')).toBe('Hello');
});

test('a page that goes away keeps what was typed a moment ago', () => {
  const drafts = new Drafts(localStorage);
  const stop = drafts.guard(window);
  drafts.write('s1', 'Half a');
  window.dispatchEvent(new Event('pagehide'));
  expect(new Drafts(localStorage).read('s1')).toBe('Half a');
  stop();
});

test('conversations have drafts of their own, and an empty one leaves nothing', () => {
  const drafts = new Drafts(localStorage);
  drafts.write('main', 'one');
  drafts.write('s1', 'two');
  drafts.flush();
  drafts.write('main', '');
  drafts.flush();
  expect(drafts.read('main')).toBe('');
  expect(drafts.read('s1')).toBe('two');
  expect(localStorage.length).toBe(1);
});

test('a full storage loses nothing while the page is open', () => {
  const full = {
    getItem: () => null,
    setItem: () => {
      throw new DOMException('full', 'QuotaExceededError');
    },
    removeItem: () => undefined,
  } as unknown as Storage;
  const drafts = new Drafts(full);
  drafts.write('main', 'Hello');
  vi.advanceTimersByTime(500);
  expect(drafts.read('main')).toBe('Hello');
});

test('what is taken is kept no more, written or not, and nothing else is', () => {
  const drafts = new Drafts(localStorage);
  drafts.write('item:1:form', 'one');
  drafts.flush();
  drafts.write('item:1:note', 'two');
  drafts.write('item:11:form', 'three');
  const taken = drafts.take('item:1:');
  expect([...taken].sort()).toEqual([
    ['form', 'one'],
    ['note', 'two'],
  ]);
  expect([drafts.read('item:1:form'), drafts.read('item:1:note')]).toEqual(['', '']);
  drafts.flush();
  expect(new Drafts(localStorage).read('item:11:form')).toBe('three');
  expect(new Drafts(localStorage).read('item:1:note')).toBe('');
});

test('of a storage that can no longer be used what was typed is taken all the same', () => {
  const broken = () => {
    throw new DOMException('damaged', 'InvalidStateError');
  };
  const storage = { getItem: broken, setItem: broken, removeItem: broken } as unknown as Storage;
  const drafts = new Drafts(storage);
  drafts.write('item:1:note', 'for now');
  expect([...drafts.take('item:1:')]).toEqual([['note', 'for now']]);
  expect(drafts.read('item:1:note')).toBe('');
});
