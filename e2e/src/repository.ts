import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BUILD = `${ROOT}frontend/build`;

/** A program of this checkout's own environment. */
export function tool(name: string): string {
  return `${ROOT}.venv/bin/${name}`;
}

/** What git says, run by somebody with a name. */
export function git(...words: string[]): string {
  const who = ['-c', 'user.name=Sam', '-c', 'user.email=sam@example.org'];
  return execFileSync('git', [...who, ...words], { encoding: 'utf8' }).trim();
}
