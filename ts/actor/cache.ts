/**
 * `Cache`: a cache as a process, with lifetimes and a bound, least recently used entries leaving first.
 *
 * A GenServer whose state is a store of the cache system, so that each operation costs the same however many entries there are, also where
 * the cache is full. Times are those of `Date.now()`. No timer runs: an expired entry is never answered, and leaves when it is met, when
 * room is needed, or with `prune`, `size`, `keys` and `stats`. `getOrSet` computes a missing value once for all who ask for it meanwhile,
 * outside the mailbox: a slow computation holds up nobody else.
 */
import { cacheParts } from '../cache/late';
import type { Flights } from '../cache/flights';
import type { LocalStore } from '../cache/local-store';
import { MOST_ENTRIES } from '../cache/options';
import { GenServer } from './gen-server';
import { asked, checkText, named } from './services';
import { options as read } from './settings';
import type { ExitReason, GenServerRef } from './types';

/** Options of `Cache.start`. */
export interface CacheOptions {
  /**
   * Most entries; the least recently used leaves for a new one. 0 keeps nothing. Default `Infinity`: as many as can be held, which are
   * 8,388,608.
   */
  readonly maxSize?: number | undefined;
  /** Milliseconds that an entry lives which is given no time of its own; `null` (default) and `Infinity`: for ever. */
  readonly defaultTtlMs?: number | null | undefined;
  /** Registers the cache under this name. */
  readonly name?: string | undefined;
}

/** Options of `Cache.set` and `Cache.getOrSet`. */
export interface CacheSetOptions {
  /** Milliseconds that the entry lives; 0: it has expired at once, `null` and `Infinity`: it never does. Default: `defaultTtlMs`. */
  readonly ttlMs?: number | null | undefined;
}

/** The figures of a cache. */
export interface CacheStats {
  readonly size: number;
  readonly maxSize: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits of all lookups, 0 to 1; 0 where there were none. */
  readonly hitRate: number;
}

type CacheCall =
  | { readonly type: 'get' | 'has' | 'delete'; readonly key: string }
  | { readonly type: 'set'; readonly key: string; readonly value: unknown; readonly ttl: number | undefined }
  | {
      readonly type: 'getOrSet';
      readonly key: string;
      readonly factory: () => unknown;
      readonly ttl: number | undefined;
    }
  | { readonly type: 'clear' | 'size' | 'keys' | 'stats' };

interface CacheCast {
  readonly type: 'prune';
}

/** Names a cache. */
export type CacheRef = GenServerRef<unknown, CacheCall, CacheCast>;

/** What a cache keeps. */
class Entries {
  readonly #maxSize: number;
  readonly #defaultTtl: number;
  readonly #flights: Flights<string, unknown>;
  #store: LocalStore<string, unknown>;

  constructor(maxSize: number, defaultTtl: number) {
    this.#maxSize = maxSize;
    this.#defaultTtl = defaultTtl;
    this.#flights = new (cacheParts().Flights)();
    this.#store = openStore(maxSize);
  }

  get(key: string): unknown {
    return this.#store.lookup(key, undefined);
  }

  has(key: string): boolean {
    return this.#store.has(key);
  }

  set(key: string, value: unknown, ttl: number | undefined): void {
    this.#flights.forget(key);
    this.#keep(key, value, ttl);
  }

  /** Answers with the promise of a computation where there is no value. */
  getOrSet(key: string, factory: () => unknown, ttl: number | undefined): unknown {
    const value = this.#store.lookup(key, undefined);
    if (value !== undefined) return value;
    return (
      this.#flights.get(key) ??
      this.#flights.start(key, factory, (computed) => {
        if (computed !== undefined) this.#keep(key, computed, ttl);
      })
    );
  }

  delete(key: string): boolean {
    this.#flights.forget(key);
    return this.#store.delete(key);
  }

  /** Begins anew, with figures at 0. */
  clear(): void {
    this.#flights.forgetAll();
    this.#store = openStore(this.#maxSize);
  }

  /** How many entries there are, when the expired ones have left. */
  get size(): number {
    return this.#store.size;
  }

  keys(): string[] {
    return this.#store.inserted();
  }

  stats(): CacheStats {
    const { size } = this;
    const { hits, misses } = this.#store.stats();
    const lookups = hits + misses;
    return { size, maxSize: this.#maxSize, hits, misses, hitRate: lookups === 0 ? 0 : hits / lookups };
  }

  #keep(key: string, value: unknown, ttl: number | undefined): void {
    if (this.#maxSize > 0) this.#store.set(key, value, ttl ?? this.#defaultTtl, 0);
  }
}

/** A cache with lifetimes and a bound. */
export const Cache = {
  /**
   * Starts a cache.
   * @throws (rejects) AlreadyRegisteredError: the name is in use. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: an option
   */
  async start(options?: CacheOptions): Promise<CacheRef> {
    const { maxSize, defaultTtlMs, name } = read.object('options', options);
    const most = read.integer('maxSize', maxSize, Infinity, { min: 0, orInfinity: true });
    const ttl = readTtl('defaultTtlMs', defaultTtlMs) ?? Infinity;
    return GenServer.start<Entries, CacheCall, CacheCast, unknown>(
      {
        init: () => new Entries(most, ttl),
        handleCall: (message, entries) => [answer(message, entries), entries],
        handleCast: (_prune, entries) => {
          // To be counted, the expired entries have to leave.
          void entries.size;
          return entries;
        },
      },
      named(name),
    );
  },

  /** The value, or `undefined` where there is none. Counted as hit or miss; a hit makes the entry the most recently used. */
  get<T = unknown>(ref: CacheRef, key: string): Promise<T | undefined> {
    return GenServer.call(ref, { type: 'get', key }) as Promise<T | undefined>;
  },

  /**
   * Writes an entry, the most recently used.
   * @throws (rejects) ServerNotRunningError. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: the key, the time
   */
  set(ref: CacheRef, key: string, value: unknown, options?: CacheSetOptions): Promise<void> {
    return asked(() => {
      checkText('key', key);
      const ttl = readTtl('ttlMs', read.object('options', options).ttlMs);
      return GenServer.call(ref, { type: 'set', key, value, ttl }) as Promise<void>;
    });
  },

  /**
   * The value, or else what `factory` gives, which is then kept unless it is `undefined`. However many want the same key, `factory` runs
   * once, for all of them; of a failure nothing is kept. If the key is written or deleted meanwhile, that holds, and the computed value
   * only answers those who wait for it. They get it also if the cache is stopped meanwhile.
   * @throws (rejects) what `factory` throws or rejects with; what `set` does
   */
  getOrSet<T>(
    ref: CacheRef,
    key: string,
    factory: () => T | PromiseLike<T>,
    options?: CacheSetOptions,
  ): Promise<T> {
    return asked(() => {
      checkText('key', key);
      read.callback('factory', factory);
      const ttl = readTtl('ttlMs', read.object('options', options).ttlMs);
      return GenServer.call(ref, { type: 'getOrSet', key, factory, ttl }) as Promise<T>;
    });
  },

  /** Whether there is an entry; neither counted nor used. */
  has(ref: CacheRef, key: string): Promise<boolean> {
    return GenServer.call(ref, { type: 'has', key }) as Promise<boolean>;
  },

  /** Takes an entry away; resolves to whether there was one. */
  delete(ref: CacheRef, key: string): Promise<boolean> {
    return GenServer.call(ref, { type: 'delete', key }) as Promise<boolean>;
  },

  /** Takes all entries away and sets the figures to 0. */
  clear(ref: CacheRef): Promise<void> {
    return GenServer.call(ref, { type: 'clear' }) as Promise<void>;
  },

  /** How many entries there are; expired ones are not counted. */
  size(ref: CacheRef): Promise<number> {
    return GenServer.call(ref, { type: 'size' }) as Promise<number>;
  },

  /** The keys of all entries that have not expired, in the order in which they came; a key that is written again keeps its place. */
  keys(ref: CacheRef): Promise<readonly string[]> {
    return GenServer.call(ref, { type: 'keys' }) as Promise<readonly string[]>;
  },

  /** The figures, since the start or the last `clear`. */
  stats(ref: CacheRef): Promise<CacheStats> {
    return GenServer.call(ref, { type: 'stats' }) as Promise<CacheStats>;
  },

  /**
   * Takes the expired entries away; does not wait for it.
   * @throws ServerNotRunningError
   */
  prune(ref: CacheRef): void {
    GenServer.cast(ref, { type: 'prune' });
  },

  /** Whether the cache answers. */
  isRunning(ref: CacheRef): boolean {
    return GenServer.isRunning(ref);
  },

  /** Stops the cache; its entries are gone. Resolves at once where it has stopped already. */
  stop(ref: CacheRef, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function answer(message: CacheCall, entries: Entries): unknown {
  switch (message.type) {
    case 'get':
      return entries.get(message.key);
    case 'set':
      return entries.set(message.key, message.value, message.ttl);
    case 'getOrSet':
      return entries.getOrSet(message.key, message.factory, message.ttl);
    case 'has':
      return entries.has(message.key);
    case 'delete':
      return entries.delete(message.key);
    case 'clear':
      return entries.clear();
    case 'size':
      return entries.size;
    case 'keys':
      return entries.keys();
    default:
      return entries.stats();
  }
}

/** A store whose expired entries leave when it is used, by the clock that a user may have replaced. */
function openStore(maxSize: number): LocalStore<string, unknown> {
  const { LocalStore, injectedClock } = cacheParts();
  return new LocalStore<string, unknown>({
    maxSize: Math.min(maxSize, MOST_ENTRIES),
    maxBytes: Infinity,
    maxEntryBytes: Infinity,
    weigh: undefined,
    clock: () => injectedClock(() => Date.now()),
    timer: false,
    sliding: false,
    leavings: { wanted: false, tell: () => {} },
  });
}

/** A time to live: `Infinity` for `null`, `undefined` where it is not given. */
function readTtl(name: string, given: number | null | undefined): number | undefined {
  if (given === undefined) return undefined;
  return given === null ? Infinity : read.number(name, given, 0, { min: 0, orInfinity: true });
}
