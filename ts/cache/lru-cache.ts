/**
 * `LRUCache`: the least recently used entries leave first. What it holds is in a `Store`; here is what every cache does besides: options,
 * one computation for all who want a value, expired values that still answer, memoized functions, dumps, events.
 */
import { EventEmitter } from 'node:events';
import { NoizylabError } from '../errors';
import type { Flights } from './flights';
import { cacheParts, memoizing, sharing } from './late';
import type { Memoized } from './memoize';
import type * as Parts from './parts';
import {
  type GetOrSetManner,
  type LRUCacheConfig,
  read,
  readCacheConfig,
  readName,
  checkedNow,
  checkedSizeOf,
  readManner,
  readTtl,
} from './options';
import type { SharedStore } from './shared-store';
import type { Store } from './store';
import type {
  CacheEvents,
  CacheStats,
  DumpEntry,
  EvictionReason,
  GetOrSetOptions,
  LRUCacheOptions,
  MemoizeOptions,
} from './types';

/** Loaded by the first constructor. */
let parts: typeof Parts;

/** What stands for no entry: `undefined` can be a value. */
const MISSING = Symbol('missing');

/** What the other caches of the package need of this one. */
export interface Internals<K, V> {
  readonly store: Store<K, V>;
  /** How long an entry lives that is given no time of its own; `Infinity`: for ever. */
  readonly maxAge: number;
}

/** The internals of a cache. */
export let internalsOf: <K, V>(cache: LRUCache<K, V>) => Internals<K, V>;

/**
 * A cache of at most `maxSize` entries, and of at most `maxBytes` if given, in the order of use.
 *
 * Keys are the same as in a `Map`; values are held by reference. Times are in milliseconds.
 */
export class LRUCache<K = unknown, V = unknown>
  extends EventEmitter<CacheEvents<K, V>>
  implements Iterable<[K, V]>
{
  /** Most entries. */
  readonly maxSize: number;
  /** How long an entry lives that is given no time of its own; 0: for ever. */
  readonly maxAge: number;
  /** Most bytes; `Infinity`: not limited. */
  readonly maxBytes: number;
  readonly #store: Store<K, V>;
  /** The store, where it is one that other isolates share. */
  readonly #shared: SharedStore<K, V> | undefined;
  readonly #flights: Flights<K, V>;
  /** Computations whose failure is counted. */
  readonly #failed = new WeakSet<Promise<V>>();
  /** As `maxAge`, but `Infinity` for ever. */
  readonly #age: number;
  /** The time as dumps have it. */
  readonly #epoch: () => number;
  #staleHits = 0;
  #refreshErrors = 0;
  #tooLarge = 0;

  /** Who wants to know which entries leave: asked for with each, so it is a field and not a count of listeners. */
  readonly #leavings = {
    wanted: false,
    tell: (key: K, value: V, reason: EvictionReason): void => this.#tell(key, value, reason),
  };

  static {
    internalsOf = (cache) => ({ store: cache.#store, maxAge: cache.#age });
    // Each way to add a listener comes to one of these.
    for (const name of ['on', 'addListener', 'prependListener'] as const) {
      const add = EventEmitter.prototype[name];
      LRUCache.prototype[name] = function (this: LRUCache, event, listener) {
        if (event === 'eviction') this.#leavings.wanted = true;
        return add.call(this, event, listener) as LRUCache;
      };
    }
  }

  /**
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, `ERR_CACHE_INVALID_OPTION`, RangeError `ERR_CACHE_OUT_OF_RANGE`: an option, or two that
   * do not go together.
   */
  constructor(options?: LRUCacheOptions<K, V>) {
    super();
    const config = readCacheConfig(options);
    parts ??= cacheParts();
    this.#flights = new parts.Flights();
    this.maxAge = config.maxAge === Infinity ? 0 : config.maxAge;
    this.#age = config.maxAge;
    this.#epoch = config.now ?? Date.now;
    if (config.shared) {
      const store = new (sharing().SharedStore)<K, V>(config);
      ({ maxSize: this.maxSize, maxBytes: this.maxBytes } = store.bounds);
      this.#store = store;
      this.#shared = store;
    } else {
      ({ maxSize: this.maxSize, maxBytes: this.maxBytes } = config);
      this.#store = this.#openStore(config);
    }
  }

  /**
   * Takes the shared cache of this name out of the process, in all threads: its entries are freed at once. Caches that are open under the name
   * are empty from then on: `set` throws `ERR_CACHE_DESTROYED`, and `getOrSet` computes without keeping. Computations that are under way still
   * answer those who wait. `new LRUCache` with the name makes a new cache, with bounds of its own.
   * @returns whether there was one
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`: the name
   */
  static destroy(name: string): boolean {
    return sharing().destroyShared(readName(name));
  }

  /** The value, or `undefined` where there is none. Counted as hit or miss; a hit makes the entry the most recently used. */
  get(key: K): V | undefined {
    return this.#store.lookup(key, undefined);
  }

  /**
   * Writes an entry, the most recently used; `undefined` is a value like any other.
   * @param ttl milliseconds until it expires; 0 and `Infinity`: never. Default: `maxAge`.
   * @returns this cache
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`: the ttl. NoizylabError `ERR_CACHE_ENTRY_TOO_LARGE`:
   * the entry has more than `maxEntryBytes`; what was there stays. Of shared caches also `ERR_CORE_OUT_OF_MEMORY`: the system gives no memory, and
   * what was there stays; `ERR_CACHE_DESTROYED`.
   */
  set(key: K, value: V, ttl?: number | null): this {
    this.#store.set(key, value, ttl === undefined ? this.#age : readTtl(ttl, this.#age), 0);
    if (this.#flights.size > 0) this.#flights.forget(key);
    return this;
  }

  /** Whether there is an entry; neither counted nor used. */
  has(key: K): boolean {
    return this.#store.has(key);
  }

  /** The value, or `undefined` where there is none; neither counted nor used. */
  peek(key: K): V | undefined {
    return this.#store.peek(key, undefined);
  }

  /** Takes an entry away. @returns whether there was one */
  delete(key: K): boolean {
    if (this.#flights.size > 0) this.#flights.forget(key);
    return this.#store.delete(key);
  }

  /** Takes all entries away. What was counted stays. @returns this cache */
  clear(): this {
    this.#flights.forgetAll();
    this.#store.clear();
    return this;
  }

  /** How many entries there are; expired ones are not counted. */
  get size(): number {
    return this.#store.size;
  }

  /** Bytes of all entries; 0 where none are counted, see `CacheStats`. */
  get bytes(): number {
    return this.#store.bytes;
  }

  /** The keys from the most recently used on. Entries that come or go meanwhile may or may not be met, none twice. */
  keys(): IterableIterator<K> {
    return this.#store.keys();
  }

  /** The values, in the order of `keys`. */
  *values(): IterableIterator<V> {
    for (const [, value] of this.#store.entries()) yield value;
  }

  /** Keys and values, in the order of `keys`. */
  entries(): IterableIterator<[K, V]> {
    return this.#store.entries();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#store.entries();
  }

  /** Milliseconds until the entry expires; `Infinity`: it never does; `undefined`: there is none. */
  ttl(key: K): number | undefined {
    return this.#store.remaining(key);
  }

  /** The figures of this cache. */
  getStats(): CacheStats {
    const { size, bytes } = this;
    const counted = this.#store.stats();
    const lookups = counted.hits + counted.misses;
    return {
      ...counted,
      staleHits: this.#staleHits,
      refreshErrors: this.#refreshErrors,
      tooLarge: this.#tooLarge,
      hitRate: lookups === 0 ? 0 : counted.hits / lookups,
      size,
      maxSize: this.maxSize,
      bytes,
      maxBytes: this.maxBytes,
    };
  }

  /**
   * The value, or else what `compute` gives, which is then kept. However many callers want the same key, `compute` runs once, for
   * all of them, also where it gives `undefined` or fails; of a failure nothing is kept. If the key is written or deleted meanwhile, that
   * holds: the computed value answers those who wait for it and is not kept. Nor is one that is larger than `maxEntryBytes`.
   * @param compute called without arguments; what it throws rejects the promise
   * @param options a ttl as in `set`, or options
   * @throws (rejects) TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`, the reason of `signal`
   */
  getOrSet(key: K, compute: () => V | PromiseLike<V>, options?: number | null | GetOrSetOptions): Promise<V> {
    if (typeof options === 'object' && options?.signal?.aborted) return Promise.reject(options.signal.reason);
    try {
      const found = this.#store.lookup(key, MISSING);
      if (found !== MISSING) return Promise.resolve(found);
      read.callback('compute', compute);
      return this.#compute(key, compute, readManner(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * A function that answers from this cache what `fn` was called with before. It returns a promise, hands `this` on, and shares its
   * entries with no other function, unless they have the same `name`.
   * @param keyFn makes the key of the arguments; or options
   * @param ttl as in `set`
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`. The function rejects with `ERR_CACHE_INVALID_KEY`
   * where no key can be made of the arguments.
   */
  memoize<This, A extends unknown[], R>(
    fn: (this: This, ...args: A) => R,
    keyFn?: ((...args: A) => unknown) | MemoizeOptions<A> | null,
    ttl?: number | null,
  ): Memoized<This, A, R> {
    return memoizing().memoize(this as unknown as LRUCache<string, Awaited<R>>, fn, keyFn, ttl);
  }

  /** All entries with their times, from the least recently used on: for `load`, in this process or another one. */
  dump(): DumpEntry<K, V>[] {
    const now = this.#epoch();
    return this.#store.dump().map(({ key, value, remaining, stale }) => {
      const entry: DumpEntry<K, V> = { key, value };
      if (remaining !== Infinity) entry.expires = now + remaining;
      if (stale > 0) entry.staleUntil = now + remaining + stale;
      return entry;
    });
  }

  /**
   * Writes the entries of a dump, in their order. Those that have expired since, or are larger than `maxEntryBytes`, are left out.
   * @returns this cache
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`: it is no dump; nothing is written
   */
  load(dump: Iterable<DumpEntry<K, V>>): this {
    read.iterable('dump', dump);
    const entries = Array.from(dump, readEntry<K, V>);
    const now = this.#epoch();
    for (const { key, value, expires, staleUntil } of entries) {
      if (Math.max(expires, staleUntil) <= now) continue;
      this.#keep(key, value, expires - now, expires === Infinity ? 0 : Math.max(staleUntil - expires, 0));
      this.#flights.forget(key);
    }
    return this;
  }

  /** Takes all entries away and stops the timer; a shared cache is left, and its entries stay for the others. */
  [Symbol.dispose](): void {
    this.#flights.forgetAll();
    this.#store.close();
  }

  #openStore(config: LRUCacheConfig<K, V>): Store<K, V> {
    const { maxSize, maxBytes, maxEntryBytes, updateAgeOnGet, now } = config;
    const counts = maxEntryBytes !== Infinity || config.sizeOf !== undefined;
    return new parts.LocalStore<K, V>({
      maxSize,
      maxBytes,
      maxEntryBytes,
      weigh: config.sizeOf === undefined ? (counts ? parts.sizeOf : undefined) : checkedSizeOf(config.sizeOf),
      clock: now === undefined ? parts.coreClock : () => parts.injectedClock(checkedNow(now)),
      timer: now === undefined,
      sliding: updateAgeOnGet,
      leavings: this.#leavings,
    });
  }

  #tell(key: K, value: V, reason: EvictionReason): void {
    try {
      this.emit('eviction', key, value, reason);
    } catch (error) {
      parts.throwLater(error);
    }
  }

  /** What to answer where no fresh value is there. */
  #compute(key: K, compute: () => V | PromiseLike<V>, manner: GetOrSetManner): Promise<V> {
    const { whileRevalidate, ifError, signal } = manner;
    if (whileRevalidate > 0) {
      const old = this.#store.stale(key, MISSING, whileRevalidate);
      if (old !== MISSING) {
        this.#staleHits++;
        if (this.#flights.get(key) === undefined) this.#renew(key, compute, manner);
        return Promise.resolve(old);
      }
    }
    const flight = this.#flights.get(key) ?? this.#start(key, compute, manner);
    return parts.abortable(ifError > 0 ? this.#orStale(key, flight, ifError) : flight, signal);
  }

  #start(key: K, compute: () => V | PromiseLike<V>, manner: GetOrSetManner): Promise<V> {
    const ttl = manner.ttl ?? this.#age;
    const stale = Math.max(manner.whileRevalidate, manner.ifError);
    const shared = this.#shared;
    if (shared === undefined) {
      return this.#flights.start(key, compute, (value) => this.#keep(key, value, ttl, stale));
    }
    const computation = { key, compute, ttl, stale, tooLarge: () => this.#tooLarge++ };
    // The store keeps the value itself, unless the key is changed anywhere meanwhile.
    return this.#flights.start(
      key,
      () => shared.computeOnce(computation),
      () => {},
    );
  }

  /** Computes in the background. */
  #renew(key: K, compute: () => V | PromiseLike<V>, manner: GetOrSetManner): void {
    const flight = this.#start(key, compute, manner);
    flight.catch(() => this.#countFailure(flight));
  }

  async #orStale(key: K, flight: Promise<V>, ifError: number): Promise<V> {
    try {
      return await flight;
    } catch (error) {
      const old = this.#store.stale(key, MISSING, ifError);
      if (old === MISSING) throw error;
      this.#staleHits++;
      this.#countFailure(flight);
      return old;
    }
  }

  /** Counts a failed computation once, however many callers it leaves with an old value. */
  #countFailure(flight: Promise<V>): void {
    if (this.#failed.has(flight)) return;
    this.#failed.add(flight);
    this.#refreshErrors++;
  }

  /** Writes an entry unless it is too large. */
  #keep(key: K, value: V, ttl: number, stale: number): void {
    try {
      this.#store.set(key, value, ttl, stale);
    } catch (error) {
      if (!(error instanceof NoizylabError && error.code === 'ERR_CACHE_ENTRY_TOO_LARGE')) throw error;
      this.#tooLarge++;
    }
  }
}

/** An entry of a dump, checked; times that are not there are `Infinity` and `-Infinity`. */
function readEntry<K, V>(entry: DumpEntry<K, V>): Required<DumpEntry<K, V>> {
  if (typeof entry !== 'object' || entry === null || !('key' in entry))
    throw read.type('dump', entry, 'a list of entries with key and value');
  const { key, value, expires, staleUntil } = entry;
  return {
    key,
    value,
    expires: read.number('expires', expires, Infinity, { orInfinity: true }),
    staleUntil: read.number('staleUntil', staleUntil, -Infinity, { orInfinity: true }),
  };
}
