import type { Usage } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';
import { CeilingsOf } from './ceilings.svelte';
import { daysBefore } from './words';

export const RANGES = [1, 7, 30, 90] as const;
export type Range = (typeof RANGES)[number];

const EVERY_MS = 3000;

/** What was used and what it cost, read again and again while somebody looks. */
export class Cost {
  readonly #connection: Connection;
  readonly ceilings: CeilingsOf;
  #usage = $state.raw<Usage | null>(null);
  #range = $state<Range>(30);

  constructor(connection: Connection) {
    this.#connection = connection;
    this.ceilings = new CeilingsOf(connection);
  }

  get usage(): Usage | null {
    return this.#usage;
  }

  get range(): Range {
    return this.#range;
  }

  /** Reads now, then every few seconds while the page can be seen; gives back how to stop. */
  follow(): () => void {
    const look = () => {
      if (document.visibilityState === 'visible') void this.refresh().catch(() => undefined);
    };
    look();
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }

  async show(range: Range): Promise<void> {
    this.#range = range;
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const { api, live } = this.#connection;
    const range = this.#range;
    const today = this.#usage?.today;
    const [usage] = await Promise.all([
      live.call(() => api.usage(today ? daysBefore(today, range - 1) : undefined)),
      this.ceilings.refresh(),
    ]);
    if (range !== this.#range) return;
    this.#usage = usage;
    // The first answer says which day it is there; midnight says it again.
    if (usage.first !== daysBefore(usage.today, range - 1)) await this.refresh();
  }
}
