/** What waits for the person and is no question: five kinds at once, on a phone, each answered with one tap. */
import { examine } from '../src/examine.ts';
import { script, type Step } from '../src/model.ts';
import { expect, test, useServer } from '../src/test.ts';

const server = useServer({
  agent: 'scripted',
  settings: {
    MAINLOOP_MAX_USD_PER_SESSION: '0.05',
    MAINLOOP_MAX_RESTARTS: '1',
    // More than the 25 s for which a runner may wait for work without a word.
    MAINLOOP_UNREACHABLE_MINUTES: '0.75',
  },
});

const COSTLY = { usage: { cost_usd: 0.2 } };

interface Waiting {
  id: string;
  kind: string;
  session_id: string | null;
}

async function start(title: string, ...steps: Step[]): Promise<string> {
  const id = crypto.randomUUID();
  await server().api('POST', '/api/sessions', { id, title, prompt: script(...steps) });
  return id;
}

async function stateOf(id: string): Promise<string> {
  return (await server().api<{ state: string }>('GET', `/api/sessions/${id}`)).state;
}

async function itemOf(id: string): Promise<Waiting | undefined> {
  const { items } = await server().api<{ items: Waiting[] }>('GET', '/api/inbox');
  return items.find((item) => item.session_id === id);
}

// spec: inbox-3, inbox-5, cost-10, sessions-20
test(
  'a stall, a sign-in, a ceiling, a failure and restarts given up wait at once, and each goes on with one tap',
  { tag: ['@phone', '@long'] },
  async ({ visit }) => {
    const signal = (id: string, name: NodeJS.Signals) => {
      for (const pid of server().processes(id)) process.kill(pid, name);
    };
    const frozen = await start('Frozen', { gate: 'frozen', text: 'Thawed.' });
    await expect.poll(() => stateOf(frozen)).toBe('working');
    signal(frozen, 'SIGSTOP');
    const dying = await start('Dying', { gate: 'dying', text: 'Alive.' });
    const failing = await start(
      'Failing',
      { error: { status: 400, message: 'no such model' } },
      { text: 'x' },
    );
    const outside = await start(
      'Outside',
      { error: { status: 401, message: 'invalid key' } },
      { text: 'x' },
    );
    const costly = await start(
      'Costly',
      { tools: [{ name: 'Bash', input: { command: 'ls' } }], ...COSTLY },
      { text: 'Paid.' },
    );
    await expect
      .poll(
        async () => {
          if (await itemOf(dying)) return true;
          if ((await stateOf(dying)) === 'working') signal(dying, 'SIGKILL');
          return false;
        },
        { timeout: 120_000 },
      )
      .toBe(true);
    const kinds = async () => {
      const { items } = await server().api<{ items: Waiting[] }>('GET', '/api/inbox');
      return items.map((item) => item.kind);
    };
    const urgent = ['sign_in', 'ceiling', 'stall', 'failure', 'failure'];
    await expect.poll(kinds, { timeout: 150_000 }).toEqual(urgent);

    const page = await visit(server(), { path: '/sessions' });
    const list = page.getByRole('main');
    await expect(list.locator('[data-count=needs]')).toHaveText('5');
    await expect(page.locator('[data-badge]')).toHaveText('5');
    await examine(page, 'five-stuck');
    const asked = async (id: string) => list.locator(`[data-ask="${(await itemOf(id))?.id}"]`);
    await expect(await asked(frozen)).toContainText('has not been heard of');
    await expect(await asked(dying)).toContainText('in a row');
    await expect(await asked(costly)).toContainText('$0.20 of $0.05 are used');

    await server().model.open('frozen');
    await server().model.open('dying');
    for (const id of [outside, failing, dying, frozen]) {
      const ask = await asked(id);
      await ask.scrollIntoViewIfNeeded();
      await ask.getByRole('button', { name: 'Retry' }).click();
    }
    await (await asked(costly)).getByRole('button', { name: /^Once, / }).click();
    await expect(list.getByRole('heading', { name: 'Nothing needs you' })).toBeVisible();
    for (const id of [outside, failing, dying, frozen, costly]) {
      await expect.poll(() => stateOf(id)).toBe('idle');
    }
  },
);
