import { afterEach, expect, test, vi } from 'vitest';
import { Keymap } from '$lib/shared/keymap.svelte';
import type { App } from '$lib/shared/app.svelte';
import { Keys } from './keys';

const went = vi.hoisted(() => [] as string[]);

vi.mock('$app/navigation', () => ({ goto: (path: string) => Promise.resolve(went.push(path)) }));
vi.mock('$app/paths', () => ({ resolve: (_: string, { id }: { id: string }) => `/s/${id}` }));
vi.mock('$app/state', () => ({ page: { params: { id: 'own' }, state: {}, route: { id: '' } } }));

// A page of a browser has these.
vi.stubGlobal('CSS', { escape: (text: string) => text });
Element.prototype.scrollIntoView = () => undefined;

afterEach(() => {
  document.body.replaceChildren();
  went.length = 0;
});

/** What the two keys of a change press while the focus is here. */
function pressed(where: string): string[] {
  document.body.innerHTML = `
    <div data-session-row="other"><a href="#a">Other</a></div>
    <div data-session-row="own"><a href="#b">Own</a></div>
    <div data-item="ask"><div data-ask="ask" tabindex="-1"></div></div>
    <div data-diff tabindex="-1"></div>
    <button data-does="approve-change"></button><button data-does="send-comments"></button>`;
  const done: string[] = [];
  for (const button of document.querySelectorAll<HTMLElement>('[data-does]'))
    button.onclick = () => done.push(button.dataset['does'] ?? '');
  const app = {
    keymap: new Keymap(undefined),
    inbox: { get: () => ({ session_id: 'asking' }) },
  } as unknown as App;
  const keys = new Keys(app);
  const focused = document.querySelector<HTMLElement>(where);
  focused?.focus();
  expect(document.activeElement).toBe(focused);
  for (const init of [{ key: 'Enter', ctrlKey: true }, { key: 'r' }]) {
    focused?.addEventListener('keydown', (event) => keys.press(event), { once: true });
    focused?.dispatchEvent(new KeyboardEvent('keydown', init));
  }
  return done;
}

// spec: changes-61
test('the key of the open change does nothing to it while another session or an ask has the focus', () => {
  expect(pressed('[data-diff]')).toEqual(['approve-change', 'send-comments']);
  expect(pressed('[data-session-row=own] a')).toEqual(['approve-change', 'send-comments']);
  expect(went).toEqual([]);
  expect(pressed('[data-session-row=other] a')).toEqual([]);
  expect(went[0]).toBe('/s/other');
  expect(pressed('[data-ask]')).toEqual([]);
  expect(went).toContain('/s/asking');
});

// spec: page-20
test('what is answered keeps its place: one goes on from there, past all that are answered', () => {
  const items = ['a', 'b', 'c', 'd'].map((id) => ({ id, session_id: id, decisions: ['dismiss'] }));
  const held = new Set(['c']);
  const list = document.createElement('main');
  list.innerHTML = items.map(({ id }) => `<p data-ask="${id}" tabindex="-1"></p>`).join('');
  document.body.append(list);
  const app = {
    keymap: new Keymap(undefined),
    inbox: {
      items,
      get: (id: string) => items.find((item) => item.id === id),
      isHeld: (id: string) => held.has(id),
      answer: ({ id }: { id: string }) => held.add(id),
    },
  } as unknown as App;
  const keys = new Keys(app);
  list.onkeydown = (event) => keys.press(event);
  const asked = (id: string) => list.querySelector<HTMLElement>(`[data-ask=${id}]`);
  const press = (key: string) =>
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  asked('b')?.focus();
  press('e');
  expect(held).toEqual(new Set(['b', 'c']));
  expect(document.activeElement).toBe(asked('d'));
  press('n');
  expect(document.activeElement).toBe(asked('a'));
  press('N');
  expect(document.activeElement).toBe(asked('d'));
  asked('b')?.focus();
  press('N');
  expect(document.activeElement).toBe(asked('a'));
});
