/** The forms of asks, a quarter of this page's own code: fetched when the first of a kind waits, and after the first paint. */
import { once } from '$lib/shared/once';

export const forms = {
  question: once(() => import('./QuestionAsk.svelte')),
  plan: once(() => import('./PlanAsk.svelte')),
  permission: once(() => import('./PermissionAsk.svelte')),
  notice: once(() => import('./NoticeAsk.svelte')),
};
