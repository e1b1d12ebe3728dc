import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { insistOnAll } from './once';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('leaves no part behind one that is gone for good', async () => {
  const had: string[] = [];
  let gone = 0;
  void insistOnAll([
    () => Promise.reject(new Error(`gone ${++gone}`)),
    () => Promise.resolve(had.push('palette')),
  ]);
  await vi.advanceTimersByTimeAsync(0);
  expect(had).toEqual(['palette']);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(had).toEqual(['palette']);
  // Every quarter of a minute at last.
  expect(gone).toBeLessThan(50);
});
