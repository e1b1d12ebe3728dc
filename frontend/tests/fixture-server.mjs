/**
 * The API in memory with a made-up world, for looking at the page without a server: test support, never shipped.
 *
 *     node tests/fixture-server.mjs [--port 8100] [--world chat|empty|long]
 *
 * It serves the built page too. Any pairing code works; the key is `fixture`.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../build', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const KEY = 'fixture';

export class Fixture {
  constructor(world = 'chat') {
    this.cursor = 0;
    this.logs = new Map();
    this.sessions = new Map();
    this.items = new Map();
    this.projects = [];
    this.queued = new Map();
    this.open = new Map();
    this.main = { id: 'main', turn: 0, working: false, seq: 0 };
    this.events = [];
    this.streams = new Set();
    this.devices = [
      { id: 'd1', name: 'Chrome on Linux', created_at: iso(-9e7), seen_at: iso(0), this: true },
      {
        id: 'd2',
        name: 'Safari on iPhone',
        created_at: iso(-8e7),
        seen_at: iso(-4e6),
        this: false,
      },
    ];
    this.delayMs = 0;
    this.credentials = { found: true, text: 'ANTHROPIC_API_KEY is set.', hint: '' };
    this.demo = false;
    if (world === 'chat') tidepool(this);
    if (world === 'long') long(this);
    if (world === 'empty') {
      this.credentials = {
        found: false,
        text: 'No key for Claude was found.',
        hint: 'Put ANTHROPIC_API_KEY into .env, or run make setup-claude-creds.',
      };
    }
  }

  append(threadId, kind, body, at = iso(0)) {
    const log = this.logs.get(threadId) ?? [];
    this.logs.set(threadId, log);
    const event = {
      cursor: String(++this.cursor),
      thread_id: threadId,
      seq: log.length + 1,
      kind,
      at,
      body,
    };
    log.push(event);
    this.events.push(event);
    if (threadId === 'main') this.main.seq = event.seq;
    if (kind === 'session') this.sessions.set(body.id, body);
    if (kind === 'item') {
      if (body.state === 'open') this.items.set(body.id, body);
      else this.items.delete(body.id);
    }
    for (const stream of this.streams) send(stream, 'event', event, event.cursor);
    return event;
  }

  delta(threadId, messageId, turn, text, what = 'text') {
    const open = this.open.get(messageId) ?? {
      thread_id: threadId,
      message_id: messageId,
      what,
      turn,
      text: '',
    };
    const offset = [...open.text].length;
    open.text += text;
    this.open.set(messageId, open);
    for (const stream of this.streams) send(stream, 'delta', { ...open, offset, text });
  }

  session(id, change) {
    const session = {
      ...this.sessions.get(id),
      ...change,
      updated_at: change.updated_at ?? iso(0),
    };
    this.append(id, 'session', session, session.updated_at);
    return session;
  }

  state() {
    return {
      cursor: String(this.cursor),
      version: '0.1.0',
      person: { name: 'sam' },
      device: { id: 'd1', name: 'Chrome on Linux' },
      main: this.main,
      sessions: [...this.sessions.values()],
      items: [...this.items.values()],
      projects: this.projects,
      queued: [...this.queued].flatMap(([thread_id, list]) =>
        list.map((message) => ({ thread_id, message })),
      ),
      open_messages: [...this.open.values()],
      settings: {
        agents: [
          { kind: 'claude', name: 'Claude', available: true, why: '', models: ['opus', 'sonnet'] },
          { kind: 'scripted', name: 'Demo', available: true, why: 'Follows a script.', models: [] },
          {
            kind: 'codex',
            name: 'Codex',
            available: false,
            why: 'It is not installed.',
            models: [],
          },
        ],
        default_agent: 'claude',
        demo: this.demo,
        sandbox: {
          kind: 'bubblewrap',
          confined: true,
          text: 'Agents see their workspace and nothing else of this machine.',
          hint: '',
        },
        credentials: this.credentials,
      },
    };
  }

  /** A turn that streams an answer, so that one sees it grow. */
  async reply(threadId, said) {
    const turn = threadId === 'main' ? ++this.main.turn : this.sessions.get(threadId).turn + 1;
    if (threadId === 'main') this.main.working = true;
    else this.session(threadId, { state: 'working', turn, activity: 'thinking' });
    this.append(threadId, 'message', { ...said, status: 'delivered', turn });
    this.append(threadId, 'turn_started', { turn, message_ids: [said.id] });
    const id = crypto.randomUUID();
    const text =
      'You said: *' +
      said.text.slice(0, 80) +
      '*. 🦀 Here is a list:\n\n- one **bold** thing\n- two `code`\n\n```python\ndef answer():\n    return 42\n```\n\nAnd that is all of it.';
    const pieces = text.match(/[\s\S]{1,12}/gu) ?? [];
    for (const piece of pieces) {
      await pause(60);
      if (!this.running(threadId)) break;
      this.delta(threadId, id, turn, piece);
    }
    const stopped = !this.running(threadId);
    const said_ = this.open.get(id)?.text ?? '';
    this.open.delete(id);
    this.append(threadId, 'message', message(id, 'assistant', said_, { turn }));
    this.append(threadId, 'message', { ...said, status: 'finished', turn });
    this.append(threadId, 'turn_ended', ended(turn, stopped ? 'interrupted' : 'completed'));
    if (threadId === 'main') this.main.working = false;
    else {
      this.session(threadId, {
        state: 'idle',
        activity: '',
        result: { turn, text: said_, outcome: 'done', at: iso(0) },
      });
    }
    const next = (this.queued.get(threadId) ?? []).shift();
    if (next) void this.reply(threadId, next);
  }

  running(threadId) {
    return threadId === 'main'
      ? this.main.working
      : this.sessions.get(threadId)?.state === 'working';
  }

  say(threadId, body) {
    const said = message(body.id, 'user', body.text, { status: 'queued', mode: body.mode });
    this.append(threadId, 'message', said);
    if (this.running(threadId)) {
      this.queued.set(threadId, [...(this.queued.get(threadId) ?? []), said]);
    } else void this.reply(threadId, said);
    return said;
  }

  answer(id, given) {
    const item = this.items.get(id);
    const answered = {
      ...item,
      state: 'answered',
      closed_at: iso(0),
      closed_by: 'Chrome on Linux',
      answer: { decision: given.decision, answers: given.answers ?? {}, text: given.text ?? '' },
    };
    this.append(item.thread_id, 'item', answered);
    if (item.session_id) {
      this.session(item.session_id, { state: 'working', activity: 'reading the answer' });
      setTimeout(() => {
        this.session(item.session_id, {
          state: 'idle',
          activity: '',
          result: { turn: 1, text: 'Done as you said.', outcome: 'done', at: iso(0) },
        });
        this.append('main', 'notice', {
          session_id: item.session_id,
          about: 'result',
          text: 'Done as you said.',
          turn: 1,
        });
      }, 2500);
    }
    return answered;
  }
}

function iso(offset) {
  return new Date(Date.now() + offset).toISOString();
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function message(id, role, text, more = {}) {
  return {
    id,
    role,
    text,
    status: 'finished',
    mode: 'queue',
    turn: null,
    from_thread: null,
    demo: false,
    blob: null,
    ...more,
  };
}

function call(id, turn, title, more = {}) {
  return {
    id,
    turn,
    tool: 'Read',
    title,
    input: { file_path: title.split(' ').slice(1).join(' ') },
    status: 'ok',
    output: '',
    blob: null,
    parent_id: null,
    ...more,
  };
}

function ended(turn, outcome, error = null) {
  const usage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
  return { turn, outcome, error, usage, cost_usd: 0.02, duration_ms: 9000 };
}

function session(id, handle, title, hue, creature, more = {}) {
  return {
    id,
    title,
    handle,
    hue,
    creature,
    state: 'idle',
    reason: '',
    agent: 'claude',
    model: null,
    project_id: null,
    project: 'tidepool/api',
    workspace: 'local',
    branch: `ml/${handle}`,
    anchor: { thread_id: 'main', message_id: null, call_id: null },
    parked: false,
    activity: '',
    queued: 0,
    turn: 1,
    result: null,
    cost_usd: null,
    demo: false,
    confined: true,
    created_at: iso(-3 * 3.6e6),
    updated_at: iso(0),
    ended_at: null,
    ...more,
  };
}

function item(id, thread_id, kind, title, more = {}) {
  return {
    id,
    kind,
    thread_id,
    session_id: thread_id === 'main' ? null : thread_id,
    title,
    ask: null,
    notice: null,
    turn: 1,
    call_id: null,
    state: 'open',
    opened_at: iso(-6e5),
    closed_at: null,
    answer: null,
    closed_by: '',
    ...more,
  };
}

/** The world of the pictures. */
function tidepool(world) {
  const MIN = 60_000;
  const H = 60 * MIN;
  const past = (id, handle, title, hue, creature, more) =>
    world.append(id, 'session', session(id, handle, title, hue, creature, more), more.updated_at);
  past('s-changelog', 'changelog', 'July changelog draft', 6, 'bird', {
    state: 'done',
    updated_at: iso(-20 * H),
    ended_at: iso(-20 * H),
    result: { turn: 1, text: 'The draft is merged.', outcome: 'done', at: iso(-20 * H) },
  });
  past('s-limits', 'rate-limits', 'Per-key rate limits', 5, 'shroom', {
    state: 'done',
    updated_at: iso(-22 * H),
    ended_at: iso(-22 * H),
  });
  past('s-arm', 'arm-images', 'Build ARM images', 7, 'rocket', {
    state: 'failed',
    reason: 'The builder ran out of disk space after 41 minutes.',
    updated_at: iso(-50 * H),
    ended_at: iso(-50 * H),
  });

  const start = -2.4 * H;
  const t = (minutes) => iso(start + minutes * MIN);
  world.append(
    'main',
    'message',
    message('m0', 'user', 'Morning. What is the state of the release?', { turn: 1 }),
    iso(-26 * H),
  );
  world.append(
    'main',
    'message',
    message(
      'm0a',
      'assistant',
      'Two things are open:\n\n1. the **CSV export** test is red on `main`\n2. the Postgres upgrade is not planned yet\n\n| piece | state |\n| --- | --- |\n| mailer | green |\n| api | red |',
      { turn: 1 },
    ),
    iso(-26 * H + MIN),
  );
  world.append(
    'main',
    'message',
    message(
      'm1',
      'user',
      'CI went red on the CSV export overnight. I also want dark-mode emails and the Postgres 17 upgrade out this week. Split it up, and don’t touch the database before I’ve seen a plan.',
      { turn: 2 },
    ),
    t(0),
  );
  world.append('main', 'turn_started', { turn: 2, message_ids: ['m1'] }, t(0));
  world.append(
    'main',
    'message',
    message(
      'm2',
      'assistant',
      'Three pieces, so three sessions. `pg17` stays in planning until you approve it; the other two go straight to a branch.',
      { turn: 2 },
    ),
    t(0),
  );
  for (const s of [
    session('s-csv', 'export-flake', 'Flaky CSV export test', 2, 'ghost', {
      agent: 'codex',
      state: 'in_review',
      cost_usd: 0.61,
      created_at: t(0),
      updated_at: t(31),
      ended_at: null,
      result: {
        turn: 1,
        text: 'Rows came back in whatever order Postgres liked. I sorted the query and took the date from the export, not the clock. 200 runs, no failures.',
        outcome: 'done',
        at: t(31),
      },
    }),
    session('s-emails', 'dark-emails', 'Dark-mode transactional emails', 3, 'cat', {
      state: 'waiting',
      cost_usd: 0.94,
      project: 'tidepool/mailer',
      created_at: t(0),
      updated_at: t(50),
    }),
    session('s-pg', 'pg17', 'Postgres 15 → 17', 1, 'crab', {
      state: 'waiting',
      cost_usd: 1.37,
      project: 'tidepool/infra',
      created_at: t(0),
      updated_at: t(59),
    }),
  ]) {
    world.append(s.id, 'session', { ...s, state: 'starting', reason: 'preparing' }, t(0));
    world.append('main', 'session_started', { session_id: s.id, anchor: s.anchor }, t(0));
  }
  world.append('main', 'turn_ended', ended(2, 'completed'), t(1));

  // export-flake
  world.append(
    's-csv',
    'message',
    message(
      'c1',
      'user',
      'The CSV export test failed three times this week. Find the real cause, no retries.',
      { turn: 1 },
    ),
    t(0),
  );
  world.append('s-csv', 'turn_started', { turn: 1, message_ids: ['c1'] }, t(0));
  world.append(
    's-csv',
    'reasoning',
    {
      id: 'cr',
      text: 'The order of rows is **not** guaranteed.',
      turn: 1,
      duration_ms: 6200,
      blob: null,
    },
    t(3),
  );
  for (const [i, [title, more]] of [
    ['read exports/csv_writer.py', { output: 'a\n'.repeat(212) }],
    ['read exports/store.py', { output: 'a\n'.repeat(88) }],
    ['read tests/test_csv_writer.py', { output: 'a\n'.repeat(31) }],
    [
      'run pytest tests/exports --count 50',
      {
        tool: 'Bash',
        status: 'error',
        output: '3 failed, 47 passed',
        input: { command: 'pytest tests/exports --count 50' },
      },
    ],
    ['edit exports/csv_writer.py', { tool: 'Edit' }],
    [
      'run pytest tests/exports --count 200',
      {
        tool: 'Bash',
        output: '200 passed',
        input: { command: 'pytest tests/exports --count 200' },
      },
    ],
  ].entries())
    world.append('s-csv', 'tool_call', call(`cc${i}`, 1, title, more), t(5 + i));
  world.append(
    's-csv',
    'message',
    message(
      'c2',
      'assistant',
      'Two causes. The query has no order, so Postgres returns rows as it likes under load; and the file name uses today’s date, which breaks around midnight UTC.',
      { turn: 1 },
    ),
    t(17),
  );
  world.append(
    's-csv',
    'result',
    {
      turn: 1,
      text: 'Rows came back in whatever order Postgres liked. I sorted the query and took the date from the export, not the clock. 200 runs, no failures.',
      source: 'report',
      outcome: 'done',
      blob: null,
    },
    t(31),
  );
  world.append('s-csv', 'turn_ended', ended(1, 'completed'), t(31));
  world.session('s-csv', {
    state: 'in_review',
    reason: '',
    cost_usd: 0.61,
    updated_at: t(31),
    result: {
      turn: 1,
      text: 'Rows came back in whatever order Postgres liked. I sorted the query and took the date from the export, not the clock. 200 runs, no failures.',
      outcome: 'done',
      at: t(31),
    },
  });
  world.append(
    'main',
    'notice',
    {
      session_id: 's-csv',
      about: 'result',
      text: 'Rows came back in whatever order Postgres liked. I sorted the query and took the date from the export.',
      turn: 1,
    },
    t(31),
  );

  // dark-emails
  world.append(
    's-emails',
    'message',
    message('e1', 'user', 'Dark mode for the transactional emails.', { turn: 1 }),
    t(0),
  );
  world.append(
    's-emails',
    'message',
    message(
      'e2',
      'assistant',
      'All eleven templates share one layout, so the dark styles live in a single partial. Apple Mail and Outlook on iOS honour it; Gmail inverts colours on its own, so it gets a fixed background.',
      { turn: 1 },
    ),
    t(37),
  );
  for (const [i, [title, more]] of [
    ['edit templates/_layout.mjml', { tool: 'Edit' }],
    ['run pytest tests/mail -q', { tool: 'Bash', output: '38 passed' }],
    ['render 11 templates, 4 mail clients', { tool: 'render', output: 'x\n'.repeat(44) }],
  ].entries())
    world.append('s-emails', 'tool_call', call(`ec${i}`, 1, title, more), t(38 + i));
  world.append(
    's-emails',
    'message',
    message('e3', 'user', 'Nice. Leave the receipts alone, finance prints them.', { turn: 2 }),
    t(43),
  );
  world.append(
    's-emails',
    'message',
    message(
      'e4',
      'assistant',
      'Receipts stay light. One thing I can’t decide from the code: **which grey should quoted replies use?**',
      { turn: 2 },
    ),
    t(50),
  );
  world.append(
    's-emails',
    'item',
    item('i-grey', 's-emails', 'question', 'Which grey should quoted replies use?', {
      opened_at: t(50),
      ask: {
        kind: 'question',
        questions: [
          {
            question: 'Which grey should quoted replies use?',
            header: 'Grey',
            multi_select: false,
            options: [
              { label: '#9aa4a0', description: 'softer, 4.6:1', preview: null },
              { label: '#c9d1cd', description: 'matches the app, 9.8:1', preview: null },
            ],
          },
        ],
      },
    }),
    t(50),
  );
  world.session('s-emails', { state: 'waiting', reason: '', turn: 2, updated_at: t(50) });

  // pg17
  world.append(
    's-pg',
    'message',
    message(
      'p1',
      'user',
      'Upgrade Postgres 15 to 17. Plan first, nothing runs before I approve it. Less than two minutes of downtime, evenings only.',
      { turn: 1 },
    ),
    t(0),
  );
  world.append(
    's-pg',
    'message',
    message(
      'p2',
      'assistant',
      'Reading the Terraform and the last two upgrades before I propose anything.',
      { turn: 1 },
    ),
    t(6),
  );
  for (const [i, title] of [
    'read terraform/db.tf',
    'query pg_stat_user_tables on the replica',
    'read runbooks/2024-pg15.md',
  ].entries())
    world.append('s-pg', 'tool_call', call(`pc${i}`, 1, title), t(7 + i));
  world.append(
    's-pg',
    'message',
    message(
      'p3',
      'assistant',
      'The plan is ready. Two things worth your eye: step 4 pauses writes for about 40 seconds, and step 6 deletes the old server, so it asks again before it runs.',
      { turn: 1 },
    ),
    t(59),
  );
  world.append(
    's-pg',
    'item',
    item('i-plan', 's-pg', 'plan', 'Replicate, verify, switch, keep a way back', {
      opened_at: t(59),
      ask: {
        kind: 'plan',
        plan: '# Replicate, verify, switch, keep a way back\n\nAbout 50 minutes, most of it waiting.\n\n1. **Restore last night’s base backup** into a 17 instance. Same zone, same size. `terraform/db.tf`\n2. **Start logical replication** for 41 tables. `migrations/0219_publication.sql`\n3. **Catch up, then compare** row counts and checksums. Stops and asks you if any table differs.\n4. **Pause writes**, copy sequences, switch the connection. Writes return 503 for about 40 seconds.\n5. **Smoke tests**; keep 15 as a read-only fallback for 48 h.\n6. **Delete the old instance.** Asks again before it runs. *Cannot be undone.*',
      },
    }),
    t(59),
  );
  world.session('s-pg', { state: 'waiting', reason: '', updated_at: t(59) });

  // search-latency
  world.append(
    'main',
    'message',
    message(
      'm3',
      'user',
      'Search has felt slow since Friday. Find out why, don’t change anything yet.',
      { turn: 3 },
    ),
    iso(-5 * MIN),
  );
  world.append(
    'main',
    'message',
    message(
      'm4',
      'assistant',
      'On it, read-only. I’ll post here when there’s a cause worth your time.',
      { turn: 3, demo: true },
    ),
    iso(-4.9 * MIN),
  );
  const s = session('s-search', 'search-latency', 'Search p95 above 800 ms', 4, 'fish', {
    state: 'working',
    activity: 'read ranking/score.py',
    created_at: iso(-4.3 * MIN),
    updated_at: iso(-4.2 * MIN),
    confined: false,
  });
  world.append('s-search', 'session', s, iso(-4.2 * MIN));
  world.append(
    'main',
    'session_started',
    { session_id: 's-search', anchor: s.anchor },
    iso(-4.3 * MIN),
  );
  world.append(
    's-search',
    'message',
    message(
      'q1',
      'user',
      'Search has felt slow since Friday. Find out why, don’t change anything yet.',
      { turn: 1 },
    ),
    iso(-4.2 * MIN),
  );
  world.append('s-search', 'turn_started', { turn: 1, message_ids: ['q1'] }, iso(-4.2 * MIN));
  world.append(
    's-search',
    'message',
    message(
      'q2',
      'assistant',
      'The p95 jumped at Friday 16:20, eleven minutes after the ranking deploy. The slow spans all sit in one query.',
      { turn: 1 },
    ),
    iso(-3 * MIN),
  );
  world.append(
    's-search',
    'tool_call',
    call('qc1', 1, 'fetch traces, Fri 12:00 to 20:00', {
      tool: 'fetch',
      output: 'x\n'.repeat(2014),
    }),
    iso(-2 * MIN),
  );
  world.append(
    's-search',
    'tool_call',
    call('qc2', 1, 'read ranking/score.py', { status: 'running' }),
    iso(-1 * MIN),
  );
  world.append(
    's-search',
    'todo',
    {
      turn: 1,
      entries: [
        { text: 'Find when it started', status: 'completed' },
        { text: 'Find where', status: 'in_progress' },
        { text: 'Say why', status: 'pending' },
      ],
    },
    iso(-1 * MIN),
  );
  world.main.turn = 3;
  world.projects = [
    {
      id: 'p1',
      name: 'tidepool/api',
      source: 'git@host:tidepool/api.git',
      default_branch: 'main',
      state: 'ready',
      error: '',
      created_at: iso(-9e7),
    },
    {
      id: 'p2',
      name: 'mailer',
      source: '/home/sam/code/mailer',
      default_branch: null,
      state: 'failed',
      error: 'There is no git repository at /home/sam/code/mailer.',
      created_at: iso(-9e7),
    },
  ];
}

/** Two thousand messages, for scrolling. */
function long(world) {
  for (let i = 1; i <= 2000; i++) {
    const role = i % 2 ? 'user' : 'assistant';
    const text =
      `${i}. ` +
      'All work and no play makes a long log, and a long log is what this is for. '.repeat(
        1 + ((i * 7) % 9),
      );
    world.append(
      'main',
      'message',
      message(`l${i}`, role, text, { turn: i }),
      iso(-(2000 - i) * 3 * 60_000),
    );
  }
  world.main.turn = 2000;
}

function send(stream, name, data, id) {
  stream.write(`event: ${name}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(data)}\n\n`);
}

export function serve(world, port) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://fixture');
    const { pathname } = url;
    const json = (status, body) => {
      response.writeHead(status, {
        'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
      });
      response.end(status === 204 ? undefined : JSON.stringify(body));
    };
    const problem = (status, code, detail, more = {}) =>
      json(status, { type: 'about:blank', title: code, status, code, detail, ...more });
    if (!pathname.startsWith('/api/')) return page(pathname, response);
    if (world.delayMs) await pause(world.delayMs);
    const body = await new Promise((resolve) => {
      let text = '';
      request.on('data', (piece) => (text += piece));
      request.on('end', () => resolve(text ? JSON.parse(text) : {}));
    });
    if (pathname === '/api/health') return json(200, { status: 'ok', version: '0.1.0' });
    if (pathname === '/api/pair') {
      if (body.code === 'wrong')
        return problem(
          400,
          'bad_code',
          'This code is not known, or it was used before. Run `mainloop pair` for a new one.',
        );
      return json(200, { device: { id: 'd1', name: body.name }, key: KEY });
    }
    if (request.headers['x-mainloop-key'] !== KEY)
      return problem(
        401,
        'not_signed_in',
        'This device was revoked. Run `mainloop pair` for a new link.',
      );
    if (pathname === '/api/state') return json(200, world.state());
    if (pathname === '/api/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const after = Number(request.headers['last-event-id'] ?? url.searchParams.get('after') ?? 0);
      response.write(': hello\n\n');
      for (const event of world.events)
        if (Number(event.cursor) > after) send(response, 'event', event, event.cursor);
      for (const open of world.open.values()) send(response, 'delta', { ...open, offset: 0 });
      world.streams.add(response);
      const beat = setInterval(() => response.write(': beat\n\n'), 15_000);
      request.on('close', () => {
        clearInterval(beat);
        world.streams.delete(response);
      });
      return undefined;
    }
    const [, , kind, id, act, sub] = pathname.split('/');
    if (kind === 'threads' && act === 'events') {
      const log = world.logs.get(id);
      if (!log && id === 'main') return json(200, { events: [], more: false });
      if (!log) return problem(404, 'unknown_thread', 'There is no such thread.');
      const limit = Number(url.searchParams.get('limit') ?? 100);
      const after = url.searchParams.get('after');
      const before = Number(url.searchParams.get('before') ?? Infinity);
      const all = log.filter((e) => (after === null ? e.seq < before : e.seq > Number(after)));
      const events = after === null ? all.slice(-limit) : all.slice(0, limit);
      return json(200, { events, more: all.length > events.length });
    }
    if (kind === 'threads' && act === 'messages' && request.method === 'POST') {
      if (body.text.length > 200_000)
        return problem(
          413,
          'too_long',
          'This message is longer than 200,000 characters. Put it into a file, or split it.',
        );
      return json(201, world.say(id, body));
    }
    if (kind === 'threads' && act === 'messages') {
      const list = world.queued.get(id) ?? [];
      const at = list.findIndex((m) => m.id === sub);
      if (at < 0) return problem(409, 'message_delivered', 'The agent has this message already.');
      if (request.method === 'DELETE') {
        const [gone] = list.splice(at, 1);
        world.append(id, 'message', { ...gone, status: 'withdrawn' });
        return json(204);
      }
      list[at] = { ...list[at], ...body };
      world.append(id, 'message', list[at]);
      return json(200, list[at]);
    }
    if (kind === 'threads' && act === 'interrupt') {
      if (id === 'main') world.main.working = false;
      else if (world.sessions.has(id)) world.session(id, { state: 'idle', activity: '' });
      return json(202, {});
    }
    if (kind === 'sessions' && !id && request.method === 'POST') {
      const started = session(
        body.id,
        body.prompt.split(' ').slice(0, 2).join('-').toLowerCase(),
        body.title ?? body.prompt,
        8,
        'squid',
        {
          state: 'starting',
          reason: 'preparing',
          agent: body.agent ?? 'claude',
          anchor: null,
          created_at: iso(0),
          turn: 0,
        },
      );
      world.append(body.id, 'session', started);
      world.append('main', 'session_started', {
        session_id: body.id,
        anchor: { thread_id: 'main' },
      });
      world.say(body.id, { id: crypto.randomUUID(), text: body.prompt, mode: 'queue' });
      return json(201, world.sessions.get(body.id));
    }
    if (kind === 'sessions' && id) {
      if (!world.sessions.has(id))
        return problem(404, 'unknown_session', 'There is no such session.');
      const states = { cancel: 'cancelled', close: 'done', resume: 'starting', park: 'idle' };
      if (act)
        return json(
          200,
          world.session(id, { state: states[act], activity: '', parked: act === 'park' }),
        );
      return json(200, world.sessions.get(id));
    }
    if (kind === 'inbox' && act === 'answer') {
      if (!world.items.has(id))
        return problem(409, 'already_answered', 'It was answered already.', {
          item: { answer: { decision: 'allow', answers: {}, text: '' } },
        });
      return json(200, world.answer(id, body));
    }
    if (kind === 'projects') {
      if (request.method === 'POST') {
        const project = {
          id: crypto.randomUUID(),
          name: body.name ?? body.source,
          source: body.source,
          default_branch: null,
          state: 'fetching',
          error: '',
          created_at: iso(0),
        };
        world.projects.push(project);
        setTimeout(() => Object.assign(project, { state: 'ready', default_branch: 'main' }), 2000);
        return json(201, project);
      }
      return json(200, { projects: world.projects });
    }
    if (kind === 'devices') {
      if (request.method === 'DELETE') {
        world.devices = world.devices.filter((d) => d.id !== id);
        return json(204);
      }
      return json(200, { devices: world.devices });
    }
    if (kind === 'agent') {
      world.demo = body.agent === 'demo';
      return json(204);
    }
    if (kind === 'doctor')
      return json(200, {
        checks: [
          { name: 'database', ok: true, level: 'ok', text: 'It answers.', hint: '' },
          { name: 'claude', ok: true, level: 'ok', text: 'Found 2.1.0.', hint: '' },
          {
            name: 'sandbox',
            ok: true,
            level: 'warn',
            text: 'No network allow list.',
            hint: 'Agents reach any host.',
          },
        ],
      });
    return problem(404, 'not_found', 'There is no such thing.');
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

function page(pathname, response) {
  let file = join(BUILD, pathname);
  if (!existsSync(file) || statSync(file).isDirectory()) file = join(BUILD, 'index.html');
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
}

export { item, message, session, call, iso };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? otherwise : process.argv[at + 1];
  };
  const port = Number(option('port', '8100'));
  await serve(new Fixture(option('world', 'chat')), port);
  console.warn(`http://127.0.0.1:${port}/pair#any`);
}
