import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SETTLE_MS } from '$lib/features/inbox/settle';
import type { Project, ProposedChange, Session } from '$lib/live/types';
import MergeDialog from './MergeDialog.svelte';
import ToReview from './ToReview.svelte';

const project = {
  id: 'shop',
  source: 'https://git.example/shop',
  settings: {
    test: 'make test',
    merge: { how: 'squash', needs_green: true, needs_approval: true, by_itself: false },
  },
} as unknown as Project;

const change = (more: object = {}) =>
  ({
    state: 'open',
    commit: 'c1',
    base_commit: 'b1',
    base: 'main',
    conflicts: [],
    approved: false,
    how: 'squash',
    checks: [{ commit: 'c1', state: 'passed' }],
    ...more,
  }) as unknown as ProposedChange;

const session = (id: string) =>
  ({ id, state: 'in_review', project_id: 'shop', change: change() }) as unknown as Session;

class World {
  toReview = $state.raw<Session[]>([]);
  items = $state.raw<{ id: string }[]>([]);
  change = $state.raw(change());
}
let world = new World();

vi.mock('$lib/shared/app.svelte', () => ({
  useApp: () => ({
    projects: { all: [project] },
    inbox: world,
    sessions: {
      get toReview() {
        return world.toReview;
      },
      working: [],
    },
    connection: {
      api: { headers: () => ({}) },
      live: { call: (work: () => Promise<unknown>) => work() },
    },
    attempt: (work: () => Promise<unknown>) => work(),
  }),
}));

/** What the server was asked: where, and with what. */
const asked: { path: string; body: Record<string, unknown> }[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  asked.length = 0;
  vi.stubGlobal('fetch', (path: string, { body }: { body: string }) => {
    asked.push({ path, body: JSON.parse(body) as Record<string, unknown> });
    return Promise.resolve(new Response('{}'));
  });
  // jsdom has none.
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function press(words: RegExp): void {
  flushSync();
  const all = [...document.querySelectorAll<HTMLButtonElement>('button')];
  const button = all.find(({ textContent }) => words.test(textContent.trim()));
  if (!button) throw new Error(`There is no button ${String(words)}.`);
  button.click();
}

// spec: changes-61
test.each(['a card above it goes', 'an ask above it goes', 'what it is merged onto moves'])(
  'a change in the list is not approved by a tap just after %s',
  async (what) => {
    const own = session('own');
    world.toReview = [session('above'), own];
    world.items = [{ id: 'ask' }];
    const props = {
      session: own,
      get change() {
        return world.change;
      },
    };
    const view = mount(ToReview, { target: document.body, props });
    flushSync();
    vi.advanceTimersByTime(SETTLE_MS * 2);
    if (what.startsWith('a card')) world.toReview = [own];
    else if (what.startsWith('an ask')) world.items = [];
    else world.change = change({ base_commit: 'b2' });
    flushSync();
    vi.advanceTimersByTime(SETTLE_MS - 100);
    press(/^Approve/);
    expect(asked).toEqual([]);
    // One below it moves nothing.
    world.toReview = [...world.toReview, session('below')];
    vi.advanceTimersByTime(200);
    press(/^Approve/);
    expect(asked.map(({ path }) => path)).toEqual(['/api/sessions/own/change/review']);
    await unmount(view);
  },
);

// spec: changes-63
test('a press on "Merge" does not merge anyway because the tests have failed under it', async () => {
  const props = {
    session: session('own'),
    get change() {
      return world.change;
    },
    project,
    onclose: () => undefined,
  };
  const view = mount(MergeDialog, { target: document.body, props });
  flushSync();
  vi.advanceTimersByTime(SETTLE_MS * 2);
  world.change = change({ checks: [{ commit: 'c1', state: 'failed' }] });
  flushSync();
  vi.advanceTimersByTime(SETTLE_MS - 100);
  press(/^Merge anyway$/);
  expect(asked).toEqual([]);
  vi.advanceTimersByTime(200);
  press(/^Merge anyway$/);
  expect(asked.map(({ body }) => body['anyway'])).toEqual([true]);
  await unmount(view);
});
