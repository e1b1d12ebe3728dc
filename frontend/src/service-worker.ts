/// <reference types="@sveltejs/kit" />
/// <reference lib="webworker" />
/**
 * Keeps the page itself, so that it opens where its server is gone. What the server says is never kept here: the API
 * passes by, and what was read of it is in the browser's database.
 */
import { build, files, version } from '$service-worker';
import { give, giveKept } from '$lib/features/attention/answering';
import { inTurn } from '$lib/features/attention/notices';
import { SETTLE_MS } from '$lib/features/inbox/settle';
import { worker as words } from '$lib/messages/worker';

const worker = self as unknown as ServiceWorkerGlobalScope;
const NAME = `page-${version}`;
const SHELL = '/';
/** A server that has not answered by then is waited for no longer, where the shell is here. */
const PATIENCE_MS = 3000;
/** Every notification of ours. */
const LOOK = { icon: '/icon-192.png', badge: '/badge-96.png' };
/** What the browser wakes this worker with once there is a line again. */
const SYNC = 'answers';

worker.addEventListener('install', (event) => {
  const shell = new Request(SHELL, { headers: { accept: 'text/html' }, cache: 'no-cache' });
  event.waitUntil(
    caches
      .open(NAME)
      .then((cache) => cache.addAll([...build, ...files, shell]))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      // The version before stays: its tabs may be open, and ask for parts that they have not needed so far.
      .then((names) => names.filter((name) => name.startsWith('page-')).slice(0, -2))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  if (request.mode === 'navigate') {
    if (!/^\/(api|docs|openapi\.json|runner)\b/.test(pathname)) event.respondWith(page(request));
  } else if (pathname.startsWith('/_app/immutable/') || files.includes(pathname)) {
    event.respondWith(part(request));
  }
});

/** The newest shell while its server answers, else the one that is here. */
async function page(request: Request): Promise<Response> {
  const kept = () => caches.match(SHELL, { cacheName: NAME });
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS));
  const asked = fetch(request);
  const answer = await Promise.race([asked, late]).catch(() => undefined);
  if (answer && answer.status < 500) return answer;
  return (await kept()) ?? answer ?? asked;
}

/** Parts bear the hash of what is in them: one that is here is the right one. */
async function part(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(NAME)).put(request, answer.clone());
  return answer;
}

/** As the server sends it, see `notifiers/base.py`. */
interface Told {
  about: 'push' | 'digest' | 'test' | 'clear';
  tag: string;
  title: string;
  text: string;
  path: string;
  items: string[];
  actions?: Decision[];
  badge: number;
}

/** What may be pressed on a notification, where the system has buttons. */
type Decision = 'allow' | 'deny';

/** What a notification keeps of it. */
interface Shown {
  path: string;
  items: string[];
  at: number;
}

worker.addEventListener('push', (event) => {
  const told = event.data?.json() as Told | undefined;
  if (told) event.waitUntil(told.about === 'clear' ? clear(told) : show(told));
});

/** As one of ours. */
function display(title: string, options: NotificationOptions): Promise<void> {
  return inTurn(() => worker.registration.showNotification(title, { ...LOOK, ...options }));
}

function displayed(filter: GetNotificationOptions = {}): Promise<Notification[]> {
  return inTurn(() => worker.registration.getNotifications(filter));
}

async function show(told: Told): Promise<void> {
  const fit = told.actions && (Notification.maxActions ?? 0) >= told.actions.length;
  await display(told.title, {
    body: told.text,
    tag: told.tag,
    data: { path: told.path, items: told.items, at: Date.now() } satisfies Shown,
    // It takes the place of an older one, and is heard all the same.
    ...{ renotify: true },
    ...(fit && { actions: told.actions?.map((action) => ({ action, title: words[action] })) }),
  });
  if (told.about === 'push')
    await worker.navigator.setAppBadge?.(told.badge).catch(() => undefined);
}

async function clear(told: Told): Promise<void> {
  for (const shown of await displayed({ tag: told.tag })) shown.close();
  await worker.navigator.setAppBadge?.(told.badge).catch(() => undefined);
}

worker.addEventListener('notificationclick', (event) => {
  const { notification } = event;
  const { path = '/', items = [], at = 0 } = (notification.data ?? {}) as Partial<Shown>;
  const decision = event.action === 'allow' || event.action === 'deny' ? event.action : null;
  const [item] = items;
  notification.close();
  // What came under the finger a moment ago was not what was meant.
  const meant = Date.now() - at >= SETTLE_MS;
  event.waitUntil(decision && item && meant ? answer(notification, decision, item) : open(path));
});

/** Answers at once, without a page. What does not get through is said in the place of what was pressed. */
async function answer(pressed: Notification, decision: Decision, item: string): Promise<void> {
  const came = await give(item, decision);
  if (came.to === 'taken') return;
  if (came.to === 'kept') {
    await say(pressed, words.kept(words[decision]), [item]);
    await syncLater();
  } else if (came.to === 'lost') await say(pressed, words.lost, [item]);
  else if (came.to === 'refused') await say(pressed, came.why, []);
  else {
    const { path } = pressed.data as Shown;
    await open(path).catch(() => say(pressed, words.signedOut, []));
  }
}

/** `items`: while these wait it stands; without any until it is seen. */
async function say(pressed: Notification, body: string, items: string[]): Promise<void> {
  const { path } = pressed.data as Shown;
  await display(pressed.title, {
    body,
    tag: pressed.tag,
    silent: true,
    data: { path, items, at: Date.now() } satisfies Shown,
  });
}

/** Once there is a line the browser wakes this worker, where it can; else the page sends it when it is opened. */
async function syncLater(): Promise<void> {
  const { sync } = worker.registration as { sync?: { register: (tag: string) => Promise<void> } };
  await sync?.register(SYNC).catch(() => undefined);
}

worker.addEventListener('sync' as 'message', (event) => {
  if ((event as ExtendableEvent & { tag?: string }).tag === SYNC) event.waitUntil(sync());
});

async function sync(): Promise<void> {
  const all = await giveKept();
  for (const shown of await displayed()) {
    const { items = [] } = (shown.data ?? {}) as Partial<Shown>;
    const came = all.find(({ item }) => items.includes(item))?.came;
    if (came?.to === 'taken') shown.close();
    else if (came?.to === 'refused') await say(shown, came.why, []);
    else if (came?.to === 'signed_out') await say(shown, words.signedOut, items);
  }
  // The browser tries again later.
  if (all.some(({ came }) => came.to === 'kept')) throw new Error('There is no line yet.');
}

/** A page that hears nothing by then is none of ours, or is not ready. */
const HEARD_MS = 1000;

/** The page that is open already goes there; else one opens there. */
async function open(path: string): Promise<void> {
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const ours = pages.filter(({ url }) => !/^\/(api|docs|pair)\b/.test(new URL(url).pathname));
  const page = ours.find((one) => one.visibilityState === 'visible') ?? ours[0];
  if (!page || !(await goes(page, path))) await worker.clients.openWindow(path);
}

/** Whether a page says that it goes there. */
async function goes(page: WindowClient, path: string): Promise<boolean> {
  await page.focus().catch(() => undefined);
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => resolve(true);
    setTimeout(() => resolve(false), HEARD_MS);
    page.postMessage({ goto: path }, [port2]);
  });
}
