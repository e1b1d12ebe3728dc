import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { examine } from '../src/examine.ts';
import { script } from '../src/model.ts';
import { git } from '../src/repository.ts';
import { bash } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { isPhone } from '../src/ui.ts';

const server = useServer({ settings: { MAINLOOP_COMMANDS: 'allow' } });

// spec: turns-12, turns-13
test(
  'at the end of a turn one sees what it changed, and goes back to there in a new session',
  { tag: '@wide' },
  async ({ visit }) => {
    const id = crypto.randomUUID();
    const kept = async (count: number) =>
      expect
        .poll(async () => {
          const { turns } = await server().api<{ turns: { state: string }[] }>(
            'GET',
            `/api/sessions/${id}/turns`,
          );
          return turns.filter((turn) => turn.state === 'kept').length;
        })
        .toBe(count);
    const first = script(bash("printf 'apple\\n' > basket"), { text: 'An apple is in.' });
    await server().api('POST', '/api/sessions', { id, title: 'Fill the basket', prompt: first });
    await kept(1);
    const second = script(bash("printf 'plum\\n' > basket"), { text: 'A plum is in.' });
    await server().api('POST', `/api/threads/${id}/messages`, {
      id: crypto.randomUUID(),
      text: second,
      mode: 'queue',
    });
    await kept(2);
    // A third one whose workspace is away when it ends.
    const workspace = `${server().home}/threads/${id}/workspace`;
    await server().api('POST', `/api/threads/${id}/messages`, {
      id: crypto.randomUUID(),
      text: script({ gate: `ends-${id}`, text: 'Nothing is in.' }),
      mode: 'queue',
    });
    await expect
      .poll(() => server().api<object>('GET', `/api/sessions/${id}`))
      .toMatchObject({ state: 'working', turn: 3 });
    renameSync(workspace, `${workspace}-away`);
    await server().model.open(`ends-${id}`);
    await expect
      .poll(async () => {
        const { turns } = await server().api<{ turns: { state: string }[] }>(
          'GET',
          `/api/sessions/${id}/turns`,
        );
        return turns[0]?.state;
      })
      .toBe('failed');
    renameSync(`${workspace}-away`, workspace);

    const page = await visit(server(), { path: `/s/${id}` });
    if (isPhone(page)) await page.getByRole('tab', { name: 'Chat' }).click();
    await page.getByRole('button', { name: 'Turn 2: what it changed' }).click();
    await page.getByRole('menuitem', { name: 'What this turn changed' }).click();
    await expect(page.locator('[data-lines]')).toContainText('plum');
    await expect(page.locator('[data-lines]')).toContainText('apple');

    await page.getByRole('button', { name: /^Files of this change/ }).click();
    const shown = page.getByRole('combobox', { name: 'What is shown' });
    await expect(shown).toHaveValue('turn:2');
    await expect(
      page.getByText('Turn 3 was not kept: its workspace was gone already.'),
    ).toBeVisible();
    await shown.selectOption('turn:1');
    await expect(page.locator('[data-tree]').getByText('basket')).toBeVisible();
    await examine(page, 'turns-in-changes');
    await page.getByRole('button', { name: 'Go back to the end of turn 1' }).click();

    await expect(page).not.toHaveURL(new RegExp(id));
    const told = page.getByText(
      'Files that git ignores did not come along: they stay in fill-basket as they are now.',
    );
    await expect(told).toBeVisible();
    // Whole, also where there is little room.
    const size = page.viewportSize() ?? { width: 0, height: 0 };
    await page.setViewportSize({ width: 390, height: 844 });
    await expect(told).toBeInViewport({ ratio: 1 });
    await page.setViewportSize(size);
    const origin = page.locator('[data-session-view] p', { hasText: 'turn 1,' });
    await expect(origin).toBeVisible();
    const made = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    const basket = `${server().home}/threads/${made}/workspace/basket`;
    await expect.poll(() => existsSync(basket) && readFileSync(basket, 'utf8')).toBe('apple\n');
    await page.getByRole('textbox').first().fill('Go on from here.');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await expect(page.getByRole('button', { name: 'Turn 1: what it changed' })).toBeVisible();
    await examine(page, 'branched-session');
    expect(readFileSync(`${server().home}/threads/${id}/workspace/basket`, 'utf8')).toBe('plum\n');

    await origin.getByRole('link', { name: 'fill-basket' }).click();
    await expect(page).toHaveURL(new RegExp(id));
    await expect(page.getByText('A plum is in.').first()).toBeVisible();
  },
);

// spec: turns-15
test(
  'two sessions that change the same file say so, in the main line and in themselves',
  { tag: '@wide' },
  async ({ visit }) => {
    const folder = mkdtempSync('/var/tmp/mainloop-e2e-code-');
    git('init', '-q', '-b', 'main', folder);
    writeFileSync(`${folder}/auth.py`, 'one = 1\n');
    git('-C', folder, 'add', '.');
    git('-C', folder, 'commit', '-q', '-m', 'Begin');
    const { id: project } = await server().api<{ id: string }>('POST', '/api/projects', {
      source: folder,
    });
    await expect
      .poll(async () => {
        const { projects } = await server().api<{ projects: { id: string; state: string }[] }>(
          'GET',
          '/api/projects',
        );
        return projects.find((one) => one.id === project)?.state;
      })
      .toBe('ready');
    const ids = [crypto.randomUUID(), crypto.randomUUID()];
    for (const [n, id] of ids.entries()) {
      const prompt = script(bash(`echo 'two = ${n}' >> auth.py`), { text: 'Done.' });
      const title = ['Otter', 'Heron'][n];
      await server().api('POST', '/api/sessions', { id, title, prompt, project });
      await expect
        .poll(async () => {
          const { turns } = await server().api<{ turns: { state: string }[] }>(
            'GET',
            `/api/sessions/${id}/turns`,
          );
          return turns[0]?.state;
        })
        .toBe('kept');
    }
    const page = await visit(server(), { path: `/s/${ids[1]}` });
    await page.getByRole('tab', { name: 'Changes' }).click();
    await expect(page.locator('[data-overlap]')).toHaveText(/otter\s+also changes auth\.py/);
    await examine(page, 'overlap');
    await page.getByRole('tab', { name: 'Details' }).click();
    await page.locator('[data-overlap]').getByRole('link', { name: 'otter' }).click();
    await expect(page).toHaveURL(new RegExp(ids[0] ?? ''));
    await page.goto(server().url);
    await expect(page.getByText('It changes auth.py, and so does otter.')).toBeVisible();
    await examine(page, 'overlap-told');
    rmSync(folder, { recursive: true, force: true });
  },
);
