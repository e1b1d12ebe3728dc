import type { Session } from '$lib/live/types';
import type { Inbox } from '$lib/features/inbox/inbox.svelte';
import { filter } from './filter.svelte';
import type { Sessions } from './sessions.svelte';

/** A list that is seen at a glance needs no filter. */
const FILTERED_FROM = 8;
const AT_WORK = 12;

/** What the lists of sessions show, group by group: each once, and what the filter takes. */
export class Listed {
  readonly #sessions: Sessions;
  readonly #inbox: Inbox;
  readonly #earlierShown: number;
  /** Whether a long group is shown whole. */
  allAtWork = $state(false);
  allEarlier = $state(false);

  // made anew whenever what waits changes, never changed itself
  readonly #waiting = $derived.by(
    // eslint-disable-next-line svelte/prefer-svelte-reactivity
    () => new Set([...this.#inbox.items, ...this.#inbox.snoozed].map((item) => item.session_id)),
  );
  readonly items = $derived.by(() =>
    this.#inbox.items.filter((item) => filter.takes(this.#sessions.get(item.session_id ?? ''))),
  );
  readonly working = $derived.by(() => this.#sessions.working.filter(this.#shown));
  readonly toReview = $derived.by(() => this.#sessions.toReview.filter(this.#shown));
  readonly earlier = $derived.by(() => this.#sessions.earlier.filter(this.#shown));

  /** `earlierShown`: how many of those that are over are shown at first. */
  constructor(sessions: Sessions, inbox: Inbox, earlierShown: number) {
    this.#sessions = sessions;
    this.#inbox = inbox;
    this.#earlierShown = earlierShown;
  }

  get workingShown(): Session[] {
    return this.allAtWork ? this.working : this.working.slice(0, AT_WORK);
  }

  get earlierShown(): Session[] {
    return this.allEarlier ? this.earlier : this.earlier.slice(0, this.#earlierShown);
  }

  /** How many are folded away unless the group is shown whole. */
  get moreAtWork(): number {
    return Math.max(0, this.working.length - AT_WORK);
  }

  get moreEarlier(): number {
    return Math.max(0, this.earlier.length - this.#earlierShown);
  }

  get hasFilter(): boolean {
    return this.#sessions.all.length >= FILTERED_FROM || filter.active;
  }

  /** The filter takes nothing. */
  get empty(): boolean {
    const groups = [this.items, this.working, this.toReview, this.earlier];
    return filter.active && groups.every((group) => group.length === 0);
  }

  readonly #shown = (session: Session) => !this.#waiting.has(session.id) && filter.takes(session);
}
