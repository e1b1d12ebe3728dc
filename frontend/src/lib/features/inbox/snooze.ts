/** Until when something can be put off with one tap. */

export type SnoozeChoice = 'hour' | 'evening' | 'morning';

const EVENING = 18;
const MORNING = 9;
/** Before this hour the night belongs to the day before. */
const DAWN = 5;
const HOUR_MS = 3_600_000;

/** The choices that make sense now, soonest first. */
export function snoozeChoices(now: Date): { id: SnoozeChoice; at: Date }[] {
  const at = (hour: number, days: number): Date =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const evening = at(EVENING, 0);
  const morning = at(MORNING, now.getHours() < DAWN ? 0 : 1);
  // Shortly before the evening, and in it, an hour says the same.
  const day = now.getHours() >= DAWN && evening.getTime() - now.getTime() > HOUR_MS;
  return [
    { id: 'hour', at: new Date(now.getTime() + HOUR_MS) },
    ...(day ? [{ id: 'evening' as const, at: evening }] : []),
    { id: 'morning', at: morning },
  ];
}

/** A moment as a field for date and time wants it. */
export function asLocal(moment: Date): string {
  const pad = (n: number): string => `${n}`.padStart(2, '0');
  const day = `${moment.getFullYear()}-${pad(moment.getMonth() + 1)}-${pad(moment.getDate())}`;
  return `${day}T${pad(moment.getHours())}:${pad(moment.getMinutes())}`;
}
