import { expect, test } from 'vitest';
import { attention } from './attention';
import { en } from './en';

// spec: attention-20
test('whatever may wait in the inbox can be muted, and told in quiet hours', () => {
  expect(Object.keys(attention.kinds).sort()).toEqual(Object.keys(en.asks.kinds).sort());
});
