/** What runs on this machine, read from /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface Process {
  pid: number;
  parent: number;
  command: string;
}

function read(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return null;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), command };
  } catch {
    return null;
  }
}

function all(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((process) => process !== null);
}

function worksIn(pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
  } catch {
    return false;
  }
}

/** The processes that name a folder or work in it, and all that they started. */
export function processesOf(folder: string): number[] {
  const running = all();
  const found = new Set(
    running
      .filter((process) => process.command.includes(folder) || worksIn(process.pid, folder))
      .map((process) => process.pid),
  );
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { pid, parent } of running) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

/** Those of the given processes that still run. */
export function alive(pids: number[]): number[] {
  return pids.filter((pid) => read(pid) !== null);
}

export function runs(words: string): boolean {
  return all().some((process) => process.command.includes(words));
}
