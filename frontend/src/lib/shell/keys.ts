/** What keys do. Single ones only while no field has the focus, and none while a dialog is open. */
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import { page } from '$app/state';
import { en } from '$lib/messages/en';
import { takes } from '$lib/features/inbox/inbox.svelte';
import { focusAsk } from '$lib/features/inbox/settle';
import { actsOf } from '$lib/features/sessions/state';
import type { App } from '$lib/shared/app.svelte';
import { strokeOf, type Action } from '$lib/shared/keymap.svelte';
import { shell } from './shell.svelte';

const SEQUENCE_MS = 800;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
  );
}

const STEPS: readonly unknown[] = ['next', 'previous'];

/** What one goes to with the keys, in the order of the page. */
const ITEMS =
  '[data-item], [data-session-row], [data-session], [data-ask], [data-timeline] article';

/** What a key that decides something means where it has the focus. */
const MEANT = '[data-ask], [data-item], [data-session], [data-session-row]';

export class Keys {
  readonly #app: App;
  #begun = '';
  #begunAt = 0;

  constructor(app: App) {
    this.#app = app;
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    const stroke = strokeOf(event);
    if (!stroke || document.querySelector('dialog[open]')) return;
    const { keymap } = this.#app;
    // A key that is held goes from item to item, and does anything else once.
    if (event.repeat && !STEPS.includes(keymap.find(stroke))) return;
    const waited = performance.now() - this.#begunAt < SEQUENCE_MS ? this.#begun : '';
    this.#begun = '';
    // In a field only what can't be typed.
    if (isTyping(event.target) && (!stroke.startsWith('mod+') || keymap.find(stroke) === 'zoom'))
      return;
    const does = (waited && keymap.find(`${waited} ${stroke}`)) || keymap.find(stroke);
    if (does === 'begun') {
      this.#begun = stroke;
      this.#begunAt = performance.now();
      event.preventDefault();
    } else if (does ? this.#do(does, event) : this.#fixed(event)) event.preventDefault();
  }

  focusComposer(): void {
    const composers = [...document.querySelectorAll<HTMLElement>('[data-composer] textarea')];
    composers.at(-1)?.focus();
  }

  #do(action: Action, event: KeyboardEvent): boolean {
    switch (action) {
      case 'palette':
        shell.palette = { query: '' };
        return true;
      case 'find':
        return this.#find();
      case 'compose':
      case 'composeToo':
        this.focusComposer();
        return true;
      case 'nextNeeds':
        return this.#toItem(1);
      case 'previousNeeds':
        return this.#toItem(-1);
      case 'next':
        return this.#step(1);
      case 'previous':
        return this.#step(-1);
      case 'expand':
        return event.target === document.activeElement && this.#expand();
      case 'zoom':
        return this.#inPlan('approve') || this.#inChange('approve-change') || this.#zoom();
      case 'revise':
        return this.#inPlan('revise') || this.#inChange('send-comments') || this.#reply();
      case 'done':
        return this.#done();
      case 'select':
        return this.#select();
      case 'unread':
        return this.#unreadFromHere();
      case 'nextFile':
        return this.#press('next-file');
      case 'previousFile':
        return this.#press('previous-file');
      case 'viewed':
        return this.#press('viewed');
      case 'snooze':
        return this.#snooze();
      case 'undo':
        return this.#app.inbox.undoNewest();
      case 'chat':
        return this.#go('/');
      case 'sessions':
        return this.#go('/sessions');
      case 'newSession':
        shell.starting = { prompt: '' };
        return true;
      case 'help':
        shell.helping = true;
        return true;
      default:
        return false;
    }
  }

  #fixed(event: KeyboardEvent): boolean {
    if (event.key === 'Escape') return this.#outOneLevel();
    return /^[1-9]$/.test(event.key) && !event.metaKey && !event.ctrlKey && this.#choose(event.key);
  }

  /** To the item after or before the one that has the focus, as far as there is one. */
  #step(by: 1 | -1): boolean {
    const { activeElement } = document;
    // In a change one goes along its lines.
    const change = activeElement?.closest<HTMLElement>('[data-diff]');
    const all = change
      ? [...change.querySelectorAll<HTMLElement>('[data-key]')]
      : [...document.querySelectorAll<HTMLElement>(ITEMS)].filter(
          (item) => item.checkVisibility() && !item.parentElement?.closest(ITEMS),
        );
    const at = all.findIndex((item) => item.contains(activeElement));
    // In the list one begins at its top, in a conversation at its end.
    const edge = change?.getBoundingClientRect().top ?? 0;
    const first = change
      ? all.findIndex((line) => line.getBoundingClientRect().bottom > edge)
      : document.querySelector('[data-timeline]')
        ? all.length - 1
        : 0;
    const item = at < 0 ? all[first] : all[at + by];
    if (!item) return true;
    const own = item.matches('[tabindex], a[href]') ? item : null;
    const link = item.matches('[data-session-row], [data-item]')
      ? item.querySelector<HTMLElement>('a[href]')
      : null;
    const target = own ?? link ?? item;
    if (target === item && !own) item.tabIndex = -1;
    target.focus({ preventScroll: true });
    item.scrollIntoView({ block: 'nearest' });
    return true;
  }

  /** Show what a block holds, or hide it again. A button or a link does what it does anyway. */
  #expand(): boolean {
    const { activeElement } = document;
    if (!(activeElement instanceof HTMLElement) || activeElement.matches('a, button, summary'))
      return false;
    const block = activeElement.closest<HTMLElement>('[data-session]');
    const button = block?.querySelector<HTMLButtonElement>('[data-expands]');
    button?.click();
    if (button) block?.focus();
    return button !== null && button !== undefined;
  }

  /** A session on the whole screen. */
  #zoom(): boolean {
    const id = this.#sessionHere();
    if (!id || page.params['id'] === id) return false;
    void goto(resolve('/s/[id]', { id }), { state: { inside: true } });
    return true;
  }

  /** Write to the session that has the focus, else where one is. */
  #reply(): boolean {
    const id = this.#sessionHere();
    const here = id && document.querySelector<HTMLElement>(`[data-composer="${id}"] textarea`);
    if (here) here.focus();
    else if (id && page.params['id'] !== id) {
      void goto(resolve('/s/[id]', { id }), { state: { inside: true } }).then(() =>
        setTimeout(() => this.focusComposer(), 150),
      );
    } else this.focusComposer();
    return true;
  }

  /** The session that has the focus, else the one that is open. */
  #sessionHere(): string | null {
    const at = document.activeElement;
    const row = at?.closest<HTMLElement>('[data-session], [data-session-row], [data-item]');
    const item = row?.dataset['item'] && this.#app.inbox.get(row.dataset['item']);
    const id = row?.dataset['session'] ?? row?.dataset['sessionRow'] ?? (item || null)?.session_id;
    return id ?? page.params['id'] ?? null;
  }

  /** It is done: close it, and go on to what needs the person next. */
  #done(): boolean {
    const asked = document.activeElement?.closest<HTMLElement>('[data-ask], [data-item]');
    const item = this.#app.inbox.get(asked?.dataset['ask'] ?? asked?.dataset['item'] ?? '');
    if (item) {
      // What has to be decided is not done by letting it go.
      if (!takes(item, 'dismiss')) return this.#zoom();
      void this.#app.inbox.answer(item, { decision: 'dismiss' });
      if (this.#app.inbox.items.length > 1) this.#toItem(1);
      return true;
    }
    const session = this.#app.sessions.get(this.#sessionHere() ?? '');
    if (!session || !actsOf(session).close) return false;
    void this.#app
      .attempt(() => this.#app.sessions.act(session.id, 'close'))
      .then((closed) => {
        if (!closed) return;
        this.#app.toasts.show({ text: en.sessions.closed(session.handle) });
        if (this.#app.inbox.items.length > 0) this.#toItem(1);
      });
    return true;
  }

  /** Search in the conversation that is on the page. */
  #find(): boolean {
    const timeline = document.querySelector<HTMLElement>('[data-timeline]');
    shell.finding = timeline?.dataset['timeline'] ?? '';
    const field = document.querySelector<HTMLInputElement>('[data-find] input');
    field?.select();
    return timeline !== null;
  }

  #go(path: '/' | '/sessions'): boolean {
    void goto(resolve(path));
    return true;
  }

  /** To the next thing that needs the person: where it stands on this page, else to its session. */
  #toItem(step: 1 | -1): boolean {
    const { inbox } = this.#app;
    const { items } = inbox;
    const here = document.activeElement?.closest<HTMLElement>('[data-ask]')?.dataset['ask'];
    const at = items.findIndex((item) => item.id === here);
    // On from the one that has the focus, also where that is answered by now.
    const from = step > 0 ? at + 1 : Math.max(0, at);
    const open = [...items.slice(from), ...items.slice(0, from)].filter(
      (item) => !inbox.isHeld(item.id),
    );
    // One begins with what the open session asks.
    const own = at < 0 ? open.find((item) => item.session_id === page.params['id']) : undefined;
    const next = own ?? open.at(step > 0 ? 0 : -1);
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

  /** Put off what has the focus, else what the open session asks, else the only thing there is. */
  #snooze(): boolean {
    const { inbox } = this.#app;
    const focused = document.activeElement?.closest<HTMLElement>('[data-ask]')?.dataset['ask'];
    const asked = inbox.items.filter((item) => item.session_id === page.params['id']);
    const [only, ...others] = asked.length > 0 ? asked : inbox.items;
    const item = focused ? inbox.get(focused) : others.length === 0 ? only : null;
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

  /** A key of the plan that has the focus; where nothing has it that the key could mean, of the only one shown whole. */
  #inPlan(what: 'approve' | 'revise'): boolean {
    const here = document.activeElement?.closest(MEANT);
    const within = here?.matches('[data-ask], [data-item]') ? here : null;
    const plans = (here ? within : document)?.querySelectorAll('[data-plan=whole]') ?? [];
    const plan = plans.length === 1 ? plans[0] : undefined;
    const button = plan?.querySelector<HTMLButtonElement>(`[data-does=${what}]`);
    button?.click();
    return button !== null && button !== undefined;
  }

  /** A button about the change of the open session, unless what has the focus is an ask or another session. */
  #inChange(does: string): boolean {
    const here = document.activeElement?.closest<HTMLElement>(MEANT);
    const meant = here?.dataset['session'] ?? here?.dataset['sessionRow'] ?? '';
    return (!here || meant === page.params['id']) && this.#press(does);
  }

  /** A button of the page, where it is there. */
  #press(does: string): boolean {
    const button = document.querySelector<HTMLButtonElement>(`[data-does=${does}]`);
    button?.click();
    return button !== null;
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
