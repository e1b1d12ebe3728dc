/** Which keys do what, as the person has them. The server keeps them; this browser, what it heard last. */
const STORED = 'mainloop.keys';
/** Set while the server has not heard of what is kept here. */
const UNSENT = 'mainloop.keys.unsent';

/**
 * Strokes are written one after the other, with a space between: `g c`. A stroke is the key as it is typed, so that
 * `U` is Shift and U; `mod+` is the command key of a Mac and Ctrl elsewhere.
 */
export const DEFAULTS = {
  palette: 'mod+k',
  find: '/',
  compose: 'c',
  composeToo: 'i',
  nextNeeds: 'n',
  previousNeeds: 'N',
  next: 'j',
  previous: 'k',
  expand: 'Enter',
  zoom: 'mod+Enter',
  allow: 'y',
  always: 'a',
  deny: 'n',
  revise: 'r',
  done: 'e',
  snooze: 'h',
  undo: 'z',
  select: 'x',
  unread: 'U',
  nextFile: ']',
  previousFile: '[',
  viewed: 'v',
  chat: 'g c',
  sessions: 'g s',
  newSession: 'g n',
  help: '?',
} as const;

export type Action = keyof typeof DEFAULTS;

type Own = Partial<Record<Action, string>>;

export const ACTIONS = Object.keys(DEFAULTS) as Action[];
/** Heard by a permission that has the focus, before anybody else, and in either case of a letter: to refuse comes first. */
const IN_PERMISSION = ['deny', 'always', 'allow'] as const;
type InPermission = (typeof IN_PERMISSION)[number];

function isInPermission(action: Action): action is InPermission {
  return (IN_PERMISSION as readonly Action[]).includes(action);
}
/** Pressed for what has the focus, or to scroll. */
const PRESSES = ['Enter', 'Space'];

const ALONE = ['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock', 'Dead', 'Process'];

/** What was pressed, as it is written here; nothing for a key that is no stroke by itself. */
export function strokeOf(event: KeyboardEvent): string {
  let { key } = event;
  if (ALONE.includes(key) || event.altKey || event.isComposing) return '';
  // Where letters are not Latin ones, the place of the key says which is meant.
  const place = /^Key([A-Z])$/.exec(event.code ?? '')?.[1];
  if (place && key.length === 1 && key.charCodeAt(0) > 127)
    key = event.shiftKey ? place : place.toLowerCase();
  if (!event.metaKey && !event.ctrlKey) return key === ' ' ? 'Space' : key;
  // There Ctrl moves in a field.
  if (isMac() && !event.metaKey) return '';
  if (key.length > 1) return `mod+${key}`;
  // With Shift it is the browser's.
  const shift = event.shiftKey && key.toLowerCase() !== key.toUpperCase() ? 'Shift+' : '';
  return `mod+${shift}${key.toLowerCase()}`;
}

function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.userAgent);
}

const SIGNS: Record<string, string> = { Enter: '⏎', Escape: 'Esc', ArrowUp: '↑', ArrowDown: '↓' };

/** Strokes as they are printed on a key. */
export function printed(strokes: string): string {
  return strokes
    .split(' ')
    .map((stroke) => {
      const [, mods = '', key = ''] = /^((?:mod\+|Shift\+)*)(.+)$/.exec(stroke) ?? [];
      const big = mods.includes('Shift') || (key.length === 1 && key !== key.toLowerCase());
      const name = SIGNS[key] ?? (key.length === 1 ? key.toUpperCase() : key);
      const mod = mods.includes('mod') ? (isMac() ? '⌘' : 'Ctrl ') : '';
      return `${mod}${big ? '⇧' : ''}${name}`;
    })
    .join(' ');
}

/** Whether keys of a permission and other ones have a stroke in common: only to refuse by mistake lets nothing through. */
function mistakable(one: Action, keys: string, other: Action, others: string): boolean {
  const apart = isInPermission(one) !== isInPermission(other);
  if (apart && (one === 'deny' || other === 'deny')) return false;
  const strokes = others.toLowerCase().split(' ');
  return keys
    .toLowerCase()
    .split(' ')
    .some((stroke) => strokes.includes(stroke));
}

export class Keymap {
  #own = $state.raw<Own>({});
  #unsent = false;
  #sending = false;

  constructor(
    private readonly storage: Storage | undefined,
    private readonly send: (keys: Record<string, string>) => Promise<void> = async () => undefined,
  ) {
    this.#own = this.#read();
    this.#unsent = storage?.getItem(UNSENT) !== null && storage !== undefined;
  }

  /** How the server has them now; null where the person has never changed any: then it gets those of this browser. */
  hear(keys: Record<string, string> | null): void {
    if (this.#unsent || (keys === null && this.changed)) void this.#tell();
    else {
      this.#own = sensible(keys ?? {});
      this.#store();
    }
  }

  of(action: Action): string {
    return this.#own[action] ?? DEFAULTS[action];
  }

  printed(action: Action): string {
    return printed(this.of(action));
  }

  isOwn(action: Action): boolean {
    return this.#own[action] !== undefined;
  }

  get changed(): boolean {
    return Object.keys(this.#own).length > 0;
  }

  /** What strokes do outside of a permission; `begun` where they are the beginning of something longer. */
  find(strokes: string): Action | 'begun' | null {
    let begun = false;
    for (const action of ACTIONS) {
      if (isInPermission(action)) continue;
      const keys = this.of(action);
      if (keys === strokes) return action;
      begun ||= keys.startsWith(`${strokes} `);
    }
    return begun ? 'begun' : null;
  }

  /** What a stroke does in a permission that has the focus. */
  inPermission(event: KeyboardEvent): InPermission | null {
    const stroke = strokeOf(event).toLowerCase();
    return IN_PERMISSION.find((action) => this.of(action).toLowerCase() === stroke) ?? null;
  }

  /** Whether these strokes can be an action's at all: a permission is decided by one key that presses nothing else. */
  static takes(action: Action, strokes: string): boolean {
    return !isInPermission(action) || (!/ |^mod\+/.test(strokes) && !PRESSES.includes(strokes));
  }

  /** Who has these strokes already, or could no longer be reached beside them. */
  rival(action: Action, strokes: string): Action | null {
    const clash = (other: Action) => {
      const keys = this.of(other);
      if (isInPermission(action) || isInPermission(other))
        return mistakable(action, strokes, other, keys);
      return keys === strokes || keys.startsWith(`${strokes} `) || strokes.startsWith(`${keys} `);
    };
    return ACTIONS.find((other) => other !== action && clash(other)) ?? null;
  }

  set(action: Action, strokes: string): void {
    const entries = Object.entries(this.#own).filter(([other]) => other !== action);
    const others: Own = Object.fromEntries(entries);
    this.#keep(strokes === DEFAULTS[action] ? others : { ...others, [action]: strokes });
  }

  reset(): void {
    this.#keep({});
  }

  #keep(own: Own): void {
    this.#own = own;
    this.#unsent = true;
    this.#store();
    void this.#tell();
  }

  /** Until the server has what is here; without a line, with the next one. */
  async #tell(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      let own: Own | null = null;
      while (own !== this.#own) {
        own = this.#own;
        await this.send(own as Record<string, string>);
      }
      this.#unsent = false;
      this.#store();
    } catch {
      // It is said again when the server is.
    } finally {
      this.#sending = false;
    }
  }

  #store(): void {
    try {
      if (this.changed) this.storage?.setItem(STORED, JSON.stringify(this.#own));
      else this.storage?.removeItem(STORED);
      if (this.#unsent) this.storage?.setItem(UNSENT, '1');
      else this.storage?.removeItem(UNSENT);
    } catch {
      // The storage is full: they hold until the page is closed.
    }
  }

  #read(): Own {
    try {
      return sensible(JSON.parse(this.storage?.getItem(STORED) ?? '{}') as Record<string, unknown>);
    } catch {
      return {};
    }
  }
}

/** Of what was kept what can be meant: another version may have had other actions. */
function sensible(kept: Record<string, unknown>): Own {
  const entries = Object.entries(kept).filter(
    ([action, keys]) =>
      action in DEFAULTS &&
      typeof keys === 'string' &&
      keys &&
      Keymap.takes(action as Action, keys),
  );
  return Object.fromEntries(entries);
}
