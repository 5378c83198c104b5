/**
 * What holds the entries of a cache: a `LocalStore` in the isolate, or a shared one for all threads. The cache in front of it adds
 * what is the same for both: computations, memoized functions, events.
 *
 * Expired entries are not there, for every method but `stale` and `dump`. Times are in milliseconds.
 */

/** What a store counts. */
export interface StoreStats {
  hits: number;
  misses: number;
  sets: number;
  evictions: number;
  expirations: number;
}

/** An entry with what is left of its time. */
export interface StoredEntry<K, V> {
  key: K;
  value: V;
  /** Until it expires: `Infinity` for never, negative where it has expired and is kept for stale answers. */
  remaining: number;
  /** How long it is kept after that. */
  stale: number;
}

/** Methods with a parameter `missing` return it where there is no entry: any value can be stored, `undefined` too. */
export interface Store<K, V> {
  /** The value; counted as hit or miss, and a hit makes the entry the most recently used. */
  lookup<M>(key: K, missing: M): V | M;
  /** The value; neither counted nor used. */
  peek<M>(key: K, missing: M): V | M;
  /** The value, also where it expired at most `within` milliseconds ago and is kept for this; neither counted nor used. */
  stale<M>(key: K, missing: M, within: number): V | M;
  /**
   * Writes an entry, the most recently used.
   * @param ttl `Infinity`: it never expires; not above 0: it has expired, that long ago
   * @param stale how long it is kept after its expiry for stale answers, usually 0
   * @throws NoizylabError `ERR_CACHE_ENTRY_TOO_LARGE`; the cache is as it was
   */
  set(key: K, value: V, ttl: number, stale: number): void;
  has(key: K): boolean;
  /** @returns whether there was an entry */
  delete(key: K): boolean;
  /** Takes all entries away; what was counted stays. */
  clear(): void;
  readonly size: number;
  readonly bytes: number;
  /** From the most recently used on. Entries that come, go or move meanwhile may or may not be met, none twice. */
  keys(): IterableIterator<K>;
  entries(): IterableIterator<[K, V]>;
  /** What is left of an entry's time: `Infinity` where it never expires, `undefined` where there is none. */
  remaining(key: K): number | undefined;
  /** All entries from the least recently used on, those that are kept for stale answers as well. */
  dump(): StoredEntry<K, V>[];
  stats(): StoreStats;
  /** Takes all entries away (from this isolate, if the store is shared) and stops what runs for it. It may be used again. */
  close(): void;
}
