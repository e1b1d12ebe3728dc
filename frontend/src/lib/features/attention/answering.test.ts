import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lend } from '$lib/live/lent';
import { give, giveKept } from './answering';

beforeEach(() => lend('key'));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** The browser's database takes nothing any more. */
function gone(): void {
  const before = IDBDatabase.prototype.transaction;
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
    this: IDBDatabase,
    stores,
    mode,
  ) {
    if (mode === 'readwrite') throw new DOMException('gone', 'InvalidStateError');
    return before.call(this, stores, mode);
  });
}

const server = (answer: () => Promise<Response>) => {
  vi.stubGlobal('fetch', answer);
};

// spec: attention-44
test('an answer that is kept is given once there is a line', async () => {
  server(() => Promise.reject(new TypeError('no line')));
  expect(await give('item', 'allow')).toEqual({ to: 'kept' });
  server(() => Promise.resolve(new Response('{}')));
  expect(await giveKept()).toEqual([{ item: 'item', came: { to: 'taken' } }]);
  expect(await giveKept()).toEqual([]);
});

// spec: attention-44
test('what came of an answer is known also where the database of the browser went away', async () => {
  server(() => Promise.reject(new TypeError('no line')));
  gone();
  expect(await give('item', 'allow')).toEqual({ to: 'lost' });
  server(() => Promise.resolve(new Response('{}')));
  expect(await give('item', 'allow')).toEqual({ to: 'taken' });
  const problem = { status: 409, title: 'x', detail: 'It is over.', code: 'item_closed' };
  server(() =>
    Promise.resolve(
      new Response(JSON.stringify(problem), {
        status: 409,
        headers: { 'content-type': 'application/problem+json' },
      }),
    ),
  );
  expect(await give('item', 'allow')).toEqual({ to: 'refused', why: 'It is over.' });
});
