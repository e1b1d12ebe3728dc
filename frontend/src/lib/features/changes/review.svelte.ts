import type { ChangedFile } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';
import { messageOf, type LineComment } from './comments';
import type { Line } from './rows';

/** Sent comments stay at their lines; so many of them. */
const MOST_SENT = 50;

/** What the person comments on lines and files of a change, kept in this browser until it is sent. */
export class Review {
  readonly id: string;
  readonly #app: App;
  #comments = $state.raw<LineComment[]>([]);
  /** What goes with the next message. */
  readonly waiting: LineComment[] = $derived(
    this.#comments.filter(({ state, text }) => state === 'kept' && text.trim()),
  );

  constructor(id: string, app: App) {
    this.id = id;
    this.#app = app;
    this.#comments = parsed(app.drafts.read(this.#draft));
  }

  get comments(): readonly LineComment[] {
    return this.#comments;
  }

  /** Begin a comment on a line, or on a file; the one that is being written there already goes on. */
  begin(file: ChangedFile, line: Line | null): void {
    const side = line?.op === '-' ? 'old' : 'new';
    const number = (side === 'old' ? line?.old : line?.new) ?? 0;
    const begun = this.#comments.some(
      (one) =>
        one.state === 'writing' && one.file === file.id && one.line === number && one.side === side,
    );
    if (begun) return;
    const id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
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
    change: Partial<Pick<LineComment, 'text' | 'state' | 'line' | 'outdated'>>,
  ): void {
    this.#keep(
      this.#comments.map((comment) => (comment.id === id ? { ...comment, ...change } : comment)),
    );
  }

  remove(id: string): void {
    this.#keep(this.#comments.filter((comment) => comment.id !== id));
  }

  /** Hand comments to the outbox as one message: what is there is sent once, whatever happens to the line or the page. */
  async send(comments: readonly LineComment[]): Promise<void> {
    if (comments.length === 0) return;
    const ids = comments.map(({ id }) => id);
    await this.#app.attempt(async () => {
      await this.#app.connection.live.sendMessage(this.id, messageOf(comments), 'queue');
      const sent = this.#comments.map((comment): LineComment =>
        ids.includes(comment.id) ? { ...comment, state: 'sent' } : comment,
      );
      const old = sent.filter(({ state }) => state === 'sent').slice(0, -MOST_SENT);
      this.#keep(sent.filter((comment) => !old.includes(comment)));
      // Only now: what was written is kept in one place or the other.
      this.#app.drafts.flush();
    });
  }

  get #draft(): string {
    return `${this.id}:review`;
  }

  #keep(comments: LineComment[]): void {
    this.#comments = comments;
    this.#app.drafts.write(this.#draft, comments.length > 0 ? JSON.stringify(comments) : '');
  }
}

function parsed(draft: string): LineComment[] {
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
