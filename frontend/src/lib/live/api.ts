/** The API in the page's words. Answers are data, or a thrown `Problem` or `Unreachable`. */
import {
  KEY_HEADER,
  createClient,
  problemOf,
  type MainloopClient,
  type components,
} from '@mainloop/api-client';
import { wholeAnswer, type GivenAnswer } from './answer';
import type {
  Attention,
  Ceiling,
  Check,
  Device,
  Event,
  Hits,
  Item,
  ItemAttention,
  KeptFiles,
  Mark,
  MessageBody,
  Keys,
  Mute,
  Offer,
  Permission,
  Preferences,
  Preview,
  FoundInProject,
  Project,
  ProjectChanges,
  Session,
  State,
  Usage,
  WatchedFor,
} from './types';

export { Problem, Unreachable, problemOf } from '@mainloop/api-client';
export type { GivenAnswer } from './answer';

type Schemas = components['schemas'];

export type SessionAct = 'cancel' | 'close' | 'park' | 'resume';
export type QueuedChange = Schemas['ChangeMessage'];

interface Answered<T> {
  data?: T;
  response: Response;
}

/** The client throws where the server refused, so what comes back has data. */
async function dataOf<T>(call: Promise<Answered<T>>): Promise<T> {
  const { data, response } = await call;
  if (data === undefined) throw await problemOf(response);
  return data;
}

/** The answer to what the shell asked for before this program was here, once; else a request. */
function fetchOrTake(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const answer = request.method === 'GET' && window.asked?.[pathname + search];
  if (!answer) return fetch(request);
  delete window.asked?.[pathname + search];
  const { signal } = request;
  const givenUp = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
  return Promise.race([answer, givenUp]);
}

export class Api {
  readonly #key: () => string | null;
  readonly #client: MainloopClient;

  constructor(key: () => string | null) {
    this.#key = key;
    this.#client = createClient({ key, fetch: fetchOrTake });
  }

  state(signal?: AbortSignal): Promise<State> {
    return dataOf(this.#client.GET('/api/state', signal ? { signal } : {}));
  }

  /** The raw response of the event stream: who reads it wants its body piece by piece. */
  stream(cursor: string, signal: AbortSignal): Promise<Response> {
    return fetch(`/api/events?after=${encodeURIComponent(cursor)}`, {
      headers: { ...this.headers(), accept: 'text/event-stream' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    });
  }

  async events(
    threadId: string,
    query: { after?: number; before?: number; around?: number; at?: string; limit?: number },
  ): Promise<{ events: Event[]; more: boolean; newest: number; later: Event[] }> {
    const params = { path: { thread_id: threadId }, query };
    const page = await dataOf(this.#client.GET('/api/threads/{thread_id}/events', { params }));
    // A log's events are described once for all kinds; `kind` says which body it is.
    return page as unknown as Awaited<ReturnType<Api['events']>>;
  }

  sendMessage(threadId: string, message: Schemas['Say']): Promise<MessageBody> {
    const params = { path: { thread_id: threadId } };
    return dataOf(
      this.#client.POST('/api/threads/{thread_id}/messages', { params, body: message }),
    );
  }

  changeMessage(threadId: string, messageId: string, change: QueuedChange): Promise<MessageBody> {
    const params = { path: { thread_id: threadId, message_id: messageId } };
    return dataOf(
      this.#client.PATCH('/api/threads/{thread_id}/messages/{message_id}', {
        params,
        body: change,
      }),
    );
  }

  async withdrawMessage(threadId: string, messageId: string): Promise<void> {
    const params = { path: { thread_id: threadId, message_id: messageId } };
    await this.#client.DELETE('/api/threads/{thread_id}/messages/{message_id}', { params });
  }

  async interrupt(threadId: string, turn: number): Promise<void> {
    const params = { path: { thread_id: threadId } };
    await this.#client.POST('/api/threads/{thread_id}/interrupt', { params, body: { turn } });
  }

  session(id: string): Promise<Session> {
    const params = { path: { session_id: id } };
    return dataOf(this.#client.GET('/api/sessions/{session_id}', { params }));
  }

  async findSessions(text: string): Promise<Session[]> {
    const params = { query: { text } };
    return (await dataOf(this.#client.GET('/api/sessions', { params }))).sessions;
  }

  /** What was said, newest first: in a thread or in all, before a hit of the page before. */
  search(query: { text: string; thread?: string; before?: string; limit?: number }): Promise<Hits> {
    return dataOf(this.#client.GET('/api/search', { params: { query } }));
  }

  startSession(session: Schemas['StartSession']): Promise<Session> {
    return dataOf(this.#client.POST('/api/sessions', { body: session }));
  }

  actOnSession(id: string, act: SessionAct): Promise<Session> {
    const init = { params: { path: { session_id: id } }, body: { reason: '' } };
    return dataOf(this.#client.POST(`/api/sessions/{session_id}/${act}`, init));
  }

  keptFiles(id: string): Promise<KeptFiles> {
    return dataOf(
      this.#client.GET('/api/sessions/{session_id}/kept', { params: { path: { session_id: id } } }),
    );
  }

  async runs(id: string): Promise<Schemas['RunnerOf'][]> {
    const params = { path: { session_id: id } };
    return (await dataOf(this.#client.GET('/api/sessions/{session_id}/runs', { params }))).runs;
  }

  async processes(id: string): Promise<Schemas['ProcessOf'][] | null> {
    const params = { path: { session_id: id } };
    return (await dataOf(this.#client.GET('/api/sessions/{session_id}/processes', { params })))
      .processes;
  }

  answer(itemId: string, answer: GivenAnswer): Promise<Item> {
    const params = { path: { item_id: itemId } };
    const body = wholeAnswer(answer);
    return dataOf(this.#client.POST('/api/inbox/{item_id}/answer', { params, body }));
  }

  /** Put an item off; without a moment until the person is back. */
  snooze(itemId: string, until: Date | null): Promise<Item> {
    const params = { path: { item_id: itemId } };
    const body = { until: until?.toISOString() ?? null };
    return dataOf(this.#client.POST('/api/inbox/{item_id}/snooze', { params, body }));
  }

  wake(itemId: string): Promise<Item> {
    const params = { path: { item_id: itemId } };
    return dataOf(this.#client.POST('/api/inbox/{item_id}/wake', { params }));
  }

  markRead(threadId: string, seq: number, unread: boolean): Promise<Mark> {
    const params = { path: { thread_id: threadId } };
    return dataOf(
      this.#client.PUT('/api/threads/{thread_id}/read', { params, body: { seq, unread } }),
    );
  }

  mark(threadId: string): Promise<Mark> {
    const params = { path: { thread_id: threadId } };
    return dataOf(this.#client.GET('/api/threads/{thread_id}/read', { params }));
  }

  /** The person looks at this page now. */
  async look(): Promise<void> {
    await this.#client.PUT('/api/presence');
  }

  schedules(): Promise<Schemas['Schedules']> {
    return dataOf(this.#client.GET('/api/schedules'));
  }

  async addSchedule(id: string, schedule: Schemas['AddSchedule']): Promise<void> {
    const params = { path: { schedule_id: id } };
    await dataOf(this.#client.PUT('/api/schedules/{schedule_id}', { params, body: schedule }));
  }

  async changeSchedule(id: string, schedule: Schemas['AddSchedule']): Promise<void> {
    const params = { path: { schedule_id: id } };
    await dataOf(this.#client.PATCH('/api/schedules/{schedule_id}', { params, body: schedule }));
  }

  /** `on`: be told when it is so; else not after all. */
  /** `above`: dollars, of `cost` only. */
  watch(
    session_id: string,
    condition: WatchedFor,
    on: boolean,
    above: number | null,
  ): Promise<Session> {
    const at = '/api/sessions/{session_id}/watches/{condition}';
    const params = { path: { session_id, condition } };
    return dataOf(
      on
        ? this.#client.PUT(at, { params, body: { again: false, above } })
        : this.#client.DELETE(at, { params }),
    );
  }

  async cancelSchedule(id: string): Promise<void> {
    const params = { path: { schedule_id: id } };
    await this.#client.DELETE('/api/schedules/{schedule_id}', { params });
  }

  attention(): Promise<Attention> {
    return dataOf(this.#client.GET('/api/attention'));
  }

  async keepKeys(keys: Keys): Promise<void> {
    await this.#client.PUT('/api/keys', { body: { keys } });
  }

  preferences(): Promise<Preferences> {
    return dataOf(this.#client.GET('/api/attention/preferences'));
  }

  mute(mute: Mute): Promise<Preferences> {
    return dataOf(this.#client.PUT('/api/attention/muted', { body: mute }));
  }

  attentionOf(itemId: string): Promise<ItemAttention> {
    const params = { path: { item_id: itemId } };
    return dataOf(this.#client.GET('/api/attention/items/{item_id}', { params }));
  }

  /** What is not named stays as it is. */
  async prefer(changes: Partial<Preferences>): Promise<void> {
    // It is described once, for what is sent and for what is answered.
    const body = changes as Preferences;
    await dataOf(this.#client.PUT('/api/attention/preferences', { body }));
  }

  async subscribe(subscription: Schemas['Subscribe']): Promise<void> {
    await dataOf(this.#client.PUT('/api/attention/subscription', { body: subscription }));
  }

  addNotifier(way: Schemas['AddNotifier']): Promise<Schemas['AddedNotifier']> {
    return dataOf(this.#client.POST('/api/attention/notifiers', { body: way }));
  }

  async changeNotifier(id: string, way: Schemas['ChangeNotifier']): Promise<void> {
    const params = { path: { notifier_id: id } };
    const path = '/api/attention/notifiers/{notifier_id}';
    await dataOf(this.#client.PATCH(path, { params, body: way }));
  }

  async testNotifier(id: string): Promise<string> {
    const params = { path: { notifier_id: id } };
    const path = '/api/attention/notifiers/{notifier_id}/test';
    return (await dataOf(this.#client.POST(path, { params }))).id;
  }

  async removeNotifier(id: string): Promise<void> {
    const params = { path: { notifier_id: id } };
    await this.#client.DELETE('/api/attention/notifiers/{notifier_id}', { params });
  }

  addProject(project: { source: string; name?: string }): Promise<Project> {
    return dataOf(this.#client.POST('/api/projects', { body: project }));
  }

  changeProject(id: string, changes: ProjectChanges): Promise<Project> {
    const params = { path: { project_id: id } };
    return dataOf(this.#client.PATCH('/api/projects/{project_id}', { params, body: changes }));
  }

  lookIntoProject(id: string): Promise<FoundInProject> {
    const params = { path: { project_id: id } };
    return dataOf(this.#client.GET('/api/projects/{project_id}/found', { params }));
  }

  async projects(): Promise<Project[]> {
    return (await dataOf(this.#client.GET('/api/projects'))).projects;
  }

  async devices(): Promise<Device[]> {
    return (await dataOf(this.#client.GET('/api/devices'))).devices;
  }

  async revokeDevice(id: string): Promise<void> {
    await this.#client.DELETE('/api/devices/{device_id}', { params: { path: { device_id: id } } });
  }

  async permissions(): Promise<Permission[]> {
    return (await dataOf(this.#client.GET('/api/permissions'))).permissions;
  }

  /** What could be given with the answer of an ask. */
  offer(itemId: string): Promise<Offer> {
    const params = { path: { item_id: itemId } };
    return dataOf(this.#client.GET('/api/permissions/offer/{item_id}', { params }));
  }

  /** What it would have answered so far, and what it answers now. */
  previewPermission(wish: Schemas['Wish']): Promise<Preview> {
    return dataOf(this.#client.POST('/api/permissions/preview', { body: wish }));
  }

  givePermission(given: Schemas['GivePermission']): Promise<Permission> {
    return dataOf(this.#client.POST('/api/permissions', { body: given }));
  }

  revokePermission(id: string): Promise<Permission> {
    const params = { path: { permission_id: id } };
    return dataOf(this.#client.DELETE('/api/permissions/{permission_id}', { params }));
  }

  /** What was used from a day on; without it in the last 30 days. */
  usage(first?: string): Promise<Usage> {
    return dataOf(this.#client.GET('/api/usage', { params: { query: first ? { first } : {} } }));
  }

  async ceilings(query: {
    session?: string | undefined;
    project?: string | undefined;
  }): Promise<Ceiling[]> {
    return (await dataOf(this.#client.GET('/api/ceilings', { params: { query } }))).ceilings;
  }

  async setCeiling(ceiling: Schemas['SetCeiling']): Promise<Ceiling[]> {
    return (await dataOf(this.#client.PUT('/api/ceilings', { body: ceiling }))).ceilings;
  }

  async doctor(): Promise<Check[]> {
    return (await dataOf(this.#client.GET('/api/doctor'))).checks;
  }

  async chooseAgent(agent: Schemas['ChooseAgent']['agent']): Promise<void> {
    await this.#client.PUT('/api/agent', { body: { agent } });
  }

  pair(code: string, name: string): Promise<Schemas['Paired']> {
    return dataOf(this.#client.POST('/api/pair', { body: { code, name } }));
  }

  /** The whole of a text whose head stands in an event. */
  blob(id: string): Promise<string> {
    const params = { path: { blob_id: id } };
    return dataOf(this.#client.GET('/api/blobs/{blob_id}', { params, parseAs: 'text' }));
  }

  /** Sends an answer while the page is going away; nobody waits for the outcome. */
  answerOnTheWayOut(itemId: string, answer: GivenAnswer): void {
    void fetch(`/api/inbox/${encodeURIComponent(itemId)}/answer`, {
      method: 'POST',
      keepalive: true,
      credentials: 'same-origin',
      headers: { ...this.headers(), 'content-type': 'application/json' },
      body: JSON.stringify(wholeAnswer(answer)),
    }).catch(() => undefined);
  }

  /** What every request carries that goes past the client. */
  headers(): Record<string, string> {
    const key = this.#key();
    return key ? { [KEY_HEADER]: key } : {};
  }
}
