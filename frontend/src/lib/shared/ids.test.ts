import { afterEach, expect, test, vi } from 'vitest';
import { newId, underOneId } from './ids';

afterEach(() => vi.unstubAllGlobals());

test('an id is made where the browser makes none, as over plain http', () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  const ids = [newId(), newId()];
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect(new Set(ids).size).toBe(2);
});

test('what did not succeed is tried again under its id, and what did is another thing the next time', async () => {
  const given: string[] = [];
  const act = (fails: boolean) => (id: string) => {
    given.push(id);
    return fails ? Promise.reject(new Error('the answer was lost')) : Promise.resolve(id);
  };
  await expect(underOneId('go back to 3', act(true))).rejects.toThrow();
  await underOneId('go back to 4', act(false));
  await underOneId('go back to 3', act(false));
  await underOneId('go back to 3', act(false));
  expect(given[2]).toBe(given[0]);
  expect(new Set(given).size).toBe(3);
});
