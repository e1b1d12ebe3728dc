/** `mainloop up` as a process, on a home and a port of its own, to be killed and started again. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Model } from './model.ts';
import { freePort } from './port.ts';
import { processesOf } from './processes.ts';
import { tool } from './repository.ts';

const run = promisify(execFile);
const START_MS = 60_000;
const STEP_MS = 50;

export interface Options {
  /**
   * What answers where nothing else is chosen. `claude`: the real program against the scripted model; `none`: the
   * real program without credentials.
   */
  agent?: 'scripted' | 'claude' | 'none';
  settings?: Record<string, string>;
  /** A recorded day of sixty sessions has just ended. */
  day?: boolean;
  /** So many events stand in the main thread already, and sixty sessions beside it: a busy month. */
  events?: number;
}

export type StorageState = {
  cookies: {
    name: string;
    value: string;
    domain: string;
    path: string;
    expires: number;
    httpOnly: boolean;
    secure: boolean;
    sameSite: 'Strict';
  }[];
  origins: { origin: string; localStorage: { name: string; value: string }[] }[];
};

export interface Device {
  id: string;
  cookie: string;
  key: string;
}

export class Server {
  readonly url: string;
  readonly model: Model;
  readonly home: string;
  readonly #environment: Record<string, string>;
  #process: ChildProcess | null = null;
  #device: Device | null = null;

  private constructor(port: number, model: Model, options: Options) {
    this.url = `http://127.0.0.1:${port}`;
    this.model = model;
    // Not below /tmp, which a sandboxed agent sees as its own.
    this.home = mkdtempSync(`${process.env['MAINLOOP_TEST_HOMES'] ?? '/var/tmp'}/mainloop-e2e-`);
    const kept = Object.entries(process.env).filter(
      ([name]) => !/^(MAINLOOP_|ANTHROPIC_|CLAUDE)/.test(name),
    ) as [string, string][];
    const agent = options.agent ?? 'scripted';
    this.#environment = {
      ...Object.fromEntries(kept),
      MAINLOOP_USER: 'sam',
      // Nothing here may open the person's own.
      MAINLOOP_KEEP_OUT: `${homedir()}/.mainloop`,
      // Nothing is found by the clock, or it would be found at another moment each time.
      MAINLOOP_LOOK_MINUTES: '0',
      MAINLOOP_AGENT: agent === 'scripted' ? 'scripted' : 'claude',
      SCRIPTED_GATES: model.url,
      ...(agent !== 'none' && { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'none' }),
      ...options.settings,
      MAINLOOP_HOME: this.home,
      MAINLOOP_PORT: `${port}`,
    };
  }

  static async start(options: Options = {}): Promise<Server> {
    const server = new Server(await freePort(), await Model.start(), options);
    if (options.events) await server.#fill('crowd', `${options.events}`);
    if (options.day) await server.#fill('day');
    await server.start();
    return server;
  }

  async #fill(from: 'crowd' | 'day', ...more: string[]): Promise<void> {
    const program = ['-P', '-m', `mainloop.testing.${from}`, this.home, ...more];
    await run(tool('python'), program, { env: this.#environment, cwd: this.home });
  }

  /** Start and wait until it answers. */
  async start(): Promise<void> {
    const log = openSync(`${this.home}/server.log`, 'a');
    const process = spawn(tool('mainloop'), ['up'], {
      stdio: ['ignore', log, log],
      env: this.#environment,
      cwd: this.home,
      detached: true,
    });
    this.#process = process;
    for (const until = Date.now() + START_MS; ; await pause(STEP_MS)) {
      if (process.exitCode !== null) throw new Error(`the server ended: ${this.log()}`);
      if (await this.answers()) return;
      if (Date.now() > until) throw new Error(`the server did not start: ${this.log()}`);
    }
  }

  async answers(): Promise<boolean> {
    return fetch(`${this.url}/api/health`).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  /** End the server alone; agents are no part of it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill(signal);
    await gone;
  }

  /** Hold the server still, so that it accepts and answers nothing; `go` lets it go on. */
  hold(): void {
    this.#process?.kill('SIGSTOP');
  }

  go(): void {
    this.#process?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  log(): string {
    return readFileSync(`${this.home}/server.log`, 'utf8').slice(-4000);
  }

  /** A fresh link, as the program prints it. */
  async link(): Promise<{ url: string; code: string }> {
    const { stdout } = await run(tool('mainloop'), ['pair', '--json'], {
      env: this.#environment,
      cwd: this.home,
    });
    return JSON.parse(stdout) as { url: string; code: string };
  }

  /** A browser that redeemed a fresh link. */
  async pair(name = 'Test browser'): Promise<Device> {
    return this.#redeem((await this.link()).code, name);
  }

  async #redeem(code: string, name: string): Promise<Device> {
    const answer = await fetch(`${this.url}/api/pair`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code, name }),
    });
    const { device, key } = (await answer.json()) as { device: { id: string }; key: string };
    const cookie = /mainloop_device=([^;]+)/.exec(answer.headers.get('set-cookie') ?? '')?.[1];
    if (!cookie) throw new Error('pairing set no cookie');
    return { id: device.id, cookie, key };
  }

  /** The one device that the tests of a file share. */
  async device(): Promise<Device> {
    // The first start prints a link by itself.
    const code = /\/pair#(\S+)/.exec(this.log())?.[1];
    return (this.#device ??= code ? await this.#redeem(code, 'Test browser') : await this.pair());
  }

  storage(device: Device): StorageState {
    return {
      cookies: [
        {
          name: 'mainloop_device',
          value: device.cookie,
          domain: '127.0.0.1',
          path: '/',
          expires: -1,
          httpOnly: true,
          secure: false,
          sameSite: 'Strict',
        },
      ],
      origins: [{ origin: this.url, localStorage: [{ name: 'mainloop.key', value: device.key }] }],
    };
  }

  /** The API, for what a test needs before it begins. */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const device = await this.device();
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        'content-type': 'application/json',
        cookie: `mainloop_device=${device.cookie}`,
        'x-mainloop-key': device.key,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** The processes of one session: its runner, its agent, what that started. */
  processes(sessionId: string): number[] {
    return processesOf(`${this.home}/threads/${sessionId}`);
  }

  /** End everything of this home. */
  async stop(): Promise<void> {
    this.go();
    await this.kill();
    await this.model.stop();
    for (const pid of processesOf(this.home)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
