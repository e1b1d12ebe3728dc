import type { Mute, Preferences, Session } from '$lib/live/types';
import { en } from '$lib/messages/en';
import type { Connection } from '$lib/shared/connection.svelte';

export type Mutable = Pick<Mute, 'what' | 'id'>;

/** Of what nobody is told. Read when there is a line, and again whenever it is heard that somebody changed it. */
export class Muted {
  readonly #connection: Connection;
  #preferences = $state.raw<Preferences | null>(null);
  /** Requests are numbered; the one that told what is known. */
  #asked = 0;
  #known = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** False also before it is known. */
  is({ what, id }: Mutable): boolean {
    return this.all(what).includes(id);
  }

  /** Whether nobody is told of a session, by itself or with its project. */
  holds({ id, project_id: project }: Pick<Session, 'id' | 'project_id'>): boolean {
    return (
      this.is({ what: 'session', id }) || (!!project && this.is({ what: 'project', id: project }))
    );
  }

  /** What the name of a link to a session says of it besides: whether one is told of it. */
  marks(session: Session): string {
    const marks = [
      this.holds(session) && en.sessions.muted,
      session.watches?.length && en.sessions.watched,
    ];
    return marks.map((mark) => (mark ? `, ${mark}` : '')).join('');
  }

  /** All sessions, or projects, that are muted by themselves. */
  all(what: Mutable['what']): string[] {
    return this.#preferences?.[`muted_${what}s`] ?? [];
  }

  async load(): Promise<void> {
    const { live, api } = this.#connection;
    await this.#take(live.call(() => api.preferences()));
  }

  async set(which: Mutable, muted: boolean): Promise<void> {
    const { live, api } = this.#connection;
    await this.#take(live.call(() => api.mute({ ...which, muted })));
  }

  /** What was asked for later knows more, whichever answer comes last. */
  async #take(answer: Promise<Preferences>): Promise<void> {
    const asked = ++this.#asked;
    const preferences = await answer;
    if (asked < this.#known) return;
    this.#known = asked;
    this.#preferences = preferences;
  }
}
