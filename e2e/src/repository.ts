import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BUILD = `${ROOT}frontend/build`;

/** A program of this checkout's own environment. */
export function tool(name: string): string {
  return `${ROOT}.venv/bin/${name}`;
}
