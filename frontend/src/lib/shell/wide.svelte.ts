import { MediaQuery } from 'svelte/reactivity';

/** Room for the list beside the chat. Below it, they are two tabs. */
export const wide = {
  query: new MediaQuery('(min-width: 768px)'),
  get matches(): boolean {
    return this.query.current;
  },
};
