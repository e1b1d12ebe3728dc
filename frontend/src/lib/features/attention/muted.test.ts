import { expect, test } from 'vitest';
import type { Preferences } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';
import { Muted } from './muted.svelte';

// spec: attention-46
test('what was asked for later is what is known, whichever answer comes last', async () => {
  const answers: ((...kinds: string[]) => void)[] = [];
  const answer = () =>
    new Promise<Preferences>((give) =>
      answers.push((...muted_kinds) => give({ muted_kinds } as unknown as Preferences)),
    );
  const muted = new Muted({
    live: { call: (work: () => Promise<unknown>) => work() },
    api: { preferences: answer, mute: answer },
  } as unknown as Connection);
  const asked = [muted.load(), muted.set({ what: 'kind', id: 'stall' }, true), muted.load()];
  const [first, second, third] = answers;
  // Who muted something is not told that it is done before it is known here.
  second?.('stall');
  await asked[1];
  expect(muted.all('kind')).toEqual(['stall']);
  first?.();
  await asked[0];
  expect(muted.all('kind')).toEqual(['stall']);
  third?.('stall', 'plan');
  await asked[2];
  expect(muted.all('kind')).toEqual(['stall', 'plan']);
});
