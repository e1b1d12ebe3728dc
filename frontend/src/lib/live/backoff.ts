const FIRST_MS = 250;
const LONGEST_MS = 15_000;

/** How long to wait before the next try: 0.25 s doubling to 15 s, spread so that tabs don't knock together. */
export class Backoff {
  #tries = 0;

  constructor(private readonly random: () => number = Math.random) {}

  next(): number {
    const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries++);
    return whole / 2 + (this.random() * whole) / 2;
  }

  reset(): void {
    this.#tries = 0;
  }
}
