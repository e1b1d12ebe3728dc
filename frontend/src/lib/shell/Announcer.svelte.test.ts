import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import Announcer from './Announcer.svelte';

class World {
  items = $state.raw<object[]>([]);
}
let world = new World();

vi.mock('$lib/shared/app.svelte', () => ({
  useApp: () => ({
    inbox: {
      get items() {
        return world.items;
      },
    },
    sessions: { get: (id: string) => (id === 'one' ? { handle: 'pine' } : undefined) },
    conversations: { main: { working: false } },
  }),
}));

let announcer: object;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  announcer = mount(Announcer, { target: document.body });
  flushSync();
});

afterEach(async () => {
  await unmount(announcer);
  vi.useRealTimers();
});

test.each([
  [
    { kind: 'question', ask: {}, session_id: 'one', title: 'Which grey?' },
    'pine asks: Which grey?',
  ],
  [{ kind: 'watch', session_id: 'one', title: 'pine is done.' }, 'pine is done.'],
  [{ kind: 'failure', session_id: 'one', title: 'It broke.' }, 'pine: It broke.'],
  [{ kind: 'ceiling', title: 'A day has cost enough.' }, 'mainloop: A day has cost enough.'],
])('what waits is said as what it is: %j', (item, words) => {
  world.items = [{ id: 'item', ...item }];
  flushSync();
  vi.advanceTimersByTime(300);
  flushSync();
  expect(document.querySelector('[role=status]')?.textContent).toBe(words);
});
