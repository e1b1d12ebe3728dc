/** What is written into the fields of a form, and what of it is sent. */
import type { FormAsk } from '$lib/live/types';

export type Field = FormAsk['fields'][number];
export type Value = NonNullable<Field['default']>;
/** As it stands in the fields: texts, yes or no, and chosen values. */
export type Written = Record<string, string | boolean | string[]>;

/** What stands in the fields before anybody has written, or as it was left: what was chosen, and what was written. */
export function begun(fields: Field[], ...kept: string[]): Written {
  const parts = kept.filter(Boolean).map((part) => JSON.parse(part) as Written);
  const left: Written = Object.assign({}, ...parts);
  return Object.fromEntries(fields.map((field) => [field.name, left[field.name] ?? first(field)]));
}

/** What was made of the fields, as a draft keeps it: their texts, or what was chosen in them. */
export function draftOf(fields: Field[], written: Written, what: 'texts' | 'chosen'): string {
  const made = fields.flatMap((field) => {
    const value = written[field.name];
    const isText = field.kind === 'text' || field.kind === 'number' || field.kind === 'integer';
    return isText === (what === 'texts') && value !== first(field) ? [[field.name, value]] : [];
  });
  return made.length > 0 ? JSON.stringify(Object.fromEntries(made)) : '';
}

function first({ kind, format, default: value }: Field): Written[string] {
  if (kind === 'boolean') return value === true;
  if (kind === 'choices') return Array.isArray(value) ? value : [];
  if (value === null || value === undefined) return '';
  return format === 'date-time' ? localMoment(String(value)) : String(value);
}

/** The values that are sent: what was left empty is not among them. */
export function valuesOf(fields: Field[], written: Written): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const { name, kind, format } of fields) {
    const given = written[name];
    if (given === undefined || given === '' || (Array.isArray(given) && given.length === 0))
      continue;
    if (kind === 'number' || kind === 'integer') values[name] = Number(given);
    else if (format === 'date-time') values[name] = new Date(String(given)).toISOString();
    else values[name] = given;
  }
  return values;
}

/** The first field that the browser's own checks let pass and that can't be sent yet. */
export function lacking(fields: Field[], written: Written): Field | undefined {
  return fields.find(({ name, kind, required, least, most }) => {
    if (kind === 'choice') return required && !written[name];
    if (kind !== 'choices') return false;
    const count = (written[name] as string[]).length;
    if (count === 0) return required;
    return count < (least ?? 0) || count > (most ?? Infinity);
  });
}

/** A moment as the browser's field for one writes it, in the person's own time. */
function localMoment(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
