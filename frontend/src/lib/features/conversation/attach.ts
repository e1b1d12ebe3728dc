/** Files on their way into a message: what may come along, and what its agent can make of it. */
import { Problem } from '$lib/live/api';
import { keepFile } from '$lib/live/files';
import type { Session, Settings } from '$lib/live/types';
import { en } from '$lib/messages/en';
import type { App } from '$lib/shared/app.svelte';
import type { Conversation, DraftFile } from './conversation.svelte';

/** As the server has it: more is refused there too. */
export const MOST = 10;
export const LARGEST = 10 * 1024 * 1024;
const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** How pictures begin, as the server reads it: what calls itself one may be a text. */
const MAGIC = ['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'GIF87a', 'GIF89a'];
/** What a model takes as a picture. */
const LARGEST_PICTURE = 3_750_000;
const LARGEST_TEXT = 64 * 1024;
const TEXT = /^text\/|[/+](json|xml|yaml|javascript|x-sh|toml)$/;

const words = en.files;

export function isPicture(file: { type: string }): boolean {
  return PICTURES.includes(file.type);
}

/** Which files may come along, and what is said of the others. `already`: how many are there. */
export function choose(
  given: readonly { name: string; size: number }[],
  already: number,
): { taken: number[]; refused: string[] } {
  const taken: number[] = [];
  const refused: string[] = [];
  let tooMany = 0;
  given.forEach((file, i) => {
    if (file.size === 0) refused.push(words.empty(file.name));
    else if (file.size > LARGEST) refused.push(words.tooLarge(file.name, LARGEST / 1024 / 1024));
    else if (already + taken.length >= MOST) tooMany++;
    else taken.push(i);
  });
  if (tooMany) refused.push(words.tooMany(MOST, tooMany));
  return { taken, refused };
}

/** What the agent can't make of a file, in words; empty where it can take it as it is. */
export function hindrance(
  file: { type: string; size: number },
  session: Session | null,
  settings: Settings | null,
): string {
  const kind = session?.agent ?? settings?.default_agent;
  const agent = settings?.agents.find((one) => one.kind === kind);
  const name = agent?.name ?? en.app.loop;
  // A session has its files; the main thread has none.
  const asFile = session ? words.getsTheFile : words.sessionCould;
  if (isPicture(file)) {
    if (!agent?.sees) return words.cantSee(name, asFile);
    return file.size > LARGEST_PICTURE ? words.tooLargeToSee(name, asFile) : '';
  }
  if (session) return '';
  if (file.type && !TEXT.test(file.type)) return words.cantRead(name, asFile);
  return file.size > LARGEST_TEXT ? words.readsBeginning(name) : '';
}

/** Take files into the next message and send them ahead; says what could not be taken. */
export async function attach(
  app: App,
  conversation: Conversation,
  given: readonly File[],
): Promise<string[]> {
  const { taken, refused } = choose(given, conversation.files.length);
  const fresh = taken.flatMap((i): DraftFile[] => {
    const file = given[i];
    if (!file) return [];
    const name = file.name || words.pasted;
    const key = `${Date.now()}-${i}-${Math.random().toString(36).slice(2)}`;
    const { size, type } = file;
    const sound = prepare(conversation, key, file);
    return [{ key, name, size, type, id: null, data: file, sent: 0, sound }];
  });
  conversation.files = [...conversation.files, ...fresh];
  const said = await Promise.all(fresh.map((file) => sendAhead(app, conversation, file)));
  return [...refused, ...said.filter(Boolean)];
}

/** Send a file ahead; what the server says it is, counts. Without a line it goes with its message. */
async function sendAhead(app: App, conversation: Conversation, file: DraftFile): Promise<string> {
  const change = (changed: Partial<DraftFile> | null) => {
    conversation.files = conversation.files.flatMap((one) =>
      one.key !== file.key ? [one] : changed ? [{ ...one, ...changed }] : [],
    );
  };
  if (!file.data) return '';
  if (!(await file.sound)) {
    change(null);
    return words.damaged(file.name);
  }
  try {
    const { api, live } = app.connection;
    // It may have been made smaller.
    const data = conversation.files.find((one) => one.key === file.key)?.data ?? file.data;
    const kept = await live.call(() => keepFile(api, data, (sent) => change({ sent })));
    change({ id: kept.id, type: kept.type, sent: null });
    return '';
  } catch (error) {
    // Who has to sign in again finds it here, and it goes with its message.
    if (error instanceof Problem && !error.passing && error.status !== 401) {
      change(null);
      return `${file.name}: ${error.detail}`;
    }
    change({ sent: null });
    return '';
  }
}

/** Whether a file can be used. A picture that is too large for a model is made smaller before that is known. */
async function prepare(conversation: Conversation, key: string, file: File): Promise<boolean> {
  if (!(await isSound(file))) return false;
  if (file.size <= LARGEST_PICTURE || !(await startsAsPicture(file))) return true;
  const data = await smaller(file).catch(() => null);
  if (data) {
    const { size, type } = data;
    const name = `${file.name.replace(/\.[^.]*$/, '') || words.pasted}.${type.slice(6)}`;
    const made = { data, size, type, name, was: file.size };
    conversation.files = conversation.files.map((one) =>
      one.key === key ? { ...one, ...made } : one,
    );
  }
  return true;
}

/** Longest sides that are tried, in pixels: a model sees no more than the first. */
const SIDES = [2576, 1568, 1024];

/** A picture small enough for a model; nothing where this browser can't make one. */
async function smaller(file: Blob): Promise<Blob | null> {
  const picture = await createImageBitmap(file);
  try {
    for (const side of SIDES) {
      const scale = Math.min(1, side / Math.max(picture.width, picture.height));
      const canvas = document.createElement('canvas');
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
      // What is seen through stays so; a browser that can't write this kind writes another.
      const made = await new Promise<Blob | null>((resolve) =>
        canvas.toBlob(resolve, 'image/webp', 0.9),
      );
      if (made && made.size <= LARGEST_PICTURE) return made;
    }
    return null;
  } finally {
    picture.close();
  }
}

async function startsAsPicture(data: Blob): Promise<boolean> {
  const head = String.fromCharCode(...new Uint8Array(await data.slice(0, 12).arrayBuffer()));
  if (head.startsWith('RIFF')) return head.slice(8) === 'WEBP';
  return MAGIC.some((magic) => head.startsWith(magic));
}

/** A picture that can't be opened would spoil the whole conversation: the model refuses it each time. */
async function isSound(data: Blob): Promise<boolean> {
  try {
    if (!(await startsAsPicture(data))) return true;
  } catch {
    // What can't be read at all fails when it is sent.
    return true;
  }
  try {
    (await createImageBitmap(data)).close();
    return true;
  } catch {
    return false;
  }
}
