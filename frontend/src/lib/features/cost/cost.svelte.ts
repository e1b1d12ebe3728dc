import type { Ceiling, Usage } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';
import { daysBefore } from './words';

export const RANGES = [1, 7, 30, 90] as const;
export type Range = (typeof RANGES)[number];

const EVERY_MS = 3000;

/** What was used and what it cost, read again and again while somebody looks. */
export class Cost {
  readonly #connection: Connection;
  #usage = $state.raw<Usage | null>(null);
  #ceilings = $state.raw<Ceiling[]>([]);
  #range = $state<Range>(30);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get usage(): Usage | null {
    return this.#usage;
  }

  get ceilings(): Ceiling[] {
    return this.#ceilings;
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
    const [usage, ceilings] = await live.call(() =>
      Promise.all([api.usage(today ? daysBefore(today, range - 1) : undefined), api.ceilings()]),
    );
    if (range !== this.#range) return;
    this.#usage = usage;
    this.#ceilings = ceilings;
    // The first answer says which day it is there; midnight says it again.
    if (usage.first !== daysBefore(usage.today, range - 1)) await this.refresh();
  }

  /** Sets a ceiling of the installation. Throws the server's refusal. */
  async setCeiling(ceiling: Ceiling, amount: string): Promise<void> {
    const { api, live } = this.#connection;
    const given = amount.trim();
    const body = { scope: ceiling.scope, unit: ceiling.unit, amount: given === '' ? null : given };
    this.#ceilings = await live.call(() => api.setCeiling(body));
  }
}
