import { expect, it, vi } from 'vitest';

it('costs the first screen no formatter', async () => {
  const made = vi.spyOn(Intl, 'DateTimeFormat');
  const { timeOfDay, dayInWords } = await import('./time');
  const now = new Date(2026, 10, 3, 9, 5).getTime();
  expect([timeOfDay(now), dayInWords(new Date(now).toISOString(), now)]).toEqual([
    '09:05',
    'Today',
  ]);
  expect(made).not.toHaveBeenCalled();
  made.mockRestore();
});

it('writes the first minutes of a day as such', async () => {
  const { timeOfDay, timeOfDayExact } = await import('./time');
  const at = new Date(2026, 10, 3, 0, 1, 2);
  expect([timeOfDay(at.getTime()), timeOfDayExact(at.toISOString())]).toEqual([
    '00:01',
    '00:01:02',
  ]);
});

it('names days the longer ago they are', async () => {
  const { dayInWords, momentInWords } = await import('./time');
  const now = new Date(2026, 10, 8, 12, 0).getTime();
  const at = (day: number) => new Date(2026, 10, day, 9, 0).toISOString();
  expect(dayInWords(at(7), now)).toBe('Yesterday');
  expect(dayInWords(at(2), now)).toBe('Monday 2 November');
  expect(momentInWords(at(6), now)).toBe('Friday, 09:00');
  expect(momentInWords(new Date(2026, 9, 3, 9, 0), now)).toBe('3 Oct, 09:00');
});
