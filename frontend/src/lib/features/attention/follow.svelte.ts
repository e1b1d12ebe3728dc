/** What this device shows outside of the page follows the inbox: the badge, and the notifications that still hold. */
import { goto } from '$app/navigation';
import { page } from '$app/state';
import { storedKey } from '$lib/features/access/access.svelte';
import { focusAsk } from '$lib/features/inbox/settle';
import { lend } from '$lib/live/lent';
import { untrack } from 'svelte';
import type { App } from '$lib/shared/app.svelte';
import { inTurn } from './notices';
import { asBody } from './push';

/** Which subscription the server was told last. */
const TOLD = 'mainloop.push';

/** Until the answer is called. */
export function follow(app: App): () => void {
  const go = ({ data, ports }: MessageEvent<{ goto?: unknown } | null>) => {
    ports[0]?.postMessage('heard');
    const path = data?.goto;
    // From our own worker, and a path of this page only.
    // eslint-disable-next-line svelte/no-navigation-without-resolve -- made by the server, for this page
    if (typeof path === 'string' && /^\/(?!\/)/.test(path)) void goto(path);
  };
  navigator.serviceWorker?.addEventListener('message', go);
  void renew(app);
  void lend(storedKey());
  const stop = $effect.root(() => {
    // An address may name an ask; one that is over stands in the log.
    const named = $derived(decodeURIComponent(/^#ask=(.+)$/.exec(page.url.hash)?.[1] ?? ''));
    // Whatever else comes and goes in the inbox must not take the focus there again.
    const waits = $derived(app.inbox.isOpen(named));
    $effect(() => {
      const item = named;
      return waits ? untrack(() => whenThere(item)) : undefined;
    });
    $effect(() => {
      if (app.connection.link.state === 'open') void app.muted.load().catch(() => undefined);
    });
    $effect(() => {
      const waiting = app.inbox.items.map((item) => item.id);
      // Nothing is known of the inbox before the server has said it: what was kept may be of yesterday.
      if (app.connection.state && app.connection.link.state === 'open') void show(waiting);
    });
  });
  return () => {
    stop();
    navigator.serviceWorker?.removeEventListener('message', go);
  };
}

/** So long an ask may take to be drawn where it is answered. */
const DRAWN_MS = 5000;

/** Gives it the focus as soon as it stands on the page; until the answer is called. */
function whenThere(item: string): () => void {
  let frame = 0;
  const until = performance.now() + DRAWN_MS;
  const look = () => {
    if (!focusAsk(item) && performance.now() < until) frame = requestAnimationFrame(look);
  };
  look();
  return () => cancelAnimationFrame(frame);
}

/** A browser may change its subscription by itself: then the server hears of it with the next visit. */
async function renew(app: App): Promise<void> {
  const worker = await navigator.serviceWorker?.getRegistration();
  const found = await worker?.pushManager?.getSubscription().catch(() => null);
  if (!found || localStorage.getItem(TOLD) === found.endpoint) return;
  await app.connection.live
    .call(() => app.connection.api.subscribe(asBody(found)))
    .then(
      () => noteTold(found),
      () => undefined,
    );
}

export function noteTold(subscription: PushSubscription | null): void {
  if (subscription) localStorage.setItem(TOLD, subscription.endpoint);
  else localStorage.removeItem(TOLD);
}

// What this page has seen waiting. What it has not may be newer than all it knows.
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is drawn from it
const seen = new Set<string>();

async function show(waiting: string[]): Promise<void> {
  for (const item of waiting) seen.add(item);
  void navigator.setAppBadge?.(waiting.length).catch(() => undefined);
  const worker = await navigator.serviceWorker?.getRegistration();
  if (!worker?.getNotifications) return;
  for (const shown of await inTurn(() => worker.getNotifications())) {
    const { items = [], at = Infinity } = (shown.data ?? {}) as { items?: string[]; at?: number };
    const older = at < performance.timeOrigin;
    const over = (item: string) => !waiting.includes(item) && (older || seen.has(item));
    if (items.length && items.every(over)) shown.close();
  }
}
