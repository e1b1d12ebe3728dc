import type { MergePolicy, Project, ProjectChanges } from '$lib/live/types';
import { projects as words } from '$lib/messages/projects';

/** Settings as they are written in a form: lists and variables a line each, what is set for merging one by one. */
export interface Draft extends MergePolicy {
  branch: string;
  set_up: string;
  test: string;
  instructions: string;
  environment: string;
  files: string;
  keepIgnored: string;
}

export function drafted({ settings, keep_ignored }: Project): Draft {
  const { branch, set_up, test, instructions, environment, files, merge } = settings;
  return {
    branch: branch ?? '',
    set_up,
    test,
    instructions,
    environment: written(environment),
    files: files.join('\n'),
    keepIgnored: keep_ignored.join('\n'),
    ...merge,
  };
}

const MERGE: readonly (keyof Draft)[] = [
  'how',
  'needs_green',
  'needs_approval',
  'by_itself',
  'reach',
  'repairs',
];

/** What was begun in this browser and not saved, as far as it still is a setting. */
export function begun(stands: Draft, kept: string): Partial<Draft> {
  try {
    const found = JSON.parse(kept || '{}') as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(found).filter(
        ([name, value]) => typeof value === typeof stands[name as keyof Draft],
      ),
    );
  } catch {
    return {};
  }
}

/** What is sent for the fields that were changed. Throws, in words, where a variable is not one. */
export function changesOf(draft: Draft, changed: (keyof Draft)[]): ProjectChanges {
  const values = {
    ...draft,
    branch: draft.branch || null,
    environment: changed.includes('environment') ? variables(draft.environment) : {},
    files: lines(draft.files),
  };
  const merge = changed.filter((name) => MERGE.includes(name));
  const named = changed.filter((name) => name !== 'keepIgnored' && !merge.includes(name));
  const pick = (names: (keyof Draft)[], from: Partial<Record<keyof Draft, unknown>>) =>
    Object.fromEntries(names.map((name) => [name, from[name]]));
  return {
    ...((named.length > 0 || merge.length > 0) && {
      // What is left out stays, which the description of the API can't say.
      settings: {
        ...pick(named, values),
        ...(merge.length > 0 && { merge: pick(merge, draft) }),
      } as unknown as ProjectChanges['settings'],
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
