/** The forms of asks, a quarter of this page's own code: fetched when the first of a kind waits, and after the first paint. */
import type { Component } from 'svelte';
import { once } from '$lib/shared/once';
import type { Item } from '$lib/live/types';
import type { Give } from './give';

type Form = Component<{ item: Item; ask: never; give: Give; brief?: boolean }>;

/** A kind of ask is one file beside this one, and one line here. */
export const forms: Record<string, (() => Promise<{ default: Form }>) | undefined> = {
  question: once(() => import('./QuestionAsk.svelte')),
  plan: once(() => import('./PlanAsk.svelte')),
  permission: once(() => import('./PermissionAsk.svelte')),
  form: once(() => import('./FormAsk.svelte')),
};

/** What is no ask, and what a newer server asks. */
export const notice = once(() => import('./NoticeAsk.svelte'));
