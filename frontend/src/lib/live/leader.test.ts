import { expect, test } from 'vitest';
import { Leadership } from './leader';

/** The browser's locks, as far as leadership needs them. */
class FakeLocks {
  #holder: { reject: (error: unknown) => void } | null = null;
  #queue: (() => void)[] = [];

  request(
    _: string,
    options: LockOptions,
    work: () => Promise<void> | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const take = () => {
        const me = { reject };
        this.#holder = me;
        void Promise.resolve(work()).then(() => {
          if (this.#holder !== me) return;
          this.#holder = null;
          resolve(undefined);
          this.#queue.shift()?.();
        });
      };
      if (options.steal) {
        this.#holder?.reject(new DOMException('stolen', 'AbortError'));
        take();
      } else if (this.#holder) this.#queue.push(take);
      else take();
    });
  }
}

class FakePage extends EventTarget {
  visibilityState: DocumentVisibilityState = 'visible';
  turn(to: DocumentVisibilityState) {
    this.visibilityState = to;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

function tab(locks: FakeLocks | undefined, page = new FakePage()) {
  const leadership = new Leadership({
    locks: locks as unknown as LockManager | undefined,
    page: page as unknown as Document,
    onlead: () => undefined,
    onfollow: () => undefined,
  });
  leadership.start();
  return leadership;
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1));

test('exactly one of many tabs leads, and the next takes over', async () => {
  const locks = new FakeLocks();
  const tabs = [tab(locks), tab(locks), tab(locks)];
  await settle();
  expect(tabs.map((one) => one.leading)).toEqual([true, false, false]);
  tabs[0]?.stop();
  await settle();
  expect(tabs.map((one) => one.leading)).toEqual([false, true, false]);
});

test('a leader that has gone quiet is replaced, and stands in line again', async () => {
  const locks = new FakeLocks();
  const [first, second] = [tab(locks), tab(locks)];
  await settle();
  second.steal();
  await settle();
  expect([first.leading, second.leading]).toEqual([false, true]);
});

test('without locks only the tab one looks at streams', () => {
  const page = new FakePage();
  const only = tab(undefined, page);
  expect(only.leading).toBe(true);
  page.turn('hidden');
  expect(only.leading).toBe(false);
  page.turn('visible');
  expect(only.leading).toBe(true);
});
