import { Api, type Problem } from '$lib/live/api';
import { Live, type Link } from '$lib/live/live';
import type { Waiting } from '$lib/live/outbox';
import { noChanges, type Changes, type Topic } from '$lib/live/reducer';
import type { Settings, State } from '$lib/live/types';

type Listener = (changes: Changes) => void;

/** The link to the server as the page sees it. Tells the features what changed. */
export class Connection {
  readonly api: Api;
  readonly live: Live;
  readonly #listeners: Listener[] = [];
  readonly #refusals: ((entry: Waiting, problem: Problem) => void)[] = [];
  #link = $state.raw<Link>({ state: 'starting' });
  #state = $state.raw<State | null>(null);
  #outbox = $state.raw<readonly Waiting[]>([]);
  #pending: Changes = noChanges();
  #scheduled = false;

  constructor(key: () => string | null) {
    this.api = new Api(key);
    this.live = new Live({
      api: this.api,
      onchange: (changes) => this.#spread(changes),
      onlink: (link) => (this.#link = link),
      onoutbox: (entries) => (this.#outbox = entries),
      onrefused: (entry, problem) => this.#refusals.forEach((tell) => tell(entry, problem)),
    });
  }

  get link(): Link {
    return this.#link;
  }

  /** The snapshot of the start; what changes since is in the features. Null until it has come. */
  get state(): State | null {
    return this.#state;
  }

  get settings(): Settings | null {
    return this.#state?.settings ?? null;
  }

  get person(): string {
    return this.#state?.person.name ?? 'you';
  }

  get outbox(): readonly Waiting[] {
    return this.#outbox;
  }

  get waitingMessages(): number {
    return this.#outbox.filter((entry) => entry.kind === 'message' && entry.state === 'waiting')
      .length;
  }

  onchange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  onrefused(listener: (entry: Waiting, problem: Problem) => void): void {
    this.#refusals.push(listener);
  }

  /** Tell of many small changes at most twenty times a second, of anything else in the next microtask. */
  #spread(changes: Changes): void {
    let urgent = false;
    for (const topic of changes) {
      this.#pending.add(topic);
      urgent ||= !isGrowth(topic);
    }
    if (urgent) queueMicrotask(() => this.#tell());
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setTimeout(() => {
        this.#scheduled = false;
        this.#tell();
      }, 50);
    }
  }

  #tell(): void {
    if (this.#pending.size === 0) return;
    const changes = this.#pending;
    this.#pending = noChanges();
    if (changes.has('state')) this.#state = this.live.world.state;
    for (const listener of this.#listeners) listener(changes);
  }
}

function isGrowth(topic: Topic): boolean {
  return topic.startsWith('open:');
}
