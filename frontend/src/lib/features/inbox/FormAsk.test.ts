import { mount, unmount } from 'svelte';
import { expect, test, vi } from 'vitest';
import type { FormAsk as Ask, Item } from '$lib/live/types';
import FormAsk from './FormAsk.svelte';

vi.mock('$lib/shared/app.svelte', () => ({ useApp: () => ({ drafts: { read: () => '' } }) }));

// spec: length-17
test('in what a form asks no letters are turned around, be it in its fields or in what is chosen', () => {
  const turned = (text: string) => `${text} \u202edet`;
  const choices = ['a', 'b'].map((value) => ({ value, title: turned(value) }));
  const field = { required: true, format: null, least: null, most: null, default: null, choices };
  const fields = ['choice', 'choices', 'text', 'boolean'].map((kind) => ({
    ...field,
    kind,
    name: kind,
    title: turned(kind),
    description: turned('what it is'),
  }));
  const ask = { kind: 'form', message: turned('Which?'), fields } as unknown as Ask;
  const props = { item: { id: '1' } as Item, ask, give: () => undefined };
  const form = mount(FormAsk, { target: document.body, props });
  const shown = document.body.textContent;
  expect(shown).toContain('Which? ‹U+202E›det');
  expect(shown).not.toContain('\u202e');
  void unmount(form);
});
