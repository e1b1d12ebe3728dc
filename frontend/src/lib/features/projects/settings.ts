import type { Project, ProjectChanges } from '$lib/live/types';
import { projects as words } from '$lib/messages/projects';

/** Settings as they are written in a form: lists and variables a line each. */
export interface Draft {
  branch: string;
  set_up: string;
  test: string;
  instructions: string;
  environment: string;
  files: string;
  keepIgnored: string;
}

export function drafted({ settings, keep_ignored }: Project): Draft {
  const { branch, set_up, test, instructions, environment, files } = settings;
  return {
    branch: branch ?? '',
    set_up,
    test,
    instructions,
    environment: written(environment),
    files: files.join('\n'),
    keepIgnored: keep_ignored.join('\n'),
  };
}

/** What is sent for the fields that were changed. Throws, in words, where a variable is not one. */
export function changesOf(draft: Draft, changed: (keyof Draft)[]): ProjectChanges {
  const values = {
    ...draft,
    branch: draft.branch || null,
    environment: changed.includes('environment') ? variables(draft.environment) : {},
    files: lines(draft.files),
  };
  const named = changed.filter((name) => name !== 'keepIgnored');
  return {
    ...(named.length > 0 && {
      // What is left out stays, which the description of the API can't say.
      settings: Object.fromEntries(
        named.map((name) => [name, values[name]]),
      ) as unknown as ProjectChanges['settings'],
    }),
    ...(changed.includes('keepIgnored') && { keep_ignored: lines(draft.keepIgnored) }),
  };
}

/** The lines that say something. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** `NAME=value` a line. Throws, in words, where a line is something else. */
export function variables(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line.trim())
      .map((line) => {
        const at = line.indexOf('=');
        if (at < 1) throw new Error(words.settings.noVariable(line.trim()));
        return [line.slice(0, at).trim(), line.slice(at + 1)];
      }),
  );
}

export function written(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}
