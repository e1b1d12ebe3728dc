/** A thin client over the API's own description: types only, no generated code runs. */
import createFetchClient, { type Client } from 'openapi-fetch';
import type { paths } from './schema';

export type { components, operations, paths } from './schema';

/** The header that carries the key which pairing handed to the page. */
export const KEY_HEADER = 'X-Mainloop-Key';

/** The server's refusal (RFC 9457): `code` is stable, `detail` is the sentence for the person. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly body: Record<string, unknown> = {},
  ) {
    super(detail);
    this.name = 'Problem';
  }

  /** True where the same request may succeed later without a change. */
  get passing(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 425 || this.status === 429;
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('The server cannot be reached.', { cause });
    this.name = 'Unreachable';
  }
}

export async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.clone().json()) as Record<string, unknown>;
  } catch {
    // Not from us: a proxy's page, or nothing at all.
  }
  const text = (key: string, otherwise: string) =>
    typeof body[key] === 'string' ? (body[key] as string) : otherwise;
  return new Problem(
    response.status,
    text('code', `http_${response.status}`),
    text('detail', text('title', `The server answered ${response.status}.`)),
    body,
  );
}

export interface ClientOptions {
  baseUrl?: string;
  key: () => string | null;
  fetch?: (request: Request) => Promise<Response>;
}

export type MainloopClient = Client<paths>;

/** Answers are data or a thrown `Problem` / `Unreachable`. */
export function createClient(options: ClientOptions): MainloopClient {
  const send = options.fetch ?? fetch;
  const client = createFetchClient<paths>({
    baseUrl: options.baseUrl ?? '',
    credentials: 'same-origin',
    fetch: async (request) => {
      try {
        return await send(request);
      } catch (error) {
        if (request.signal.aborted) throw error;
        throw new Unreachable(error);
      }
    },
  });
  client.use({
    onRequest({ request }) {
      const key = options.key();
      if (key) request.headers.set(KEY_HEADER, key);
      return request;
    },
    async onResponse({ response }) {
      if (!response.ok) throw await problemOf(response);
      return undefined;
    },
  });
  return client;
}
