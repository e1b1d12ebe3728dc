import { getContext, setContext } from 'svelte';
import { Access, storedKey } from '$lib/features/access/access.svelte';
import { Muted } from '$lib/features/attention/muted.svelte';
import { Conversations } from '$lib/features/conversation/conversation.svelte';
import { Marks } from '$lib/features/conversation/reading.svelte';
import { Inbox } from '$lib/features/inbox/inbox.svelte';
import { keepFocus } from '$lib/features/inbox/keep-focus';
import { Projects } from '$lib/features/projects/projects.svelte';
import { Sessions } from '$lib/features/sessions/sessions.svelte';
import { Theme } from '$lib/features/settings/theme.svelte';
import { MAIN } from '$lib/live/reducer';
import type { Item } from '$lib/live/types';
import { en } from '$lib/messages/en';
import { Connection } from './connection.svelte';
import { Drafts } from './drafts';
import { Keymap } from './keymap.svelte';
import { tellPresence } from './presence';
import { Toasts } from './toasts.svelte';

/** To be read while one does something else. */
const LONG_MS = 10_000;
const CONTEXT = Symbol('mainloop');

/** Everything the page knows, made once by the layout. */
export class App {
  readonly drafts = new Drafts(localStorage);
  readonly toasts = new Toasts();
  readonly theme = new Theme();
  readonly keymap = new Keymap(localStorage, (keys) =>
    this.connection.live.call(() => this.connection.api.keepKeys(keys)),
  );
  readonly connection = new Connection(storedKey);
  readonly access = new Access(this.connection);
  readonly sessions = new Sessions(this.connection);
  readonly inbox = new Inbox(this.connection, this.toasts, this.drafts, (item, words) =>
    this.#leave(item, words),
  );
  readonly muted = new Muted(this.connection);
  readonly marks = new Marks(this.connection);
  readonly projects = new Projects(this.connection);
  readonly conversations = new Conversations(this.connection, this.sessions, this.drafts);
  #started = false;

  constructor() {
    this.connection.onchange((changes) => {
      const { state } = this.connection.live.world;
      if (changes.has('keys') && state) this.keymap.hear(state.person.keys ?? null);
      if (changes.has('preferences')) void this.muted.load().catch(() => undefined);
    });
  }

  /** An ask is over: the focus stays where it was asked, and what was begun to it goes on as a message there. */
  #leave(item: Item, words: string): void {
    const thread = item.session_id ?? MAIN;
    keepFocus(item.id, thread);
    if (!words) return;
    this.conversations.of(thread).goOn(words);
    const to = this.sessions.get(thread)?.handle ?? en.app.name;
    this.toasts.show({ text: en.asks.begunGoesOn(item.title, to) }, LONG_MS);
  }

  #stop: (() => void)[] = [];

  /** Follow the server, once this browser is signed in. */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#stop = [this.drafts.guard(window)];
    await this.connection.live.start();
    const { api, live } = this.connection;
    this.#stop.push(tellPresence(document, () => live.call(() => api.look())));
  }

  stop(): void {
    this.#stop.forEach((stop) => stop());
    if (this.#started) this.connection.live.stop();
  }

  /** Where no key is found, a scripted agent can show what all this is. */
  async letDemoAnswer(): Promise<void> {
    const { api, live } = this.connection;
    await live.call(() => api.chooseAgent('demo'));
    await live.refresh();
  }

  /** Run something the person asked for; where it fails, say so in the server's words. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.toasts.show({ text: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }
}

export function provideApp(): App {
  return setContext(CONTEXT, new App());
}

export function useApp(): App {
  return getContext<App>(CONTEXT);
}
