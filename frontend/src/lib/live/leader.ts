/**
 * One tab of a browser holds the stream and sends; the others listen to it. Over HTTP/1.1 a browser has six
 * connections to a server, and six streams would leave none for anything else.
 */

export interface LeadershipOptions {
  locks: LockManager | undefined;
  page: Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'>;
  onlead: () => void;
  onfollow: () => void;
}

const LOCK = 'mainloop-stream';

export class Leadership {
  readonly #options: LeadershipOptions;
  #leading = false;
  #stopped = true;
  #release: (() => void) | null = null;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  get leading(): boolean {
    return this.#leading;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    if (this.#options.locks) void this.#queue(this.#options.locks);
    else {
      // An address without HTTPS has no locks: then only the tab one looks at streams.
      this.#options.page.addEventListener('visibilitychange', this.#byVisibility);
      this.#byVisibility();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#options.page.removeEventListener('visibilitychange', this.#byVisibility);
    this.#release?.();
    this.#follow();
  }

  /** Take over from a leader that has gone quiet, for instance a tab that the phone put to sleep. */
  steal(): void {
    if (this.#options.locks && !this.#leading && !this.#stopped) {
      void this.#queue(this.#options.locks, { steal: true });
    }
  }

  #byVisibility = (): void => {
    if (this.#options.page.visibilityState === 'visible') this.#lead();
    else this.#follow();
  };

  async #queue(locks: LockManager, options: LockOptions = {}): Promise<void> {
    try {
      await locks.request(LOCK, options, () => {
        if (this.#stopped || this.#leading) return undefined;
        this.#lead();
        return new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      });
    } catch {
      // Stolen. Listen to the new leader, and stand in line again.
      this.#release = null;
      this.#follow();
      if (!this.#stopped) void this.#queue(locks);
    }
  }

  #lead(): void {
    if (this.#leading) return;
    this.#leading = true;
    this.#options.onlead();
  }

  #follow(): void {
    if (!this.#leading) return;
    this.#leading = false;
    this.#options.onfollow();
  }
}
