/** Ids that the page gives, so that what is sent twice is there once. */

/** A UUID, also where the address is no secure one and the browser makes none. */
export function newId(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const tried = new Map<string, string>();

/** Does what is `meant` under an id that stays the same until it has succeeded once. */
export async function underOneId<T>(meant: string, act: (id: string) => Promise<T>): Promise<T> {
  const id = tried.get(meant) ?? newId();
  tried.set(meant, id);
  const done = await act(id);
  tried.delete(meant);
  return done;
}
