import { describe, expect, it } from 'vitest';
import { begun, draftOf, lacking, valuesOf, type Field } from './form';

const field = (name: string, kind: Field['kind'], more: Partial<Field> = {}): Field => ({
  name,
  kind,
  title: '',
  description: '',
  required: false,
  choices: [],
  ...more,
});

const fields = [
  field('host', 'text', { required: true }),
  field('copies', 'integer', { default: 2 }),
  field('sure', 'boolean', { default: true }),
  field('zone', 'choice', { required: true }),
  field('days', 'choices', { least: 2, most: 3, default: ['mon'] }),
  field('at', 'text', { format: 'date-time' }),
];

describe('a form', () => {
  it('begins with its defaults, or as it was left', () => {
    expect(begun(fields, '')).toEqual({
      host: '',
      copies: '2',
      sure: true,
      zone: '',
      days: ['mon'],
      at: '',
    });
    expect(begun(fields, JSON.stringify({ host: 'ash', sure: false }))).toMatchObject({
      host: 'ash',
      sure: false,
      copies: '2',
    });
  });

  // spec: writing-17
  it('is kept as it was left, what was written apart from what was chosen, and no default', () => {
    const written = {
      ...begun(fields),
      host: 'ash',
      sure: false,
      zone: 'eu',
      days: ['mon', 'tue'],
    };
    const texts = draftOf(fields, written, 'texts');
    expect(texts).toBe('{"host":"ash"}');
    expect(begun(fields, texts, draftOf(fields, written, 'chosen'))).toEqual(written);
    expect(draftOf(fields, begun(fields), 'texts') + draftOf(fields, begun(fields), 'chosen')).toBe(
      '',
    );
  });

  it('sends numbers as numbers, moments with their zone, and nothing that was left empty', () => {
    const written = {
      host: 'ash',
      copies: '3',
      sure: false,
      zone: '',
      days: [],
      at: '2026-03-14T09:26',
    };
    expect(valuesOf(fields, written)).toEqual({
      host: 'ash',
      copies: 3,
      sure: false,
      at: new Date('2026-03-14T09:26').toISOString(),
    });
  });

  it('says which choice is still missing, or how many are too many', () => {
    const written = begun(fields, '');
    expect(lacking(fields, written)?.name).toBe('zone');
    expect(lacking(fields, { ...written, zone: 'eu' })?.name).toBe('days');
    expect(lacking(fields, { ...written, zone: 'eu', days: [] })).toBeUndefined();
    expect(lacking(fields, { ...written, zone: 'eu', days: ['a', 'b', 'c', 'd'] })?.name).toBe(
      'days',
    );
    expect(lacking(fields, { ...written, zone: 'eu', days: ['a', 'b'] })).toBeUndefined();
  });
});
