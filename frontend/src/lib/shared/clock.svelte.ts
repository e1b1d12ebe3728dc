/** The time, once a second while someone looks. */
class Clock {
  #now = $state(Date.now());

  constructor() {
    setInterval(() => {
      if (document.visibilityState === 'visible') this.#now = Date.now();
    }, 1000);
    document.addEventListener('visibilitychange', () => (this.#now = Date.now()));
  }

  get now(): number {
    return this.#now;
  }
}

export const clock = new Clock();
