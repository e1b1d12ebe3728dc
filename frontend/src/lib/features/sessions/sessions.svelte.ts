import type { components } from '@mainloop/api-client';
import { SvelteSet } from 'svelte/reactivity';
import { Problem, type SessionAct } from '$lib/live/api';
import type { Item, KeptFiles, Session, WatchedFor } from '$lib/live/types';
import { indexBy } from '$lib/shared/collections';
import type { Connection } from '$lib/shared/connection.svelte';
import { clock } from '$lib/shared/clock.svelte';
import { faceOf, groupOf, isAtWork, stoodSince, type Face } from './state';

/** All sessions that this browser knows. */
export class Sessions {
  readonly #connection: Connection;
  #all = $state.raw<Session[]>([]);
  readonly #missing = new SvelteSet<string>();
  readonly #asked: Record<string, boolean> = {};
  readonly #byId = $derived(indexBy(this.#all, (session) => session.id));

  /** Where in the main line a session is kept whole: the row in which it was opened, or has the focus. */
  readonly heldAt = $state<Record<string, string | undefined>>({});
  /** Sessions whose conversation is open in the main line. */
  readonly opened = new SvelteSet<string>();

  /** Newest change first. */
  readonly working = $derived(this.#all.filter((session) => groupOf(session) === 'working'));
  readonly toReview = $derived(this.#all.filter((session) => groupOf(session) === 'to_review'));
  readonly earlier = $derived(this.#all.filter((session) => groupOf(session) === 'earlier'));
  /** Who waits for a place at work, first come first. */
  readonly #queue = $derived(
    this.#all
      .filter((session) => session.queued_at)
      .sort((a, b) => ((a.queued_at ?? '') < (b.queued_at ?? '') ? -1 : 1))
      .map((session) => session.id),
  );
  readonly queued = $derived(this.#queue.length);
  readonly atWork = $derived(this.#all.filter((session) => isAtWork(session)).length);

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onchange((changes) => {
      if (!changes.has('sessions')) return;
      this.#all = [...connection.live.world.sessions.values()].sort((a, b) =>
        stoodSince(a) < stoodSince(b) ? 1 : -1,
      );
    });
  }

  get all(): Session[] {
    return this.#all;
  }

  get(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** How a session looks now. `items`: what of it waits for the person. */
  faceOf(session: Session, items: Item[] = []): Face {
    const place = session.queued_at ? this.#queue.indexOf(session.id) : -1;
    const now = session.state === 'working' ? clock.now : 0;
    return faceOf(session, items, { now, ahead: place < 0 ? null : place });
  }

  /** True once the server said that there is no such session. */
  isMissing(id: string): boolean {
    return this.#missing.has(id);
  }

  /** Make sure that a session of the log is known: the snapshot holds only the newest. */
  async ensure(id: string): Promise<void> {
    if (this.#connection.live.world.sessions.has(id) || this.#asked[id]) return;
    this.#asked[id] = true;
    try {
      await this.#connection.live.fetchSession(id);
    } catch (error) {
      if (error instanceof Problem && (error.status === 404 || error.status === 422)) {
        this.#missing.add(id);
      } else this.#asked[id] = false;
    }
  }

  /** Sessions with a text in their title or handle, newest first, also those that are not here. */
  find(text: string): Promise<Session[]> {
    const { api, live } = this.#connection;
    return live.call(() => api.findSessions(text));
  }

  async start(session: components['schemas']['StartSession']): Promise<Session> {
    const { api, live } = this.#connection;
    const started = await live.call(() => api.startSession(session));
    live.takeSession(started);
    return started;
  }

  /** What its agent has running now; nothing where that can't be told. */
  async processes(id: string): Promise<components['schemas']['ProcessOf'][]> {
    const { api, live } = this.#connection;
    return (await live.call(() => api.processes(id))) ?? [];
  }

  /** Its runners, newest first. */
  runs(id: string): Promise<components['schemas']['RunnerOf'][]> {
    const { api, live } = this.#connection;
    return live.call(() => api.runs(id));
  }

  /** What was kept when a session was closed, file by file. */
  keptFiles(id: string): Promise<KeptFiles> {
    const { api, live } = this.#connection;
    return live.call(() => api.keptFiles(id));
  }

  /** Be told when it is so, or not after all. */
  async watch(id: string, condition: WatchedFor, on: boolean, above: number | null): Promise<void> {
    const { api, live } = this.#connection;
    live.takeSession(await live.call(() => api.watch(id, condition, on, above)));
  }

  async act(id: string, act: SessionAct): Promise<void> {
    const { api, live } = this.#connection;
    live.takeSession(await live.call(() => api.actOnSession(id, act)));
  }
}
