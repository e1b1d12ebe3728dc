import { call } from '../src/model.ts';
import { expect, test, useServer, type Page } from '../src/test.ts';
import { composer, said, say, steer, stop } from '../src/ui.ts';

// The real program against the scripted model.
const server = useServer({ agent: 'claude' });

const TIDES = 'The moon pulls at the sea. Twice a day it rises. Twice a day it falls.';

function growing(question: string, gate: string): { match: string; steps: object[] } {
  return { match: question, steps: [{ text: TIDES, chunks: 4, gate_mid: gate }] };
}

test.beforeAll(async () => {
  await server().model.rules(
    growing('Explain the tides', 'tides'),
    growing('Tell me of the moon', 'moon'),
    growing('Tell me of the sea', 'sea'),
    { match: 'Which colour did I name', steps: [{ text: 'It was {{find:colour is (\\w+)}}.' }] },
    {
      match: 'Look at the sessions',
      steps: [
        { text: 'I look.', gate: 'look', tools: [call('mcp__mainloop__list_sessions', {})] },
        { text: 'There are none.' },
      ],
    },
    {
      match: 'Count to three',
      steps: [{ text: 'One, two, three.', chunks: 2, gate_mid: 'count' }],
    },
    { match: 'that will do', steps: [{ text: 'You are welcome.' }] },
    {
      match: 'Recite without end',
      steps: [{ text: 'Once upon a time', chunks: 3, gate_mid: 'end' }],
    },
  );
});

/** The whole reply stands there, once, and nothing is being written. */
async function expectWhole(page: Page, question: string): Promise<void> {
  const index = said(page, question);
  await expect(index).toHaveCount(1);
  await expect(page.locator('article[aria-busy=true]')).toHaveCount(0);
}

// spec: layout-1, layout-2
test(
  'a message stands there at once, before the server has answered',
  { tag: '@both' },
  async ({ visit }) => {
    const page = await visit(server());
    await expect(page.locator('[data-composer=main]')).toContainText('sam@mainloop$');
    server().hold();
    await say(page, 'Are you there?');
    const message = said(page, 'Are you there?');
    await expect(message).toBeVisible();
    await expect(message).toContainText('sam@mainloop$');
    await expect(composer(page)).toHaveValue('');
    server().go();
    await expect(said(page, 'ok: Are you there?')).toBeVisible();
    await expect(said(page, 'Are you there?').filter({ hasText: 'sam@mainloop$' })).toHaveCount(1);
  },
);

// spec: chat-2, chat-16, chat-17
test(
  'a reply grows piece by piece, survives a reload, and grows in a second browser too',
  {
    tag: '@both',
  },
  async ({ visit }) => {
    const page = await visit(server());
    const other = await visit(server());
    await say(page, 'Explain the tides');
    await expect(said(page, 'The moon pulls')).toHaveCount(1);
    await expect(said(page, 'it falls')).toHaveCount(0);
    await expect(said(other, 'Explain the tides')).toHaveCount(1);
    await expect(said(other, 'The moon pulls')).toHaveCount(1);

    await page.reload();
    await expect(said(page, 'The moon pulls')).toHaveCount(1);
    await expect(said(page, 'it falls')).toHaveCount(0);

    await server().model.open('tides');
    for (const browser of [page, other]) {
      await expect(said(browser, TIDES)).toHaveCount(1);
      await expectWhole(browser, 'Explain the tides');
    }
    await page.reload();
    await expect(said(page, TIDES)).toHaveCount(1);
  },
);

// spec: chat-18
for (const [signal, question, gate] of [
  ['SIGKILL', 'Tell me of the moon', 'moon'],
  ['SIGTERM', 'Tell me of the sea', 'sea'],
] as const) {
  test(`a server that gets ${signal} in the middle of a reply costs a moment of silence`, async ({
    visit,
  }) => {
    const page = await visit(server());
    const reply = page.getByRole('listitem').filter({ hasText: question }).locator('~ li');
    await say(page, question);
    await expect(reply.filter({ hasText: 'The moon pulls' })).toHaveCount(1);
    await server().kill(signal);
    await server().model.open(gate);
    await server().start();

    await expect(reply.filter({ hasText: TIDES })).toHaveCount(1);
    await expectWhole(page, question);
    await expect(page.getByText('Offline since')).toHaveCount(0);
    await expect(page.getByText('cut off')).toHaveCount(0);
    const asked = (await server().model.heard()).filter((request) => request.user === question);
    expect(asked.length, 'how often the model was asked').toBe(1);
  });
}

test('a follow-up is answered with what was said before', async ({ visit }) => {
  const page = await visit(server());
  await say(page, 'My favourite colour is petrol.');
  await expect(said(page, 'ok: My favourite colour is petrol.')).toBeVisible();
  await say(page, 'Which colour did I name?');
  await expect(said(page, 'It was petrol.')).toBeVisible();
});

// spec: chat-11, chat-12
test(
  'while the agent works, messages wait: they can be edited and withdrawn, and go one a turn',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Count to three');
    await expect(said(page, 'One, tw')).toBeVisible();
    const queue = page.getByRole('region', { name: 'Queued' });
    const waiting = (words: string) => queue.getByRole('listitem').filter({ hasText: words });

    await say(page, 'Then tell me about apples');
    await say(page, 'Then about pears');
    await expect(queue.getByText('2 messages wait for this turn')).toBeVisible();

    await waiting('apples').getByRole('button', { name: 'edit' }).click();
    await queue.getByRole('textbox', { name: 'edit' }).fill('Then tell me about plums');
    await queue.getByRole('button', { name: 'Save' }).click();
    await expect(waiting('plums')).toBeVisible();
    await waiting('pears').getByRole('button', { name: 'withdraw' }).click();
    await expect(waiting('pears')).toHaveCount(0);
    await expect(queue.getByText('1 message waits for this turn')).toBeVisible();

    await server().model.open('count');
    await expect(said(page, 'One, two, three.')).toBeVisible();
    await expect(said(page, 'ok: Then tell me about plums')).toBeVisible();
    await expect(queue).toHaveCount(0);
    await expect(said(page, 'apples')).toHaveCount(0);
    await expect(said(page, 'pears')).toHaveCount(0);
  },
);

// spec: chat-13
test(
  'a message that is sent now goes into the running turn',
  { tag: '@wide' },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Look at the sessions');
    await expect(page.getByRole('button', { name: 'Stop this turn' })).toBeVisible();

    await say(page, 'be quick about it');
    const queue = page.getByRole('region', { name: 'Queued' });
    await queue.getByRole('button', { name: 'send now' }).click();
    await expect(queue.getByRole('button', { name: 'send now' })).toHaveCount(0);
    await steer(page, 'and be friendly');

    await server().model.open('look');
    await expect(said(page, 'I look.')).toBeVisible();
    await expect(said(page, /^sam@mainloop\$.*be quick about it/s)).toHaveCount(1);
    await expect(said(page, /^sam@mainloop\$.*and be friendly/s)).toHaveCount(1);
    await expect(queue).toHaveCount(0);
    await expect(page.getByRole('button', { name: 'Stop this turn' })).toHaveCount(0);
    const heard = JSON.stringify((await server().model.heard()).at(-1)?.body);
    expect(heard).toContain('be quick about it');
    expect(heard).toContain('and be friendly');
  },
);

// spec: chat-14, chat-15
test(
  'Stop ends the turn, keeps what was said, and the next message is answered',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    const page = await visit(server());
    await say(page, 'Recite without end');
    await expect(said(page, 'Once ')).toBeVisible();
    await stop(page);
    await expect(page.getByText(/^stopped by you/).last()).toBeVisible();
    await expect(said(page, 'Once ')).toBeVisible();
    await say(page, 'Thank you, that will do.');
    await expect(said(page, 'You are welcome.')).toBeVisible();
  },
);
