import { review } from '$lib/live/proposed';
import type { ChangedFile } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';
import { merged, messageOf, nameOf, type LineComment } from './comments';
import type { Line } from './rows';
import { newId } from '$lib/shared/ids';

/** Sent comments stay at their lines; so many of them. */
const MOST_SENT = 50;

/** What the person comments on lines and files of a change, kept in this browser until it is sent. */
export class Review {
  readonly id: string;
  readonly #app: App;
  #comments = $state.raw<LineComment[]>([]);
  /** What is being handed over just now. */
  #going = $state.raw<readonly string[]>([]);
  /** The comment that takes the focus once it is there. */
  #focus = $state('');
  /** What goes with the next message. */
  readonly waiting: LineComment[] = $derived(
    this.#comments.filter(
      ({ id, state, text }) => state === 'kept' && text.trim() && !this.#going.includes(id),
    ),
  );

  constructor(id: string, app: App) {
    this.id = id;
    this.#app = app;
    this.#comments = parsed(app.drafts.read(this.#draft));
    // Another tab may comment on the same change.
    addEventListener('storage', ({ key, oldValue, newValue }) => {
      if (key !== app.drafts.keyOf(this.#draft)) return;
      this.#comments = merged(this.#comments, parsed(oldValue), parsed(newValue));
      if (app.drafts.read(this.#draft) !== written(this.#comments)) this.#keep(this.#comments);
    });
  }

  get comments(): readonly LineComment[] {
    return this.#comments;
  }

  /** A comment takes the focus when it is begun or gone on with, once. */
  takesFocus(id: string): boolean {
    if (this.#focus !== id) return false;
    this.#focus = '';
    return true;
  }

  /** A comment that is written stands elsewhere now. */
  refocus(id: string): void {
    if (this.#comments.some((one) => one.id === id && one.state === 'writing')) this.#focus = id;
  }

  /** Go on with a comment. */
  edit(id: string): void {
    this.#focus = id;
    this.change(id, { state: 'writing' });
  }

  /** Begin a comment on a line, or on a file; the one that is being written there already goes on. */
  begin(file: ChangedFile, line: Line | null): void {
    const side = line?.op === '-' ? 'old' : 'new';
    const number = (side === 'old' ? line?.old : line?.new) ?? 0;
    const begun = this.#comments.find(
      (one) =>
        one.state === 'writing' && one.file === file.id && one.line === number && one.side === side,
    );
    if (begun) return this.edit(begun.id);
    const id = newId();
    this.#focus = id;
    const { path } = file;
    const quote = line?.text ?? '';
    const comment: LineComment = {
      id,
      file: file.id,
      path,
      side,
      line: number,
      quote,
      text: '',
      state: 'writing',
      outdated: false,
    };
    this.#keep([...this.#comments, comment]);
  }

  change(
    id: string,
    change: Partial<Pick<LineComment, 'text' | 'state' | 'line' | 'outdated' | 'replies'>>,
  ): void {
    this.#keep(
      this.#comments.map((comment) => (comment.id === id ? { ...comment, ...change } : comment)),
    );
  }

  remove(id: string): void {
    this.#keep(this.#comments.filter((comment) => comment.id !== id));
  }

  /** Send the change back: what is said and all comments that wait go to the agent as one message. False: not sent. */
  async sendBack(commit: string, said: string): Promise<boolean> {
    const { drafts } = this.#app;
    const { api, live } = this.#app.connection;
    // Tried again it is the same message; the same words after they have gone are another one.
    const draft = `${this.id}:send-back-try`;
    const begun = drafts.read(draft) || newId();
    drafts.write(draft, begun);
    drafts.flush();
    return this.#hand(this.waiting, async (comments) => {
      const text = [said, comments.length > 0 && messageOf(comments)].filter(Boolean).join('\n\n');
      const id = nameOf([...comments, { id: `back-${commit}-${begun}`, text: said }]);
      await live.call(() => review(api, this.id, { id, verdict: 'sent_back', commit, text }));
      drafts.write(draft, '');
    });
  }

  /** Hand comments to the outbox as one message: what is there is sent once, whatever happens to the line or the page. */
  async send(wanted: readonly LineComment[]): Promise<void> {
    const { live } = this.#app.connection;
    await this.#hand(wanted, async (comments) => {
      if (comments.length === 0) return;
      await live.sendMessage(this.id, messageOf(comments), 'queue', [], [], nameOf(comments));
    });
  }

  async #hand(
    wanted: readonly LineComment[],
    deliver: (comments: LineComment[]) => Promise<void>,
  ): Promise<boolean> {
    const { drafts } = this.#app;
    // What another tab has sent or removed a moment ago.
    const stored = parsed(drafts.stored(this.#draft));
    const gone = (id: string) => stored.some((one) => one.id === id && one.state === 'sent');
    const ids = wanted.map(({ id }) => id).filter((id) => !this.#going.includes(id) && !gone(id));
    const comments = this.#comments.filter(({ id, state }) => ids.includes(id) && state !== 'sent');
    this.#going = [...this.#going, ...ids];
    const done = await this.#app.attempt(async () => {
      await deliver(comments);
      const sent = this.#comments.map((comment): LineComment =>
        ids.includes(comment.id) ? { ...comment, state: 'sent' } : comment,
      );
      const old = sent.filter(({ state }) => state === 'sent').slice(0, -MOST_SENT);
      this.#keep(sent.filter((comment) => !old.includes(comment)));
      // Only now: what was written is kept in one place or the other.
      drafts.flush();
    });
    this.#going = this.#going.filter((id) => !ids.includes(id));
    return done;
  }

  get #draft(): string {
    return `${this.id}:review`;
  }

  #keep(comments: LineComment[]): void {
    this.#comments = comments;
    this.#app.drafts.write(this.#draft, written(comments));
  }
}

function written(comments: readonly LineComment[]): string {
  return comments.length > 0 ? JSON.stringify(comments) : '';
}

function parsed(draft: string | null): LineComment[] {
  try {
    return JSON.parse(draft || '[]') as LineComment[];
  } catch {
    return [];
  }
}

const all: Record<string, Review> = {};

/** The comments on a session's change, one object each. */
export function reviewOf(app: App, id: string): Review {
  return (all[id] ??= new Review(id, app));
}
