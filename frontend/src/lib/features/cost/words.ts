import type { Ceiling, Sum } from '$lib/live/types';
import { cost as costWords } from '$lib/messages/cost';
import { dollars, whole } from '$lib/shared/time';

/** Money as far as it is known: what is unknown is said, never shown as nothing. */
export function costOf(sum: Sum): string {
  if (typeof sum.cost_usd !== 'number') return sum.tokens ? costWords.unknown : '–';
  return sum.unpriced_tokens ? costWords.atLeast(dollars(sum.cost_usd)) : dollars(sum.cost_usd);
}

export function amountOf(ceiling: Ceiling, amount: number | null | undefined): string {
  if (typeof amount !== 'number') return costWords.none;
  return ceiling.unit === 'usd' ? dollars(amount) : whole(amount);
}

/** The day so many days earlier, as 2026-11-28. */
export function daysBefore(day: string, days: number): string {
  const date = new Date(`${day}T12:00:00Z`);
  date.setUTCDate(date.getUTCDate() - days);
  return date.toISOString().slice(0, 10);
}
