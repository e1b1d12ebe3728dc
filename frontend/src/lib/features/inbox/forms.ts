/**
 * The forms of asks. Those of every day come with the page: an ask that got its form after the first paint would push
 * away what stands above it. The rare ones are fetched when the first of a kind waits; without a line, with the next one.
 */
import type { Component } from 'svelte';
import { insist, once } from '$lib/shared/once';
import type { Item } from '$lib/live/types';
import type { Give } from './give';
import PermissionAsk from './PermissionAsk.svelte';
import PlanAsk from './PlanAsk.svelte';
import QuestionAsk from './QuestionAsk.svelte';

export type Form = Component<{ item: Item; ask: never; give: Give; brief?: boolean }>;
type Later<T> = () => Promise<{ default: T }>;

/** A kind of ask is one file beside this one, and one line here or below. */
export const forms: Record<string, Form | undefined> = {
  question: QuestionAsk,
  plan: PlanAsk,
  permission: PermissionAsk,
};

export const rareForms: Record<string, Later<Form> | undefined> = {
  form: once(() => insist(() => import('./FormAsk.svelte'))),
};

/** What is no ask, and what a newer server asks. */
export const notice = once(() => insist(() => import('./NoticeAsk.svelte')));
