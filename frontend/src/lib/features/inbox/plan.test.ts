import { describe, expect, it } from 'vitest';
import { isFinal, messageOf, partsOf, stepOf, summaryOf } from './plan';

const PLAN = `# Move to 17

Slowly.

1. Dump
   - all of it
   - and check

   The dump is kept.
2. Restore
\`\`\`sh
1. no step
\`\`\`

## Afterwards

- Look
`;

describe('a plan', () => {
  it('is about what its first paragraph says, or its heading where there is none', () => {
    expect(summaryOf(PLAN)).toBe('Slowly.');
    expect(summaryOf('# Move\n**Replicate**,\nthen switch.\n\n1. Copy')).toBe(
      'Replicate, then switch.',
    );
    expect(summaryOf('# Move to 17\n\n1. Dump\n2. Restore')).toBe('Move to 17');
    expect(summaryOf('1. Dump\n2. Restore')).toBe('Dump');
  });

  // spec: inbox-26
  it('is cut at the entries of its outermost lists, and is the same text when joined', () => {
    const parts = partsOf(PLAN);
    expect(parts.filter((part) => part.step).map((part) => part.text.split('\n')[0])).toEqual([
      '1. Dump',
      '2. Restore',
      '- Look',
    ]);
    expect(parts.map((part) => part.text).join('\n')).toBe(PLAN);
    expect(partsOf('Just do it.').some((part) => part.step)).toBe(false);
  });

  // spec: layout-18
  it('tells the number of a step from its text, and whether it says that there is no way back', () => {
    const [dump, , look] = partsOf(PLAN).filter((part) => part.step);
    expect(dump && stepOf(dump)).toEqual({
      number: '1',
      text: 'Dump\n- all of it\n- and check\n\nThe dump is kept.',
    });
    expect(look && stepOf(look).number).toBeNull();
    const final = ['Drop it. This cannot be undone.', 'It can’t be undone', 'irreversible: drop'];
    for (const text of final) expect(isFinal({ text, step: true })).toBe(true);
    expect(isFinal({ text: 'Undo what was done', step: true })).toBe(false);
  });

  // spec: inbox-26
  it('goes back as one message that quotes each step as it stands there', () => {
    const parts = partsOf(PLAN);
    const at = (first: string) => parts.findIndex((part) => part.text.startsWith(first));
    const said = { [at('1. Dump')]: 'On the replica.', [at('- Look')]: '  ' };
    expect(messageOf(parts, said, 'Take your time.')).toBe(
      '> 1. Dump\n>    - all of it\n>    - and check\n> \n>    The dump is kept.\n\nOn the replica.\n\nTake your time.',
    );
    expect(messageOf(parts, {}, 'No.')).toBe('No.');
  });
});
