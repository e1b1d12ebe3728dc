/** Times in words, short. */
import { en } from '$lib/messages/en';

// Made when they are first asked for: the first of them costs a phone a tenth of a second, and the first screen needs none.
const dayAndMonth = lazily(
  () => new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' }),
);
const weekday = lazily(() => new Intl.DateTimeFormat('en-GB', { weekday: 'long' }));
const date = lazily(() => new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }));
const count = lazily(() => new Intl.NumberFormat('en'));
const short = lazily(
  () => new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }),
);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "09:12" where the person is. */
export function timeOfDay(at: string | number): string {
  const moment = new Date(at);
  return `${two(moment.getHours())}:${two(moment.getMinutes())}`;
}

/** "09:12:40" */
export function timeOfDayExact(at: string): string {
  return `${timeOfDay(at)}:${two(new Date(at).getSeconds())}`;
}

/** The day where the person is, as a field for days has it: "2026-11-02". */
export function isoDay(at: string | number): string {
  const day = new Date(at);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** What somebody wrote as a day or a moment, as the server reads it; a day begins where the person is. */
export function momentOf(written: string): string | null {
  const moment = new Date(written.includes('T') ? written : `${written}T00:00`);
  return Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}

export function dayInWords(at: string, now: number): string {
  if (isoDay(at) === isoDay(now)) return en.chat.today;
  if (isoDay(at) === isoDay(now - DAY)) return en.chat.yesterday;
  return dayAndMonth().format(new Date(at));
}

/** "now", "27m", "3h", "yesterday", "Sunday", "3 Oct". */
export function ago(at: string, now: number): string {
  const passed = now - Date.parse(at);
  if (passed < MINUTE) return 'now';
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)}m`;
  if (isoDay(at) === isoDay(now)) return `${Math.floor(passed / HOUR)}h`;
  if (isoDay(at) === isoDay(now - DAY)) return 'yesterday';
  if (passed < 6 * DAY) return weekday().format(new Date(at));
  return date().format(new Date(at));
}

/** "40 s", "4m 12s", "24 min", "1h 05m", "3 d". */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 10 && minutes < 60) return `${minutes} min`;
  if (minutes < 10) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${String(minutes % 60).padStart(2, '0')}m`;
  return `${Math.floor(hours / 24)} d`;
}

/** "3 Oct" */
export function dayOf(at: string): string {
  return date().format(new Date(at));
}

export function dateAndTime(at: string): string {
  return `${date().format(new Date(at))}, ${timeOfDay(at)}`;
}

/** "18:00" where it is today, else "Sunday, 09:00" within a week before or after, else "3 Oct, 09:00". */
export function momentInWords(at: string | Date, now: number): string {
  const moment = new Date(at);
  const time = timeOfDay(moment.getTime());
  if (isoDay(moment.getTime()) === isoDay(now)) return time;
  if (Math.abs(moment.getTime() - now) < 6 * DAY) return `${weekday().format(moment)}, ${time}`;
  return `${date().format(moment)}, ${time}`;
}

export function dollars(usd: number): string {
  return usd > 0 && usd < 0.01 ? '< $0.01' : `$${usd.toFixed(2)}`;
}

/** A number of tokens, whole. */
export function whole(tokens: number): string {
  return count().format(tokens);
}

/** A number of tokens for where there is little room: 12.3K. */
export function compact(tokens: number): string {
  return short().format(tokens);
}

/** Money as far as it is known; empty where nothing is. */
export function money(usd: number | null | undefined): string {
  return typeof usd === 'number' ? dollars(usd) : '';
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
