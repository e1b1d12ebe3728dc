import type { Question } from '$lib/live/types';
import type { Drafts } from '$lib/shared/drafts';

type Chosen = Record<string, string[]>;

/** One to four questions, one at a time, sent together. What was begun is kept as a draft. */
export class QuestionForm {
  readonly questions: Question[];
  readonly #itemId: string;
  readonly #drafts: Drafts;
  #at = $state(0);
  #chosen = $state.raw<Chosen>({});
  #written = $state.raw<Record<string, string>>({});
  #note = $state('');

  constructor(itemId: string, questions: Question[], drafts: Drafts) {
    this.questions = questions;
    this.#itemId = itemId;
    this.#drafts = drafts;
    for (const question of questions) {
      const kept = drafts.read(this.#draftOf(question));
      if (kept) this.#written = { ...this.#written, [question.question]: kept };
    }
    this.#note = drafts.read(this.#noteDraft);
    const chosen = drafts.read(this.#chosenDraft);
    if (chosen) this.#chosen = JSON.parse(chosen) as Chosen;
  }

  /** What goes with the answers, beside what was chosen. */
  get note(): string {
    return this.#note;
  }

  set note(text: string) {
    this.#note = text;
    this.#drafts.write(this.#noteDraft, text);
  }

  get at(): number {
    return this.#at;
  }

  get current(): Question | undefined {
    return this.questions[this.#at];
  }

  get isLast(): boolean {
    return this.#at === this.questions.length - 1;
  }

  get ownWords(): string {
    return this.current ? (this.#written[this.current.question] ?? '') : '';
  }

  /** The question in front has an answer. */
  get answered(): boolean {
    return this.current !== undefined && this.#answerOf(this.current) !== null;
  }

  isChosen(label: string): boolean {
    return this.current ? (this.#chosen[this.current.question] ?? []).includes(label) : false;
  }

  /** Returns true where that was the last thing to say. */
  choose(label: string): boolean {
    const question = this.current;
    if (!question) return false;
    if (question.multi_select) {
      const before = this.#chosen[question.question] ?? [];
      const after = before.includes(label)
        ? before.filter((other) => other !== label)
        : [...before, label];
      this.#keep(question, after);
      return false;
    }
    this.#keep(question, [label]);
    this.write('');
    return this.next();
  }

  write(text: string): void {
    if (!this.current) return;
    this.#written = { ...this.#written, [this.current.question]: text };
    this.#drafts.write(this.#draftOf(this.current), text);
  }

  back(): void {
    this.#at = Math.max(0, this.#at - 1);
  }

  /** Go on. Returns true where there is no further question. */
  next(): boolean {
    if (!this.answered) return false;
    if (this.isLast) return true;
    this.#at += 1;
    return false;
  }

  /** Every answer by the text of its question; null where one is missing. */
  complete(): Record<string, string | string[]> | null {
    const answers: Record<string, string | string[]> = {};
    for (const question of this.questions) {
      const answer = this.#answerOf(question);
      if (answer === null) return null;
      answers[question.question] = answer;
    }
    return answers;
  }

  #keep(question: Question, chosen: string[]): void {
    this.#chosen = { ...this.#chosen, [question.question]: chosen };
    this.#drafts.write(this.#chosenDraft, JSON.stringify(this.#chosen));
  }

  #answerOf(question: Question): string | string[] | null {
    const written = (this.#written[question.question] ?? '').trim();
    const chosen = this.#chosen[question.question] ?? [];
    if (question.multi_select) {
      const all = written ? [...chosen, written] : chosen;
      return all.length > 0 ? all : null;
    }
    return written || chosen[0] || null;
  }

  get #chosenDraft(): string {
    return `item:${this.#itemId}:chosen`;
  }

  get #noteDraft(): string {
    return `item:${this.#itemId}:note`;
  }

  #draftOf(question: Question): string {
    return `item:${this.#itemId}:${this.questions.indexOf(question)}`;
  }
}
