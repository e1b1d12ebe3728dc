import type { Mute, Preferences, Session } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';

export type Mutable = Pick<Mute, 'what' | 'id'>;

/** Of what nobody is told. Read when there is a line, and after each change that is made here. */
export class Muted {
  readonly #connection: Connection;
  #preferences = $state.raw<Preferences | null>(null);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** False also before it is known. */
  is({ what, id }: Mutable): boolean {
    return this.#preferences?.[`muted_${what}s`]?.includes(id) ?? false;
  }

  /** Whether nobody is told of a session, by itself or with its project. */
  holds({ id, project_id: project }: Pick<Session, 'id' | 'project_id'>): boolean {
    return (
      this.is({ what: 'session', id }) || (!!project && this.is({ what: 'project', id: project }))
    );
  }

  async load(): Promise<void> {
    const { live, api } = this.#connection;
    this.#preferences = await live.call(() => api.preferences());
  }

  async set(which: Mutable, muted: boolean): Promise<void> {
    const { live, api } = this.#connection;
    this.#preferences = await live.call(() => api.mute({ ...which, muted }));
  }
}
