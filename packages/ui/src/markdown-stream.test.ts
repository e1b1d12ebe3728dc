import { mount, unmount } from 'svelte';
import { expect, test, vi } from 'vitest';
import MarkdownStream from './MarkdownStream.svelte';
import { rendering } from './rendering.svelte';

test('until the renderer is here a text is plain text, hostile or not; then it is drawn', async () => {
  const text = '**Bold** <img src=x onerror="alert(1)">\n\n<script>alert(1)</script>';
  const view = mount(MarkdownStream, { target: document.body, props: { text } });
  expect(rendering.settled).toBe(false);
  expect(document.querySelector('.plain')?.textContent).toBe(text);
  expect(document.querySelector('.markdown :is(img, script, strong)')).toBeNull();

  await vi.waitFor(() => expect(document.querySelector('.markdown strong')).not.toBeNull(), 10_000);
  expect(rendering.settled).toBe(true);
  expect(document.querySelector('.markdown :is(img, script)')).toBeNull();
  expect(document.querySelector('.plain')).toBeNull();
  await unmount(view);
});
