import { readFileSync, existsSync } from 'node:fs';
import { script } from '../src/model.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';

const server = useServer({ settings: { MAINLOOP_COMMANDS: 'allow' } });

// spec: kept-14
test(
  'a closed session shows what is kept of it, and one button brings it back',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const prompt = script(bash("printf 'one\\ntwo\\n' > notes.md"), { text: 'Written.' });
    await server().api('POST', '/api/sessions', { id, title: 'Write it down', prompt });
    const page = await visit(server(), { path: `/s/${id}` });
    await expect(page.getByText('Written.').first()).toBeVisible();
    const notes = `${server().home}/threads/${id}/workspace/notes.md`;
    await expect(async () => {
      await server().api('POST', `/api/sessions/${id}/close`, {});
    }).toPass();
    await page.getByRole('tab', { name: 'Details' }).click();
    const kept = page.getByRole('region', { name: 'Kept work' });
    await expect(kept.getByText('notes.md')).toBeVisible();
    await expect(kept.getByText('1 file that is in no commit is kept (+2\u00a0−0).')).toBeVisible();
    await expect(kept.getByText('added, +2 −0')).toBeVisible();
    await expect.poll(() => existsSync(notes)).toBe(false);
    await kept.getByRole('button', { name: 'Bring it back' }).click();
    await expect(kept).toBeHidden();
    await expect.poll(() => existsSync(notes) && readFileSync(notes, 'utf8')).toBe('one\ntwo\n');
  },
);
