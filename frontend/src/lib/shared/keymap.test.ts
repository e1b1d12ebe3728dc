import { expect, test, vi } from 'vitest';
import { DEFAULTS, Keymap, printed, strokeOf } from './keymap.svelte';

function storage(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as Storage;
}

const press = (key: string, more: Partial<KeyboardEvent> = {}) =>
  strokeOf({
    key,
    code: '',
    altKey: false,
    metaKey: false,
    ctrlKey: false,
    ...more,
  } as KeyboardEvent);

test('a stroke is the key as it is typed', () => {
  expect(press('u')).toBe('u');
  expect(press('U', { shiftKey: true })).toBe('U');
  expect(press('?', { shiftKey: true })).toBe('?');
  expect(press('k', { metaKey: true })).toBe('mod+k');
  expect(press('K', { ctrlKey: true })).toBe('mod+k');
  // Others are the browser's, and on a Mac Ctrl moves in a field.
  expect(press('K', { ctrlKey: true, shiftKey: true })).toBe('mod+Shift+k');
  vi.stubGlobal('navigator', { userAgent: 'Macintosh; Intel Mac OS X' });
  expect(press('k', { ctrlKey: true })).toBe('');
  expect(press('k', { metaKey: true })).toBe('mod+k');
  vi.unstubAllGlobals();
  expect(press('Shift', { shiftKey: true })).toBe('');
  expect(press('@', { altKey: true })).toBe('');
});

test('where letters are not Latin ones, the place of the key counts', () => {
  expect(press('с', { code: 'KeyC' })).toBe('c');
  expect(press('Г', { code: 'KeyU', shiftKey: true })).toBe('U');
  // A letter that a Latin layout has at another place stays what it says.
  expect(press('z', { code: 'KeyY' })).toBe('z');
});

test('keys stand as they are printed', () => {
  expect(printed('U')).toBe('⇧U');
  expect(printed('g c')).toBe('G C');
  expect(printed('mod+Enter')).toMatch(/^(⌘|Ctrl )⏎$/);
});

test('the keys as they come clash nowhere', () => {
  const keymap = new Keymap(undefined);
  for (const [action, keys] of Object.entries(DEFAULTS)) {
    expect(keymap.rival(action as keyof typeof DEFAULTS, keys), action).toBeNull();
  }
});

test('a beginning of something longer is waited for', () => {
  const keymap = new Keymap(undefined);
  expect(keymap.find('g')).toBe('begun');
  expect(keymap.find('g c')).toBe('chat');
  expect(keymap.find('g q')).toBeNull();
});

test('in a permission N denies, elsewhere it is the next that needs you', () => {
  const keymap = new Keymap(undefined);
  expect(keymap.find('n')).toBe('nextNeeds');
  expect(keymap.inPermission({ key: 'n', code: '' } as KeyboardEvent)).toBe('deny');
  expect(keymap.inPermission({ key: 'x', code: '' } as KeyboardEvent)).toBeNull();
});

test('what lets something through is no key of anything else, in either case, and not the reverse', () => {
  const keymap = new Keymap(undefined);
  expect(keymap.rival('deny', 'Y')).toBe('allow');
  expect(keymap.rival('allow', 'N')).toBe('nextNeeds');
  expect(keymap.rival('allow', 'J')).toBe('next');
  expect(keymap.rival('always', 's')).toBe('sessions');
  expect(keymap.rival('snooze', 'Y')).toBe('allow');
  expect(keymap.rival('snooze', 'g a')).toBe('always');
  // To refuse by mistake lets nothing through.
  expect(keymap.rival('deny', 'j')).toBeNull();
  expect(keymap.rival('allow', 'q')).toBeNull();
});

test('a permission is decided by one key that presses nothing else', () => {
  for (const keys of ['Enter', 'Space', 'y y', 'mod+y']) {
    expect(Keymap.takes('allow', keys), keys).toBe(false);
    expect(Keymap.takes('deny', keys), keys).toBe(false);
    expect(Keymap.takes('snooze', keys), keys).toBe(true);
  }
  expect(Keymap.takes('always', '+')).toBe(true);
  const kept = storage();
  kept.setItem('mainloop.keys', '{"allow": "Enter", "deny": "y"}');
  const keymap = new Keymap(kept);
  expect(keymap.inPermission({ key: 'Enter', code: '' } as KeyboardEvent)).toBeNull();
  // What was kept and means both refuses.
  expect(keymap.inPermission({ key: 'Y', code: '' } as KeyboardEvent)).toBe('deny');
});

test('changed keys are kept, tell who had them, and can all be given back', () => {
  const kept = storage();
  const keymap = new Keymap(kept);
  expect(keymap.rival('snooze', 'j')).toBe('next');
  expect(keymap.rival('snooze', 'g')).toBe('chat');
  keymap.set('snooze', 's');
  expect(new Keymap(kept).find('s')).toBe('snooze');
  expect(new Keymap(kept).find('h')).toBeNull();
  keymap.reset();
  expect(new Keymap(kept).find('h')).toBe('snooze');
  expect(kept.getItem('mainloop.keys')).toBeNull();
});

test('what is changed here is said to the server, and what is changed elsewhere holds here', async () => {
  const kept = storage();
  const said: Record<string, string>[] = [];
  const keymap = new Keymap(kept, async (keys) => void said.push(keys));
  keymap.set('snooze', 's');
  await vi.waitFor(() => expect(kept.getItem('mainloop.keys.unsent')).toBeNull());
  expect(said).toEqual([{ snooze: 's' }]);
  keymap.hear({ undo: 'u', launch: 'l', allow: 'Enter' });
  expect([keymap.of('snooze'), keymap.of('undo'), keymap.of('allow')]).toEqual(['h', 'u', 'y']);
  expect(new Keymap(kept).of('undo')).toBe('u');
  keymap.hear({});
  expect(keymap.changed).toBe(false);
  expect(said).toHaveLength(1);
});

test('what only this browser has becomes what every device has', async () => {
  const kept = storage();
  kept.setItem('mainloop.keys', '{"snooze": "s"}');
  const said: Record<string, string>[] = [];
  new Keymap(kept, async (keys) => void said.push(keys)).hear(null);
  await vi.waitFor(() => expect(said).toEqual([{ snooze: 's' }]));
});

test('what was changed without a line is said when there is one, and nothing takes it back meanwhile', async () => {
  const kept = storage();
  const offline = new Keymap(kept, () => Promise.reject(new Error('no line')));
  offline.set('snooze', 's');
  await Promise.resolve();
  const said: Record<string, string>[] = [];
  const later = new Keymap(kept, async (keys) => void said.push(keys));
  later.hear({ undo: 'u' });
  expect(later.of('snooze')).toBe('s');
  await vi.waitFor(() => expect(said).toEqual([{ snooze: 's' }]));
});

test('what is kept and makes no sense is left out', () => {
  const kept = storage();
  kept.setItem('mainloop.keys', '{"snooze": 3, "launch": "l", "undo": "u"}');
  const keymap = new Keymap(kept);
  expect(keymap.find('h')).toBe('snooze');
  expect(keymap.find('u')).toBe('undo');
  expect(keymap.find('l')).toBeNull();
  kept.setItem('mainloop.keys', 'not JSON');
  expect(new Keymap(kept).find('z')).toBe('undo');
});
