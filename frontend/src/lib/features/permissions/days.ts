/** For how long a standing permission can be given with one tap. */
export const DAYS = [1, 7, 30, 365];

const DAY_MS = 24 * 60 * 60 * 1000;

/** The moment so many days from now, as the API wants it. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * DAY_MS).toISOString();
}
