import { MediaQuery } from 'svelte/reactivity';

class Room {
  readonly #query: MediaQuery;

  constructor(query: string) {
    this.#query = new MediaQuery(query);
  }

  get matches(): boolean {
    return this.#query.current;
  }
}

/** Room for the list beside the chat. Below it, they are two tabs. */
export const wide = new Room('(min-width: 768px)');

/** Room for a second pane beside a session's conversation. Below it, they are tabs, too. */
export const roomy = new Room('(min-width: 1100px)');
