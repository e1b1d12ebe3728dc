/** Single keys, only while no field has the focus and no dialog is open. */
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import { page } from '$app/state';
import type { App } from '$lib/shared/app.svelte';
import { focusAsk } from '$lib/features/inbox/settle';
import { shell } from './shell.svelte';

const SEQUENCE_MS = 800;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
  );
}

export class Keys {
  readonly #app: App;
  #goPressedAt = 0;

  constructor(app: App) {
    this.#app = app;
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (isTyping(event.target)) return;
    if (event.key === 'Enter' && (event.metaKey || event.ctrlKey) && this.#inPlan('approve')) {
      event.preventDefault();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (this.#act(event)) event.preventDefault();
  }

  focusComposer(): void {
    const composers = [...document.querySelectorAll<HTMLElement>('[data-composer] textarea')];
    composers.at(-1)?.focus();
  }

  #act(event: KeyboardEvent): boolean {
    const { key } = event;
    if (performance.now() - this.#goPressedAt < SEQUENCE_MS) {
      this.#goPressedAt = 0;
      if (key === 'c') return this.#go('/');
      if (key === 's') return this.#go('/sessions');
    }
    switch (key) {
      case 'c':
      case 'i':
        this.focusComposer();
        return true;
      case 'g':
        this.#goPressedAt = performance.now();
        return true;
      case 'n':
        return this.#toItem(1);
      case 'N':
        return this.#toItem(-1);
      case 'r':
        return this.#inPlan('revise');
      case 'x':
        return this.#select();
      case 'U':
        return this.#unreadFromHere();
      case 'h':
        return this.#snooze();
      case 'z':
        return this.#app.inbox.undoNewest();
      case '?':
        shell.helping = true;
        return true;
      case 'Escape':
        return this.#outOneLevel();
      default:
        return /^[1-9]$/.test(key) && this.#choose(key);
    }
  }

  #go(path: '/' | '/sessions'): boolean {
    void goto(resolve(path));
    return true;
  }

  /** To the next thing that needs the person: where it stands on this page, else to its session. */
  #toItem(step: 1 | -1): boolean {
    const items = this.#app.inbox.items;
    if (items.length === 0) return true;
    const here = document.activeElement?.closest<HTMLElement>('[data-ask]')?.dataset['ask'];
    const at = items.findIndex((item) => item.id === here);
    const next =
      items[(at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step + items.length) % items.length];
    if (!next) return true;
    const focus = () => {
      const ask = document.querySelector<HTMLElement>(`[data-ask="${CSS.escape(next.id)}"]`);
      ask?.scrollIntoView({ block: 'center' });
      return focusAsk(next.id);
    };
    if (focus()) return true;
    const path = next.session_id ? resolve('/s/[id]', { id: next.session_id }) : resolve('/');
    void goto(path, { state: { inside: true } }).then(() => setTimeout(focus, 150));
    return true;
  }

  /** Choose the ask that has the focus in the list, to answer it with others. */
  #select(): boolean {
    const focused = document.activeElement?.closest<HTMLElement>('[data-asks] [data-item]');
    const id = focused?.dataset['item'];
    if (id) this.#app.inbox.toggle(id);
    return id !== undefined;
  }

  /** Unread from the row under the pointer or the focus, else from the first that is in view whole. */
  #unreadFromHere(): boolean {
    const timeline = document.querySelector<HTMLElement>(
      '[data-session-view] [data-timeline], [data-inline]:hover, [data-inline]:focus-within',
    );
    const id = timeline?.dataset['timeline'] ?? timeline?.dataset['inline'];
    if (!timeline || !id) return false;
    const top = timeline.getBoundingClientRect().top;
    const rows = [...timeline.querySelectorAll<HTMLElement>('[data-place]')];
    const here =
      rows.find((row) => row.matches(':hover, :focus-within')) ??
      rows.find((row) => row.getBoundingClientRect().top >= top);
    const place = Number(here?.dataset['place'] ?? 0);
    if (place < 1) return false;
    const from = place < Number.MAX_SAFE_INTEGER ? place : undefined;
    void this.#app.attempt(() => this.#app.conversations.of(id).unreadFrom(from));
    return true;
  }

  /** Put off what has the focus, or the only thing there is. */
  #snooze(): boolean {
    const { inbox } = this.#app;
    const focused = document.activeElement?.closest<HTMLElement>('[data-ask]')?.dataset['ask'];
    const item = focused ? inbox.get(focused) : inbox.items.length === 1 ? inbox.items[0] : null;
    if (!item || item.snoozed_at) return false;
    inbox.snoozing = [item];
    return true;
  }

  #outOneLevel(): boolean {
    if (page.route.id === '/' || page.route.id === '/sessions') {
      (document.activeElement as HTMLElement | null)?.blur();
      return false;
    }
    if (page.state.inside) history.back();
    else void goto(resolve('/'));
    return true;
  }

  /** A key of the plan that has the focus, or of the only one that is shown whole. */
  #inPlan(what: 'approve' | 'revise'): boolean {
    const plans = [...document.querySelectorAll<HTMLElement>('[data-plan=whole]')];
    const focused = document.activeElement?.closest<HTMLElement>('[data-plan=whole]');
    const plan = focused ?? (plans.length === 1 ? plans[0] : undefined);
    const button = plan?.querySelector<HTMLButtonElement>(`[data-does=${what}]`);
    button?.click();
    return button !== null && button !== undefined;
  }

  /** A number chooses in the question that has the focus, or in the only one that is there. */
  #choose(key: string): boolean {
    const questions = [...document.querySelectorAll<HTMLElement>('[data-choices]')];
    const focused = document.activeElement
      ?.closest<HTMLElement>('[data-ask]')
      ?.querySelector<HTMLElement>('[data-choices]');
    const question = focused ?? (questions.length === 1 ? questions[0] : undefined);
    const choice = question?.querySelector<HTMLButtonElement>(`[data-choice="${key}"]`);
    choice?.click();
    return choice !== undefined && choice !== null;
  }
}
