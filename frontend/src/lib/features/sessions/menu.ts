import AlarmClock from '@lucide/svelte/icons/alarm-clock';
import Bell from '@lucide/svelte/icons/bell';
import BellOff from '@lucide/svelte/icons/bell-off';
import AlarmClockOff from '@lucide/svelte/icons/alarm-clock-off';
import CircleDot from '@lucide/svelte/icons/circle-dot';
import Check from '@lucide/svelte/icons/check';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleStop from '@lucide/svelte/icons/circle-stop';
import Maximize2 from '@lucide/svelte/icons/maximize-2';
import Moon from '@lucide/svelte/icons/moon';
import Play from '@lucide/svelte/icons/play';
import Square from '@lucide/svelte/icons/square';
import Volume2 from '@lucide/svelte/icons/volume-2';
import VolumeX from '@lucide/svelte/icons/volume-x';
import type { MenuEntry } from '@mainloop/ui';
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import { toggleMute } from '$lib/features/attention/muting';
import { takes } from '$lib/features/inbox/inbox.svelte';
import { setOrder } from '$lib/live/order';
import type { Item, Session, WatchedFor } from '$lib/live/types';
import { attention } from '$lib/messages/attention';
import { en } from '$lib/messages/en';
import { order } from '$lib/messages/order';
import { watches } from '$lib/messages/watches';
import type { App } from '$lib/shared/app.svelte';
import { actsOf, boundAbove } from './state';

const words = en.sessions;

const isWatched = (session: Session, condition: WatchedFor) =>
  !!session.watches?.some((watch) => watch.condition === condition);

/** What one may want to be told of it by a tap: what is still to come, and what one waits for already. */
function watchable(session: Session, muted: boolean): WatchedFor[] {
  const { state, change } = session;
  const goesOn = ['starting', 'working', 'waiting'].includes(state);
  const green = change?.checks?.[0]?.state === 'passed';
  const to_come: Partial<Record<WatchedFor, boolean>> = {
    done: goesOn,
    green: change?.state === 'open' && !green,
    merged: change?.state === 'open',
    // Else what it asks reaches one anyway.
    asks: goesOn && muted,
    cost: goesOn,
  };
  return (Object.keys(watches.tell) as WatchedFor[]).filter(
    (condition) => to_come[condition] || isWatched(session, condition),
  );
}

const tellOf = (session: Session, condition: WatchedFor): string =>
  condition === 'cost'
    ? watches.tellAbove(boundAbove(session.cost_usd ?? 0))
    : watches.tell[condition];

/** Said where it was pressed: nothing else shows that one is told. */
async function watch(app: App, session: Session, condition: WatchedFor, on: boolean) {
  const above = condition === 'cost' && on ? boundAbove(session.cost_usd ?? 0) : null;
  if (!(await app.attempt(() => app.sessions.watch(session.id, condition, on, above)))) return;
  const when = [watches.when[condition], ...(above ? [watches.above(above)] : [])].join(' ');
  const text = (on ? watches.told : watches.untold)(session.handle, when);
  app.toasts.show({ text });
}

/** What can be done to a session now. `item`: the one ask of it that is meant; else all of them. */
export function entriesOf(app: App, session: Session, zoom: boolean, item?: Item): MenuEntry[] {
  const may = actsOf(session);
  const items = item ? [item] : app.inbox.of(session.id);
  const awake = items.filter((one) => !one.snoozed_at);
  const asleep = items.filter((one) => one.snoozed_at);
  const dismissed = awake.filter((one) => takes(one, 'dismiss'));
  const act = (name: 'cancel' | 'close' | 'park' | 'resume') => () =>
    void app.attempt(() => app.sessions.act(session.id, name));
  const muted = app.muted.is({ what: 'session', id: session.id });
  const all: (MenuEntry | false)[] = [
    zoom && {
      id: 'open',
      label: words.openFull,
      icon: Maximize2,
      act: () => void goto(resolve('/s/[id]', { id: session.id }), { state: { inside: true } }),
    },
    awake.length > 0 && {
      id: 'snooze',
      label: en.snooze.open,
      icon: AlarmClock,
      act: () => (app.inbox.snoozing = awake),
    },
    dismissed.length > 0 && {
      id: 'dismiss',
      label: en.asks.dismiss,
      icon: Check,
      act: () => void app.inbox.answerSeveral(dismissed, 'dismiss'),
    },
    asleep.length > 0 && {
      id: 'wake',
      label: en.snooze.wake,
      icon: AlarmClockOff,
      act: () => void app.inbox.wake(asleep),
    },
    (app.marks.of(session.id)?.told ?? 0) > 0 &&
      !app.marks.isUnread(session.id) && {
        id: 'unread',
        label: en.chat.markUnread,
        icon: CircleDot,
        act: () => void app.attempt(() => app.conversations.of(session.id).unreadFrom()),
      },
    ...watchable(session, muted).map((condition): MenuEntry => {
      const on = isWatched(session, condition);
      return {
        id: `watch-${condition}`,
        label: on ? watches.stop[condition] : tellOf(session, condition),
        icon: on ? BellOff : Bell,
        act: () => void watch(app, session, condition, !on),
      };
    }),
    {
      id: 'mute',
      label: muted ? attention.mute.off : attention.mute.on,
      icon: muted ? Volume2 : VolumeX,
      act: () => void toggleMute(app, session),
    },
    may.stop && {
      id: 'stop',
      label: words.stop,
      icon: Square,
      act: () => void app.attempt(() => app.conversations.of(session.id).stop()),
    },
    may.resume && {
      id: 'resume',
      label: session.state === 'done' ? words.reopen : words.resume,
      icon: Play,
      act: act('resume'),
    },
    Boolean(session.held_at) && {
      id: 'begin',
      label: order.now,
      icon: Play,
      act: () => void app.attempt(() => setOrder(app, session.id, [])),
    },
    may.park && { id: 'park', label: words.park, icon: Moon, act: act('park') },
    may.close && { id: 'close', label: words.close, icon: CircleCheck, act: act('close') },
    may.cancel && {
      id: 'cancel',
      label: words.cancel,
      icon: CircleStop,
      danger: true,
      act: act('cancel'),
    },
  ];
  return all.filter((entry): entry is MenuEntry => entry !== false);
}
