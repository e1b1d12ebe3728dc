/** The scripted model: what the real agent's "model" says is written in rules or in the prompt itself. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tool } from './repository.ts';
import { freePort } from './port.ts';

export interface Step {
  text?: string;
  thinking?: string;
  tools?: { name: string; input: Record<string, unknown> }[];
  chunks?: number;
  chunk_delay?: number;
  delay?: number;
  gate?: string;
  gate_mid?: string;
  error?: { status: number; type?: string; message: string; times?: number };
}

export interface Rule {
  match: string;
  steps: Step[];
}

/** A prompt that carries its own script, for the scripted agent and for the scripted model alike. */
export function script(...steps: Step[]): string {
  return `[[script]]${JSON.stringify(steps)}[[/script]]`;
}

export function call(
  name: string,
  input: Record<string, unknown>,
): { name: string; input: typeof input } {
  return { name, input };
}

export class Model {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  static async start(): Promise<Model> {
    const port = await freePort();
    const process = spawn(
      tool('python'),
      ['-P', '-m', 'mainloop.testing.scripted_model', '--port', `${port}`, '--ready'],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/', detached: true },
    );
    if (!process.stdout) throw new Error('the scripted model has no output');
    await Promise.race([
      once(process.stdout, 'data'),
      once(process, 'exit').then(() => {
        throw new Error('the scripted model ended');
      }),
    ]);
    return new Model(`http://127.0.0.1:${port}`, process);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  /** What it says to prompts that match; the newest rules come first. */
  async rules(...rules: Rule[]): Promise<void> {
    await this.#post('/ctl/rules', rules);
  }

  async open(gate: string): Promise<void> {
    await this.#post(`/ctl/gate/${gate}`, {});
  }

  /** The newest words of the person, one per request that the agents made. */
  async heard(): Promise<{ user: string; body: unknown }[]> {
    const answer = await fetch(`${this.url}/ctl/requests`);
    return (await answer.json()) as { user: string; body: unknown }[];
  }

  async #post(path: string, body: unknown): Promise<void> {
    const answer = await fetch(this.url + path, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  }
}
