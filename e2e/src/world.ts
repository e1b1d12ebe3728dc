/** One of everything: a main thread with sessions in every state, said by the real program in words one can read. */
import { call, type Step } from './model.ts';
import type { Server } from './server.ts';
import { ask, bash, plan, report, spawn } from './steps.ts';

export interface World {
  working: string;
  question: string;
  permission: string;
  plan: string;
  done: string;
  failed: string;
  cancelled: string;
}

interface Session {
  id: string;
  title: string;
  state: string;
}

const TODO: Step = {
  thinking: 'The release notes say more than the page; both have to be read.',
  text: 'I read the release notes first.',
  tools: [
    call('TodoWrite', {
      todos: [
        { content: 'Read the release notes', activeForm: 'Reading', status: 'completed' },
        { content: 'Try it on a copy', activeForm: 'Trying', status: 'in_progress' },
        { content: 'Write down what breaks', activeForm: 'Writing', status: 'pending' },
      ],
    }),
    call('Bash', { command: 'ls -la', description: 'See what is here' }),
  ],
};

const COMPARED = `Use **pino** for the service and keep the console for scripts.

| | lines/s | size |
|---|---|---|
| pino | 410,000 | 9 KB |
| winston | 61,000 | 22 KB |

\`\`\`ts
import pino from 'pino';
export const log = pino({ level: process.env.LOG_LEVEL ?? 'info' });
\`\`\`

- no other package has to change
- one line per request is enough`;

const RULES = [
  {
    match: 'Get the shop ready',
    steps: [
      {
        text: "I'll start five sessions for this: each piece stands on its own, so they can run *side by side*.",
        ...spawn(
          {
            title: 'Read up on SQLite 3.53',
            prompt: 'Read up on SQLite 3.53 and say what breaks.',
          },
          {
            title: 'Which grey for the mail',
            prompt: 'Find the grey for the mail in the dark theme.',
          },
          { title: 'Explain the slow search', prompt: 'Explain why the search is slow.' },
          { title: 'Move to Postgres 17', prompt: 'Make a plan to move to Postgres 17.' },
          { title: 'Compare two loggers', prompt: 'Compare pino and winston.' },
        ),
      },
      {
        text: 'All five are on their way. What needs you stands under **Needs you**; the results come back here.',
      },
    ],
  },
  { match: 'Read up on SQLite', steps: [TODO, { gate: 'world', text: 'Nothing breaks.' }] },
  {
    match: 'Find the grey',
    steps: [
      {
        text: 'Two of them pass the contrast check.',
        ...ask(
          'Which grey for the quoted lines in the dark theme?',
          'c9d1cd, a little green',
          '8a938f, calmer',
        ),
      },
      { text: 'Taken.' },
    ],
  },
  {
    match: 'Explain why the search is slow',
    steps: [
      {
        text: 'The plan of the query says more than the code.',
        ...bash(
          `psql "$REPLICA_URL" -c "BEGIN READ ONLY; EXPLAIN (ANALYZE, BUFFERS) SELECT id, name FROM products JOIN boosts USING (id) ORDER BY score DESC LIMIT 20"`,
          'Explain the slow query on the replica',
        ),
      },
      { text: 'An index is missing.' },
    ],
  },
  {
    match: 'Make a plan to move',
    steps: [
      ...plan(
        '# Move to Postgres 17\n\n1. Copy the volume and start 17 beside 15\n2. Run the tests against both\n3. Switch the service over\n4. Keep the old one for a week\n\n## What can go wrong\n\nThe collation changes the order of names.\n',
      ),
      { text: 'Then I begin.' },
    ],
  },
  {
    match: 'Compare pino',
    steps: [{ text: 'I measured both.', ...report(COMPARED) }, { text: COMPARED }],
  },
  {
    match: 'Write the weekly digest',
    steps: [
      {
        error: {
          status: 401,
          type: 'authentication_error',
          message: 'invalid x-api-key',
          times: 99,
        },
      },
    ],
  },
  { match: 'Try it in Rust', steps: [{ text: 'I set up a crate', chunks: 2, gate_mid: 'world' }] },
];

/** Fill a fresh server that runs Claude, and wait until everything is where it belongs. */
export async function fill(server: Server): Promise<World> {
  await server.model.rules(...RULES);
  await server.api('POST', '/api/threads/main/messages', {
    id: crypto.randomUUID(),
    text: 'Get the shop ready for the release: logging, the slow search, the mail in dark, Postgres 17, and whether the new SQLite breaks something.',
    mode: 'queue',
  });
  const [failed, cancelled] = [crypto.randomUUID(), crypto.randomUUID()];
  const start = (id: string, title: string, prompt: string) =>
    server.api('POST', '/api/sessions', { id, title, prompt });
  await start(failed, 'Weekly digest', 'Write the weekly digest.');
  await start(cancelled, 'Try it in Rust', 'Try it in Rust.');

  const find = async (title: string, state: string): Promise<string> => {
    for (const until = Date.now() + 120_000; Date.now() < until;) {
      const { sessions } = await server.api<{ sessions: Session[] }>('GET', '/api/sessions');
      const found = sessions.find((session) => session.title === title);
      if (found?.state === state) return found.id;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`${title} did not become ${state}`);
  };
  await find('Try it in Rust', 'working');
  await server.api('POST', `/api/sessions/${cancelled}/cancel`, {});
  return {
    working: await find('Read up on SQLite 3.53', 'working'),
    question: await find('Which grey for the mail', 'waiting'),
    permission: await find('Explain the slow search', 'waiting'),
    plan: await find('Move to Postgres 17', 'waiting'),
    done: await find('Compare two loggers', 'idle'),
    failed: await find('Weekly digest', 'waiting'),
    cancelled: await find('Try it in Rust', 'cancelled'),
  };
}
