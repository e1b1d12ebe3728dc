import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import Announcer from './Announcer.svelte';

class World {
  items = $state.raw<object[]>([]);
  /** The thread one is in, and which ones work. */
  here = $state('main');
  working = $state.raw<string[]>([]);
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
    conversations: {
      of: (id: string) => ({
        get working() {
          return world.working.includes(id);
        },
      }),
    },
  }),
}));
vi.mock('$app/state', () => ({
  page: {
    get params() {
      return world.here === 'main' ? {} : { id: world.here };
    },
  },
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
  pass(300);
  expect(heard()).toBe(words);
});

const region = () => document.querySelector('[role=status]');
const heard = () => region()?.textContent?.trim();

function pass(ms: number): void {
  flushSync();
  vi.advanceTimersByTime(ms);
  flushSync();
}

function finish(thread: string): void {
  world.working = [thread];
  flushSync();
  world.working = [];
  flushSync();
}

// spec: page-22
test('of several that ask in the same moment each is said, and how many more there are', () => {
  const item = (id: number) => ({ id, ask: {}, session_id: 'one', title: `Number ${id}?` });
  world.items = [1, 2, 3, 4, 5].map(item);
  pass(300);
  const asked = [1, 2, 3].map((id) => `pine asks: Number ${id}?`);
  expect(heard()).toBe([...asked, 'and 2 more'].join('\n'));
});

// spec: page-22
test('that an answer is finished is said each time, in words that are new to the page', () => {
  finish('main');
  pass(300);
  expect(heard()).toBe('loop: answer finished');
  const first = region()?.firstElementChild;
  finish('main');
  pass(300);
  expect(region()?.firstElementChild, 'within five seconds').toBe(first);
  pass(5000);
  expect(heard()).toBe('loop: answer finished');
  expect(region()?.firstElementChild).not.toBe(first);
});

// spec: page-22
test('in a session it is that one whose answer is finished', () => {
  world.here = 'one';
  flushSync();
  finish('main');
  pass(300);
  expect(heard()).toBe('');
  finish('one');
  pass(300);
  expect(heard()).toBe('pine: answer finished');
});
