import Check from '@lucide/svelte/icons/check';
import CircleAlert from '@lucide/svelte/icons/circle-alert';
import CircleQuestionMark from '@lucide/svelte/icons/circle-question-mark';
import CircleStop from '@lucide/svelte/icons/circle-stop';
import Clock from '@lucide/svelte/icons/clock';
import GitMerge from '@lucide/svelte/icons/git-merge';
import ListChecks from '@lucide/svelte/icons/list-checks';
import ShieldQuestionMark from '@lucide/svelte/icons/shield-question-mark';
import X from '@lucide/svelte/icons/x';
import type { Component } from 'svelte';
import type { IconName } from './state';

export const ICONS: Record<IconName, Component> = {
  question: CircleQuestionMark,
  plan: ListChecks,
  permission: ShieldQuestionMark,
  stuck: CircleAlert,
  check: Check,
  cross: X,
  merged: GitMerge,
  stopped: CircleStop,
  clock: Clock,
};
