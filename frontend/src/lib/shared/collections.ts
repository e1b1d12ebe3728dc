/** A list as a map by one of its fields; the last of equal ones wins. */
export function indexBy<T>(list: readonly T[], key: (entry: T) => string): ReadonlyMap<string, T> {
  return new Map(list.map((entry) => [key(entry), entry]));
}

/** A list in groups. */
export function groupBy<T>(
  list: readonly T[],
  key: (entry: T) => string,
): ReadonlyMap<string, T[]> {
  return Map.groupBy(list, key);
}
