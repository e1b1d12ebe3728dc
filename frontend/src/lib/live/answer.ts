/** An answer as it is given, and as the API takes it. */
import type { components } from '@mainloop/api-client';

type Whole = components['schemas']['GiveAnswer'];

export type GivenAnswer = Pick<Whole, 'id' | 'decision'> & Partial<Whole>;

export function wholeAnswer(answer: GivenAnswer): Whole {
  return { answers: {}, values: {}, text: '', scope: 'once', pattern: '', ...answer };
}
