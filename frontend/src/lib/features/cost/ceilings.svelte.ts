import type { Ceiling } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';

/** Whose: a session's, a project's, or of the whole installation. */
export interface Owner {
  session?: string | undefined;
  project?: string | undefined;
}

/** The ceilings that hold for somebody. */
export class CeilingsOf {
  readonly #connection: Connection;
  readonly #owner: Owner;
  #all = $state.raw<Ceiling[]>([]);

  constructor(connection: Connection, owner: Owner = {}) {
    this.#connection = connection;
    this.#owner = owner;
  }

  get all(): Ceiling[] {
    return this.#all;
  }

  async refresh(): Promise<void> {
    const { api, live } = this.#connection;
    this.#all = await live.call(() => api.ceilings(this.#owner));
  }

  /** Sets one; without an amount it has no value of its own. Throws the server's refusal. */
  async set({ scope, unit }: Ceiling, amount: string): Promise<void> {
    const { api, live } = this.#connection;
    const body = { scope, unit, amount: amount.trim() || null, ...this.#owner };
    this.#all = await live.call(() => api.setCeiling(body));
  }
}
