import type { Action } from './keymap.svelte';

export interface Note {
  id: number;
  text: string;
  action?: string;
  hotkey?: Action;
  act?: () => void;
}

/** Short words at the foot of the page. */
export class Toasts {
  #notes = $state.raw<Note[]>([]);
  #count = 0;

  get notes(): Note[] {
    return this.#notes;
  }

  show(note: Omit<Note, 'id'>, forMs = 5000): number {
    const id = ++this.#count;
    this.#notes = [...this.#notes.slice(-2), { ...note, id }];
    setTimeout(() => this.drop(id), forMs);
    return id;
  }

  drop(id: number): void {
    this.#notes = this.#notes.filter((note) => note.id !== id);
  }

  act(note: Note): void {
    this.drop(note.id);
    note.act?.();
  }
}
