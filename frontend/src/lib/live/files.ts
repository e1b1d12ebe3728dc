/** Files over the API, apart from the rest: fetched only where there are any. */
import { Unreachable, problemOf, type components } from '@mainloop/api-client';
import type { Api } from './api';

/** A line over which nothing goes for so long is gone. */
const IDLE_MS = 60_000;

type KeptFile = components['schemas']['KeptAttachment'];

/** Keep a file, to be given with a message. `onsent` hears how much of it has gone out, from 0 to 1. */
export function keepFile(api: Api, data: Blob, onsent?: (part: number) => void): Promise<KeptFile> {
  return new Promise((resolve, reject) => {
    // What `fetch` sends can't be watched.
    const request = new XMLHttpRequest();
    request.open('POST', '/api/attachments');
    for (const [name, value] of Object.entries(api.headers()))
      request.setRequestHeader(name, value);
    request.setRequestHeader('content-type', 'application/octet-stream');
    let idle: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(idle);
      idle = setTimeout(() => request.abort(), IDLE_MS);
    };
    request.upload.onprogress = ({ loaded, total }) => {
      heard();
      onsent?.(total ? loaded / total : 0);
    };
    request.onloadend = () => clearTimeout(idle);
    request.onerror = request.onabort = () => reject(new Unreachable(request.statusText));
    request.onload = () => {
      const { status, responseText } = request;
      if (status === 201) resolve(JSON.parse(responseText) as KeptFile);
      else void problemOf(new Response(responseText, { status })).then(reject);
    };
    heard();
    request.send(data);
  });
}

/** A file that was given with a message. */
export async function fetchFile(api: Api, id: string): Promise<Blob> {
  return (await fetchAsIs(api, `/api/attachments/${encodeURIComponent(id)}`)).blob();
}

/** What the server answers at an address, as it is; to `given`, where that is sent there. */
export async function fetchAsIs(
  api: Api,
  path: string,
  given?: unknown,
  method: 'POST' | 'PUT' = 'POST',
): Promise<Response> {
  let response: Response;
  const json = { 'content-type': 'application/json' };
  try {
    response = await fetch(path, {
      ...(given !== undefined && { method, body: JSON.stringify(given) }),
      headers: { ...api.headers(), ...(given !== undefined && json) },
      credentials: 'same-origin',
      // A device that is signed out keeps none of it.
      cache: 'no-store',
    });
  } catch (error) {
    throw new Unreachable(error);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}
