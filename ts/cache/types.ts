/** What the caches take and give: options, figures, entries. */

/** Why an entry left a cache: no room among `maxSize` entries, no room in `maxBytes`, or its time was over. */
export type EvictionReason = 'size' | 'bytes' | 'expired';

/** Events of a cache, with the arguments of their listeners. */
export interface CacheEvents<K, V> {
  /** An entry left by itself. What `delete`, `clear` and a newer value take away is not told. */
  eviction: [key: K, value: V, reason: EvictionReason];
}

/** Options of `LRUCache`. */
export interface LRUCacheOptions<K = unknown, V = unknown> {
  /**
   * Most entries: a whole number of at least 1. Default: 1000, or `Infinity` where `maxBytes` is given. `Infinity` is allowed
   * only together with `maxBytes`. An unshared cache holds at most 8,388,608 entries, for a JavaScript `Map` holds no more safely.
   */
  maxSize?: number | undefined;
  /** Milliseconds after which an entry expires, counted from when it was written. Default: 0, which means never, as does `Infinity`. */
  maxAge?: number | undefined;
  /** A hit lets the entry live as long again as when it was written. Default: false. */
  updateAgeOnGet?: boolean | undefined;
  /** Most bytes of all entries together: keys, values and what it costs to hold them. Default: `Infinity`. */
  maxBytes?: number | undefined;
  /** Most bytes of one entry; larger ones are refused. Default: `maxBytes`. */
  maxEntryBytes?: number | undefined;
  /** Bytes of an entry, overhead included, in place of the estimate. Unshared caches only. */
  sizeOf?: ((value: V, key: K) => number) | undefined;
  /** The clock, in milliseconds, in place of the built-in one; for tests and simulations. No timer runs then. Unshared caches only. */
  now?: (() => number) | undefined;
  /** One cache for every thread of the process, under `name`. Default: false. */
  shared?: boolean | undefined;
  /** The name of a shared cache. */
  name?: string | undefined;
  /** Which entries a shared cache keeps. Default: `'lru'`. */
  policy?: 'lru' | 'tinylfu' | undefined;
  /** How many decoded values of a shared cache this isolate keeps. Default: 32,768. */
  decodedEntries?: number | undefined;
}

/** Options of one `getOrSet`. Times are in milliseconds. */
export interface GetOrSetOptions {
  /** How long the computed value lives; as in `set`. Default: `maxAge` of the cache. */
  ttl?: number | null | undefined;
  /** How long after its expiry an old value is answered at once, while one computation renews it. Default: 0. */
  staleWhileRevalidate?: number | undefined;
  /** How long after its expiry an old value is answered where the computation fails. Default: 0. */
  staleIfError?: number | undefined;
  /** Ends the wait of this caller. The computation goes on, for others and for the cache. */
  signal?: AbortSignal | undefined;
}

/** Options of `memoize`. */
export interface MemoizeOptions<A extends unknown[] = never> {
  /** Makes the key of a call of its arguments. Default: the arguments themselves, as JSON or in V8's own format. */
  keyFn?: ((...args: A) => unknown) | undefined;
  /** How long a result lives, in milliseconds; as in `set`. Default: `maxAge` of the cache. */
  ttl?: number | null | undefined;
  /**
   * Names the function's part of the cache. Functions of one name share their results; without a name, no two functions do. Needed for
   * results that are to be found by other threads, or after `load`.
   */
  name?: string | undefined;
}

/** Figures of a cache, from `getStats`. All but `size`, `bytes` and the limits count since the cache was made; `clear` does not reset them. */
export interface CacheStats {
  /** Lookups that found a value: `get` and `getOrSet`. */
  hits: number;
  /** Lookups that found none, or an expired one. */
  misses: number;
  /** Entries written. */
  sets: number;
  /** Entries that left for want of room. */
  evictions: number;
  /** Entries that left because their time was over. */
  expirations: number;
  /** Calls of `getOrSet` that were answered with an expired value. */
  staleHits: number;
  /** Computations that failed, where an expired value answered instead. */
  refreshErrors: number;
  /** Values that were answered and not kept, being larger than `maxEntryBytes`. */
  tooLarge: number;
  /** Hits of all lookups, from 0 to 1; 0 where there was none. */
  hitRate: number;
  /** Entries held, expired ones not counted. */
  size: number;
  maxSize: number;
  /** Bytes held; 0 where none are counted: an unshared cache counts them with `maxBytes`, `maxEntryBytes` or `sizeOf`. */
  bytes: number;
  maxBytes: number;
}

/** One entry of a dump. */
export interface DumpEntry<K, V> {
  key: K;
  value: V;
  /** When it expires, in milliseconds since 1970 (by the clock of the option `now`, where one is given); absent: never. */
  expires?: number;
  /** Until when it is kept for stale answers; absent: not beyond `expires`. */
  staleUntil?: number;
}
