import { describe, expect, it } from 'vitest';
import { asLocal, snoozeChoices } from './snooze';

const at = (text: string) =>
  snoozeChoices(new Date(text)).map(({ id, at: moment }) => `${id} ${asLocal(moment)}`);

describe('putting off', () => {
  it('offers an hour, this evening and tomorrow morning by day', () => {
    expect(at('2026-03-02T10:20')).toEqual([
      'hour 2026-03-02T11:20',
      'evening 2026-03-02T18:00',
      'morning 2026-03-03T09:00',
    ]);
  });

  it('offers no evening that is over, or is an hour away', () => {
    expect(at('2026-03-02T17:30')).toEqual(['hour 2026-03-02T18:30', 'morning 2026-03-03T09:00']);
    expect(at('2026-03-02T21:00')).toEqual(['hour 2026-03-02T22:00', 'morning 2026-03-03T09:00']);
  });

  it('takes the hours before dawn for the night before', () => {
    expect(at('2026-03-02T01:10')).toEqual(['hour 2026-03-02T02:10', 'morning 2026-03-02T09:00']);
  });
});
