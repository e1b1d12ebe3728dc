import AlarmClock from '@lucide/svelte/icons/alarm-clock';
import BellRing from '@lucide/svelte/icons/bell-ring';
import ChartNoAxesColumn from '@lucide/svelte/icons/chart-no-axes-column';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleStop from '@lucide/svelte/icons/circle-stop';
import FolderGit2 from '@lucide/svelte/icons/folder-git-2';
import Keyboard from '@lucide/svelte/icons/keyboard';
import MessageSquareText from '@lucide/svelte/icons/message-square-text';
import Moon from '@lucide/svelte/icons/moon';
import Play from '@lucide/svelte/icons/play';
import Plus from '@lucide/svelte/icons/plus';
import Rows3 from '@lucide/svelte/icons/rows-3';
import SettingsIcon from '@lucide/svelte/icons/settings';
import Square from '@lucide/svelte/icons/square';
import SunMoon from '@lucide/svelte/icons/sun-moon';
import TextSearch from '@lucide/svelte/icons/text-search';
import type { Component } from 'svelte';
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import { en } from '$lib/messages/en';
import { actsOf } from '$lib/features/sessions/state';
import type { App } from '$lib/shared/app.svelte';
import type { Action } from '$lib/shared/keymap.svelte';
import { shell } from '$lib/shell/shell.svelte';

export interface Command {
  id: string;
  text: string;
  icon: Component;
  key?: Action;
  act: () => void;
}

const words = en.palette.commands;

/** What can be done from here. `at`: the thread one is in. `query`: what was typed, for a command that takes words. */
export function commandsOf(app: App, at: string, query: string): Command[] {
  const open = (path: '/' | '/sessions' | '/projects' | '/cost' | '/settings') => () =>
    void goto(resolve(path), { state: { inside: true } });
  const session = app.sessions.get(at);
  const may = session ? actsOf(session) : null;
  const act = (what: 'close' | 'cancel' | 'park' | 'resume') => () =>
    void app.attempt(() => app.sessions.act(at, what));
  const name = session?.handle ?? '';
  const waiting = app.inbox.of(at).filter((item) => !item.snoozed_at);
  const conversation = app.conversations.of(at);
  const all: (Command | false | undefined)[] = [
    {
      id: 'new',
      text: query ? words.newSessionWith(query) : en.app.newSession,
      icon: Plus,
      key: 'newSession',
      act: () => (shell.starting = { prompt: query }),
    },
    conversation.working && {
      id: 'stop',
      text: session ? words.stop(name) : en.chat.stop,
      icon: Square,
      act: () => void app.attempt(() => conversation.stop()),
    },
    may?.close && {
      id: 'close',
      text: words.close(name),
      icon: CircleCheck,
      key: 'done',
      act: act('close'),
    },
    may?.resume && { id: 'resume', text: words.resume(name), icon: Play, act: act('resume') },
    waiting.length > 0 && {
      id: 'snooze',
      text: en.snooze.open,
      icon: AlarmClock,
      key: 'snooze',
      act: () => (app.inbox.snoozing = waiting),
    },
    may?.park && { id: 'park', text: words.park(name), icon: Moon, act: act('park') },
    may?.cancel && { id: 'cancel', text: words.cancel(name), icon: CircleStop, act: act('cancel') },
    app.inbox.items.length > 0 && {
      id: 'needs',
      text: words.needs(app.inbox.items.length),
      icon: BellRing,
      act: open('/sessions'),
    },
    {
      id: 'find',
      text: words.find,
      icon: TextSearch,
      key: 'find',
      act: () => (shell.finding = at),
    },
    { id: 'chat', text: words.chat, icon: MessageSquareText, key: 'chat', act: open('/') },
    { id: 'sessions', text: words.sessions, icon: Rows3, key: 'sessions', act: open('/sessions') },
    { id: 'projects', text: en.app.projects, icon: FolderGit2, act: open('/projects') },
    { id: 'cost', text: en.app.cost, icon: ChartNoAxesColumn, act: open('/cost') },
    { id: 'settings', text: en.app.settings, icon: SettingsIcon, act: open('/settings') },
    {
      id: 'keys',
      text: words.keys,
      icon: Keyboard,
      key: 'help',
      act: () => (shell.helping = true),
    },
    ...(['light', 'dark', 'system'] as const)
      .filter((theme) => theme !== app.theme.choice)
      .map((theme) => ({
        id: `theme-${theme}`,
        text: words.theme[theme],
        icon: SunMoon,
        act: () => app.theme.choose(theme),
      })),
  ];
  return all.filter((command): command is Command => Boolean(command));
}
