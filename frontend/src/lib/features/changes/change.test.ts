import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChangedFile } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';
import { Change } from './change.svelte';

const oid = (n: number) => `${n}`.padStart(12, '0');
const file = (id: string, version: number) =>
  ({
    id,
    path: `src/${id}.py`,
    kind: 'text',
    status: 'changed',
    old: oid(0),
    new: oid(version),
    added: 1,
    removed: 1,
    generated: false,
  }) as ChangedFile;

/** A server with one session, whose change is what a test says. */
interface Look {
  version: string;
  files: ChangedFile[];
  commits?: { id: string }[];
  coming?: boolean;
}

class Server {
  /** By what is asked for; nothing: there is none. */
  looks: Record<string, Look> = {};
  linesFail = false;
  /** Milliseconds that a look takes. */
  takes = 0;
  looked = 0;
  asked: string[] = [];

  answer = (address: string): Promise<Response> => {
    const { pathname, searchParams } = new URL(address, 'http://server');
    if (pathname.endsWith('/lines')) {
      const files = searchParams.getAll('file');
      this.asked.push(...files);
      if (this.linesFail) return refused(500, 'The lines could not be read.');
      return said({ files: files.map((id) => ({ id, hunks: [], more: 0 })) });
    }
    if (pathname.includes('/contents/')) return Promise.resolve(new Response('one\ntwo\n'));
    this.looked += 1;
    if (this.takes > 0)
      return new Promise((done) => setTimeout(done, this.takes)).then(() =>
        this.look(searchParams),
      );
    return this.look(searchParams);
  };

  look = (searchParams: URLSearchParams): Promise<Response> => {
    const look = this.looks[searchParams.get('of') ?? ''];
    if (!look) return refused(404, 'There is no such commit.');
    if (look.version === searchParams.get('known'))
      return said({ commits: [], ...look, files: null });
    return said({ of: searchParams.get('of'), commits: [], ...look });
  };
}

const said = (body: object) => Promise.resolve(new Response(JSON.stringify(body)));
const refused = (status: number, detail: string) =>
  Promise.resolve(
    new Response(JSON.stringify({ status, title: detail, detail, code: 'x' }), {
      status,
      headers: { 'content-type': 'application/problem+json' },
    }),
  );

let server: Server;
let change: Change;

beforeEach(() => {
  server = new Server();
  vi.stubGlobal('fetch', server.answer);
  const app = {
    connection: {
      api: { headers: () => ({}) },
      live: { call: (work: () => Promise<unknown>) => work() },
    },
    attempt: (work: () => Promise<unknown>) => work(),
  };
  change = new Change('s', app as unknown as App);
});

// spec: changes-11
describe('a change', () => {
  it('is shown whole again where the commit that is looked at is gone', async () => {
    server.looks['all'] = { version: 'v1', files: [file('a', 1)] };
    server.looks['commit:c'] = { version: 'c1', files: [file('b', 1)] };
    change.show('commit:c');
    await vi.waitFor(() => expect(change.file?.id).toBe('b'));
    delete server.looks['commit:c'];
    await change.refresh();
    await vi.waitFor(() => expect(change.file?.id).toBe('a'));
    expect(change.of).toBe('all');
    expect(change.failure).toBe('');
  });

  it('loads lines that could not be loaded when one says so, and says why until then', async () => {
    server.looks['all'] = { version: 'v1', files: [file('a', 1), file('b', 1)] };
    await change.refresh();
    server.linesFail = true;
    const a = change.file as ChangedFile;
    await change.load(a);
    expect(change.failure).toContain('could not be read');
    // Another look at the change says nothing about them.
    await change.refresh();
    expect(change.failure).toContain('could not be read');
    server.linesFail = false;
    await change.reload();
    expect(change.failure).toBe('');
    expect(change.linesOf(a)?.id).toBe('a');
  });

  it('keeps the lines of what is shown, and none of the versions before', async () => {
    const before = file('a', 1);
    server.looks['all'] = { version: 'v1', files: [before, file('b', 9)] };
    await change.refresh();
    await change.load(before);
    await change.open(before, ['*']);
    server.looks['all'] = { version: 'v2', files: [file('a', 2), file('b', 9)] };
    await change.refresh();
    expect(change.linesOf(before)).toBeUndefined();
    expect(change.wholeOf(before)).toBeNull();
    expect(change.linesOf(file('b', 9))?.id).toBe('b');
  });

  it('shows commits that come of the same files, and looks again as long as some may come', async () => {
    vi.useFakeTimers();
    const same = { version: 'v1', files: [file('a', 1)] };
    server.looks['all'] = { ...same, coming: true };
    await change.refresh();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.looked).toBe(2);
    server.looks['all'] = { ...same, commits: [{ id: 'c' }] };
    await vi.advanceTimersByTimeAsync(1000);
    expect(change.diff?.commits).toEqual([{ id: 'c' }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.looked).toBe(3);
    vi.useRealTimers();
  });
});

it('looks again soon after the first look, which reads everything, and seldom where each look takes long', async () => {
  vi.useFakeTimers();
  server.looks = { all: { version: 'a-b', files: [file('x', 1)] } };
  server.takes = 4000;
  change.poke();
  await vi.advanceTimersByTimeAsync(5000);
  expect(change.files).toHaveLength(1);
  change.poke();
  await vi.advanceTimersByTimeAsync(1000);
  expect(server.looked).toBe(2);
  await vi.advanceTimersByTimeAsync(4000);
  change.poke();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(server.looked).toBe(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(server.looked).toBe(3);
  vi.useRealTimers();
});
