/** Sets by key: a key is there as long as its set has something in it. */
export type SetIndex<Value> = Map<string, Set<Value>>;

/** Adds a value to the set of a key. */
export function addTo<Value>(index: SetIndex<Value>, key: string, value: Value): void {
  const known = index.get(key);
  if (known === undefined) index.set(key, new Set([value]));
  else known.add(value);
}

/** Takes a value out of the set of a key; one that is not there is no error. */
export function removeFrom<Value>(index: SetIndex<Value>, key: string, value: Value): void {
  const known = index.get(key);
  if (known?.delete(value) && known.size === 0) index.delete(key);
}
