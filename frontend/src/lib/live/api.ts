/** The API in the page's words. Answers are data, or a thrown `Problem` or `Unreachable`. */
import { KEY_HEADER, createClient } from '@mainloop/api-client';
import type {
  Answer,
  Check,
  Event,
  Item,
  ListedDevice,
  MessageBody,
  Project,
  Session,
  State,
} from './types';

export { Problem, Unreachable, problemOf } from '@mainloop/api-client';

export interface NewMessage {
  id: string;
  text: string;
  mode: 'queue' | 'steer';
}

export interface NewSession {
  id: string;
  prompt: string;
  title?: string;
  project?: string;
  agent?: string;
  model?: string;
}

export type GivenAnswer = { id: string } & Pick<Answer, 'decision'> & Partial<Answer>;

export type SessionAct = 'cancel' | 'close' | 'park' | 'resume';

interface Loose {
  request(method: string, path: string, init?: unknown): Promise<{ data?: unknown }>;
}

export class Api {
  readonly #key: () => string | null;
  readonly #client: Loose;

  constructor(key: () => string | null) {
    this.#key = key;
    this.#client = createClient({ key }) as unknown as Loose;
  }

  state(): Promise<State> {
    return this.#call('get', '/api/state');
  }

  /** The raw response of the event stream: who reads it wants its body piece by piece. */
  stream(cursor: string, signal: AbortSignal): Promise<Response> {
    return fetch(`/api/events?after=${encodeURIComponent(cursor)}`, {
      headers: { accept: 'text/event-stream', [KEY_HEADER]: this.#key() ?? '' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    });
  }

  events(
    threadId: string,
    query: { after?: number; before?: number; limit?: number },
  ): Promise<{ events: Event[]; more: boolean }> {
    return this.#call('get', '/api/threads/{thread_id}/events', {
      path: { thread_id: threadId },
      query,
    });
  }

  sendMessage(threadId: string, message: NewMessage): Promise<MessageBody> {
    return this.#call(
      'post',
      '/api/threads/{thread_id}/messages',
      { path: { thread_id: threadId } },
      message,
    );
  }

  changeMessage(
    threadId: string,
    messageId: string,
    change: { text?: string; mode?: 'queue' | 'steer' },
  ): Promise<MessageBody> {
    const path = { thread_id: threadId, message_id: messageId };
    return this.#call('patch', '/api/threads/{thread_id}/messages/{message_id}', { path }, change);
  }

  async withdrawMessage(threadId: string, messageId: string): Promise<void> {
    const path = { thread_id: threadId, message_id: messageId };
    await this.#call('delete', '/api/threads/{thread_id}/messages/{message_id}', { path });
  }

  async interrupt(threadId: string, turn: number): Promise<void> {
    await this.#call(
      'post',
      '/api/threads/{thread_id}/interrupt',
      { path: { thread_id: threadId } },
      { turn },
    );
  }

  session(id: string): Promise<Session> {
    return this.#call('get', '/api/sessions/{session_id}', { path: { session_id: id } });
  }

  startSession(session: NewSession): Promise<Session> {
    return this.#call('post', '/api/sessions', {}, session);
  }

  actOnSession(id: string, act: SessionAct): Promise<Session> {
    return this.#call(
      'post',
      `/api/sessions/{session_id}/${act}`,
      { path: { session_id: id } },
      {},
    );
  }

  answer(itemId: string, answer: GivenAnswer): Promise<Item> {
    return this.#call('post', '/api/inbox/{item_id}/answer', { path: { item_id: itemId } }, answer);
  }

  addProject(project: { source: string; name?: string }): Promise<Project> {
    return this.#call('post', '/api/projects', {}, project);
  }

  async projects(): Promise<Project[]> {
    return (await this.#call<{ projects: Project[] }>('get', '/api/projects')).projects;
  }

  async devices(): Promise<ListedDevice[]> {
    return (await this.#call<{ devices: ListedDevice[] }>('get', '/api/devices')).devices;
  }

  async revokeDevice(id: string): Promise<void> {
    await this.#call('delete', '/api/devices/{device_id}', { path: { device_id: id } });
  }

  async doctor(): Promise<Check[]> {
    return (await this.#call<{ checks: Check[] }>('get', '/api/doctor')).checks;
  }

  pair(code: string, name: string): Promise<{ device: { id: string; name: string }; key: string }> {
    return this.#call('post', '/api/pair', {}, { code, name });
  }

  /** The whole of a text whose head stands in an event. */
  async blob(id: string): Promise<string> {
    const response = await fetch(`/api/blobs/${encodeURIComponent(id)}`, {
      headers: { [KEY_HEADER]: this.#key() ?? '' },
      credentials: 'same-origin',
    });
    if (!response.ok) throw new Error(String(response.status));
    return response.text();
  }

  /** Sends an answer while the page is going away; nobody waits for the outcome. */
  answerOnTheWayOut(itemId: string, answer: GivenAnswer): void {
    void fetch(`/api/inbox/${encodeURIComponent(itemId)}/answer`, {
      method: 'POST',
      keepalive: true,
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json', [KEY_HEADER]: this.#key() ?? '' },
      body: JSON.stringify(answer),
    }).catch(() => undefined);
  }

  async #call<T>(method: string, path: string, params: object = {}, body?: unknown): Promise<T> {
    const { data } = await this.#client.request(method, path, { params, body });
    return data as T;
  }
}
