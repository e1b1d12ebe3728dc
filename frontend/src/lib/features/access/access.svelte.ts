import { Problem } from '$lib/live/api';
import type { Connection } from '$lib/shared/connection.svelte';
import { en } from '$lib/messages/en';

const KEY = 'mainloop.key';

/** The key that pairing handed to this browser. A cookie alone opens nothing: other ports of a host see it too. */
export function storedKey(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function deviceName(agent: string): string {
  const browser = /Firefox/.test(agent)
    ? 'Firefox'
    : /Edg\//.test(agent)
      ? 'Edge'
      : /Chrome|CriOS/.test(agent)
        ? 'Chrome'
        : /Safari/.test(agent)
          ? 'Safari'
          : 'Browser';
  const system = /Android/.test(agent)
    ? 'Android'
    : /iPhone|iPad/.test(agent)
      ? 'iPhone'
      : /Mac OS/.test(agent)
        ? 'Mac'
        : /Windows/.test(agent)
          ? 'Windows'
          : 'Linux';
  return `${browser} on ${system}`;
}

/** Whether this browser may come in. */
export class Access {
  readonly #connection: Connection;
  #key = $state(storedKey());

  constructor(connection: Connection) {
    this.#connection = connection;
    // Signed in again in another tab: this one may go on, too.
    addEventListener('storage', (event) => {
      if (event.key === KEY && event.newValue && !this.signedIn) location.reload();
    });
  }

  get signedIn(): boolean {
    return this.#key !== null && this.#connection.link.state !== 'signed_out';
  }

  /** The server's sentence, where it sent this browser away. */
  get reason(): string {
    const link = this.#connection.link;
    return this.#key !== null && link.state === 'signed_out' ? link.reason : '';
  }

  /** Redeem the code of a link. Returns the sentence for the person where it does not work. */
  async pair(code: string): Promise<string | null> {
    if (!code) return en.access.badLink;
    try {
      const { key } = await this.#connection.api.pair(code, deviceName(navigator.userAgent));
      localStorage.setItem(KEY, key);
      this.#key = key;
      return null;
    } catch (error) {
      return error instanceof Problem || error instanceof Error ? error.message : en.access.failed;
    }
  }
}
