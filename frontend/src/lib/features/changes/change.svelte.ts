import { Problem } from '$lib/live/api';
import { fetchContent, fetchDiff, fetchLines } from '$lib/live/diff';
import type { ChangedFile, Diff, FileDiff } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';

const ALL = 'all';
/** A look costs the server something: the next one comes at the earliest this much later, and this many times as long as one took. */
const PAUSE_MS = 800;
const PAUSE_TIMES = 4;
/** While its agent works, files may change without a word of it. */
const LOOK_AGAIN_MS = 5000;
const VIEWED = 'mainloop.viewed';
const MOST_VIEWED = 3000;
/** More lines than this, and what a program has written, one asks for. */
export const LONG = 1500;

/** What a session has changed, as the page shows it. */
export class Change {
  readonly id: string;
  readonly #app: App;
  #diff = $state.raw<Diff | null>(null);
  #failure = $state('');
  /** The lines of a file that could not be loaded, and why. */
  #missed = $state.raw(NOTHING_MISSED);
  #of = $state(ALL);
  #wanted = $state(0);
  #chosen = $state('');
  #chosenAt = 0;
  #lines = $state.raw<Record<string, FileDiff>>({});
  #wholes = $state.raw<Record<string, string[]>>({});
  #opened = $state.raw<Record<string, readonly string[]>>({});
  #asked = $state.raw<Record<string, true>>({});
  #viewed = $state.raw<Record<string, true>>(readViewed());
  #looking = false;
  #again = false;
  #took = 0;
  #lookedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly files: readonly ChangedFile[] = $derived(this.#diff?.files ?? []);
  readonly #place = $derived(this.files.findIndex((file) => file.id === this.#chosen));
  readonly at: number = $derived(
    this.#place >= 0 ? this.#place : Math.min(this.#chosenAt, Math.max(0, this.files.length - 1)),
  );
  readonly file: ChangedFile | null = $derived(this.files[this.at] ?? null);
  readonly viewedCount = $derived(this.files.filter((file) => this.isViewed(file)).length);

  constructor(id: string, app: App) {
    this.id = id;
    this.#app = app;
  }

  get diff(): Diff | null {
    return this.#diff;
  }

  /** Why the change, or the file that is shown, could not be loaded. */
  get failure(): string {
    return this.#failure || (this.#isMissed ? this.#missed.why : '');
  }

  get #isMissed(): boolean {
    return this.file !== null && this.#missed.key === keyOf(this.file);
  }

  /** What is shown: all, one turn, or one commit. */
  get of(): string {
    return this.#of;
  }

  /** How often it was asked for from elsewhere on the page. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Show this part of it, wherever on the page that is asked for. */
  ask(of: string): void {
    this.#wanted += 1;
    this.show(of);
  }

  show(of: string): void {
    if (this.#of === of) return;
    this.#of = of;
    this.#diff = null;
    void this.refresh();
  }

  // -- the newest -------------------------------------------------------------------------------------------------
  /** Something may have changed: look soon. */
  poke = (): void => {
    if (this.#timer !== undefined) return;
    const pause = Math.max(PAUSE_MS, PAUSE_TIMES * this.#took);
    const wait = Math.max(0, this.#lookedAt + pause - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, wait);
  };

  /** Look now, and again while its agent works and the page is looked at. Returns how to stop. */
  follow(working: () => boolean): () => void {
    this.poke();
    const timer = setInterval(() => {
      if (working() && document.visibilityState === 'visible') this.poke();
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }

  /** Try again whatever could not be loaded. */
  async reload(): Promise<void> {
    await this.refresh();
    if (this.file && this.#isMissed) await this.load(this.file);
  }

  async refresh(): Promise<void> {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    const began = performance.now();
    const of = this.#of;
    const isFirst = this.#diff === null;
    try {
      const { api, live } = this.#app.connection;
      const known = this.#diff?.version ?? '';
      const found = await live.call(() => fetchDiff(api, this.id, of, known));
      if (of === this.#of && found.files) {
        this.#chosenAt = this.at;
        this.#diff = found;
        this.#forgetOlder();
      } else if (of === this.#of && this.#diff && !same(this.#diff.commits, found.commits)) {
        // The same files; what lay there was committed since.
        this.#diff = { ...this.#diff, commits: found.commits };
      }
      if (of === this.#of && found.coming) this.#again = true;
      if (of === this.#of) this.#failure = '';
    } catch (error) {
      if (of !== this.#of) {
        // What was asked for is no longer wanted.
      } else if (of !== ALL && error instanceof Problem && error.status === 404) {
        // The agent may have taken the commit back.
        this.show(ALL);
      } else this.#failure = wordsOf(error);
    }
    this.#lookedAt = performance.now();
    // The first one reads everything, those after it what has changed: it says nothing of what they cost.
    this.#took = isFirst ? 0 : this.#lookedAt - began;
    this.#looking = false;
    if (this.#again) {
      this.#again = false;
      if (of !== this.#of) void this.refresh();
      else this.poke();
    }
  }

  // -- files ------------------------------------------------------------------------------------------------------
  choose(id: string): void {
    this.#chosen = id;
    this.#chosenAt = this.at;
  }

  step(by: 1 | -1): void {
    const next = this.files[this.at + by];
    if (next) this.choose(next.id);
  }

  isViewed(file: ChangedFile): boolean {
    return this.#viewed[keyOf(file)] ?? false;
  }

  /** Mark a file as viewed, as it is now, and go on to the next that is not; or take the mark away. */
  toggleViewed(file: ChangedFile): void {
    const key = keyOf(file);
    const was = this.isViewed(file);
    const others = Object.keys(this.#viewed).filter((one) => one !== key);
    this.#viewed = marks(was ? others : [...others, key].slice(-MOST_VIEWED));
    keepViewed(this.#viewed);
    if (was) return;
    const { files, at } = this;
    const later = [...files.slice(at + 1), ...files.slice(0, at)];
    const next = later.find((one) => !this.isViewed(one));
    if (next) this.choose(next.id);
  }

  /** What is long or nobody's own work is shown when one asks for it. */
  isFolded(file: ChangedFile): boolean {
    const long = (file.added ?? 0) + (file.removed ?? 0) > LONG;
    return (file.generated || long) && !this.#asked[file.id];
  }

  unfold(file: ChangedFile): void {
    this.#asked = { ...this.#asked, [file.id]: true };
  }

  // -- lines ------------------------------------------------------------------------------------------------------
  /** The lines of a file, once they are here. */
  linesOf(file: ChangedFile): FileDiff | undefined {
    return this.#lines[keyOf(file)];
  }

  /** Have the lines of a file here, and those of the next one. */
  async load(file: ChangedFile): Promise<void> {
    const next = this.files[this.at + 1];
    const wanted = [file, ...(next && !this.isFolded(next) ? [next] : [])];
    const missing = wanted.filter((one) => one.kind !== 'submodule' && !this.linesOf(one));
    const version = this.#diff?.version;
    if (!version || missing.length === 0 || (missing.length === 1 && missing[0] !== file)) return;
    try {
      const { api, live } = this.#app.connection;
      const found = await live.call(() =>
        fetchLines(
          api,
          this.id,
          version,
          missing.map((one) => one.id),
        ),
      );
      const keys = Object.fromEntries(missing.map((one) => [one.id, keyOf(one)]));
      const fresh = found.map((one) => [keys[one.id] ?? '', one] as const);
      this.#lines = { ...this.#lines, ...Object.fromEntries(fresh) };
      if (missing.some((one) => keyOf(one) === this.#missed.key)) this.#missed = NOTHING_MISSED;
    } catch (error) {
      // The work has gone on meanwhile: what is newest is loaded.
      if (error instanceof Problem && error.status === 409) this.poke();
      else this.#missed = { key: keyOf(file), why: wordsOf(error) };
    }
  }

  /** Of an agent that works for hours there are many versions; one is looked at. */
  #forgetOlder(): void {
    this.#lines = picked(this.#lines, this.files.map(keyOf));
    this.#wholes = picked(
      this.#wholes,
      this.files.map((file) => file.new ?? ''),
    );
  }

  /** Lines between the hunks that were asked for. */
  openedOf(file: ChangedFile): readonly string[] {
    return this.#opened[file.id] ?? NONE;
  }

  wholeOf(file: ChangedFile): string[] | null {
    return this.#wholes[file.new ?? ''] ?? null;
  }

  /** Show what is folded between hunks; all of it, or one gap. */
  async open(file: ChangedFile, gaps: readonly string[]): Promise<void> {
    const oid = file.new;
    if (!oid) return;
    await this.#app.attempt(async () => {
      if (!this.#wholes[oid]) {
        const text = await (await this.content(oid)).text();
        const lines = text.split('\n');
        if (lines.at(-1) === '') lines.pop();
        this.#wholes = { ...this.#wholes, [oid]: lines };
      }
      this.#opened = { ...this.#opened, [file.id]: [...this.openedOf(file), ...gaps] };
    });
  }

  close(file: ChangedFile): void {
    this.#opened = { ...this.#opened, [file.id]: NONE };
  }

  /** A content of the change as it is. */
  content(oid: string): Promise<Response> {
    const { api, live } = this.#app.connection;
    return live.call(() => fetchContent(api, this.id, oid));
  }
}

const NONE: readonly string[] = [];
const NOTHING_MISSED = { key: '', why: '' };

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function picked<T>(all: Record<string, T>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(keys.flatMap((key) => (all[key] ? [[key, all[key]]] : [])));
}

function marks(keys: readonly string[]): Record<string, true> {
  return Object.fromEntries(keys.map((key) => [key, true]));
}

/** The same for the same two contents under the same name: what it has led to is still true. */
function keyOf(file: ChangedFile): string {
  const side = (oid: string | null) => oid?.slice(0, 12) ?? '';
  return `${file.id}${side(file.old)}-${side(file.new)}`;
}

function readViewed(): Record<string, true> {
  try {
    return marks(JSON.parse(localStorage.getItem(VIEWED) ?? '[]') as string[]);
  } catch {
    return {};
  }
}

function keepViewed(viewed: Record<string, true>): void {
  try {
    localStorage.setItem(VIEWED, JSON.stringify(Object.keys(viewed)));
  } catch {
    // The storage is full: they hold until the page is closed.
  }
}

const all: Record<string, Change> = {};

/** The change of a session, one object each, so that a place in it survives a change of view. */
export function changeOf(app: App, id: string): Change {
  return (all[id] ??= new Change(id, app));
}

const LOOKS = 'mainloop.diff';

/** How this browser shows lines. */
class Looks {
  #kept = $state.raw(readLooks());

  get split(): boolean {
    return this.#kept.split;
  }

  get wrap(): boolean {
    return this.#kept.wrap;
  }

  set(change: Partial<{ split: boolean; wrap: boolean }>): void {
    this.#kept = { ...this.#kept, ...change };
    try {
      localStorage.setItem(LOOKS, JSON.stringify(this.#kept));
    } catch {
      // The storage is full: it holds until the page is closed.
    }
  }
}

function readLooks(): { split: boolean; wrap: boolean } {
  try {
    const kept = JSON.parse(localStorage.getItem(LOOKS) ?? '{}') as Record<string, unknown>;
    return { split: kept['split'] === true, wrap: kept['wrap'] === true };
  } catch {
    return { split: false, wrap: false };
  }
}

export const looks = new Looks();

function same(one: Diff['commits'], other: Diff['commits']): boolean {
  return one.length === other.length && one[0]?.id === other[0]?.id;
}
