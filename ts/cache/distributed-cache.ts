/**
 * `DistributedCache`: values in Redis for all processes, and the latest of them in this process as well.
 *
 * It is a `MultiTierCache` of an `LRUCache` in front of a `RedisTier`, with what they guarantee: one computation at a time in this process,
 * writes that overtake what is under way, reads that do not fail with Redis. A local copy expires with the value in Redis.
 * What other processes write or delete is seen when the local copy has expired: `localTtl` bounds that.
 *
 * Times are in seconds here, as Redis has them; fractions are allowed.
 */
import { EventEmitter } from 'node:events';
import { isJson } from '../bridge/payload';
import { LRUCache } from './lru-cache';
import { memoizing } from './late';
import type { Memoized } from './memoize';
import { MultiTierCache } from './multi-tier-cache';
import type { TierError } from './multi-tier-options';
import { read } from './options';
import type { RedisClient } from './redis-commands';
import { RedisTier, encode } from './redis-tier';
import { tell } from './tell';
import { TIER, type Tier } from './tier';
import type { CacheStats, GetOrSetOptions, MemoizeOptions } from './types';

/** Options of a `DistributedCache`. Times are in seconds. */
export interface DistributedCacheOptions {
  /** A connected client of Redis; it stays the caller's to close. */
  client: RedisClient;
  /** Most values held in this process. Default: 100; 0: none. */
  localSize?: number | undefined;
  /** What all keys begin with in Redis. Default: `'noisy:'`. */
  prefix?: string | undefined;
  /** How long a value lives that is given no time of its own; 0 and `Infinity`: for ever. Default: 3600. */
  ttl?: number | undefined;
  /** How long this process answers from its own copy at most. Default: as long as the value lives. */
  localTtl?: number | undefined;
  /** How long Redis may take for an answer; then it counts as failed. Default: `Infinity`. */
  timeout?: number | undefined;
}

/** Events of a `DistributedCache`, with the arguments of their listeners. */
export interface DistributedCacheEvents {
  /** Redis failed, or did not answer in time. */
  remoteError: [failure: Omit<TierError, 'tier'>];
}

/** Figures of a `DistributedCache`. */
export interface DistributedCacheStats {
  /** Of the copies in this process; `undefined` with `localSize: 0`. */
  local: CacheStats | undefined;
  /** Of what was asked of Redis. */
  remote: { hits: number; misses: number; errors: number };
}

const SECOND = 1000;

export class DistributedCache<V = unknown> extends EventEmitter<DistributedCacheEvents> {
  readonly #local: LRUCache<string, V> | undefined;
  readonly #remote: RedisTier<V>;
  readonly #tiers: MultiTierCache<string, V>;
  readonly #ttl: number;

  /** @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE` */
  constructor(options: DistributedCacheOptions) {
    super();
    const given = read.object('options', options) as DistributedCacheOptions;
    const { client, prefix, ttl, localTtl, timeout } = given;
    const localSize = read.integer('localSize', given.localSize, 100, { min: 0 });
    this.#ttl = inMilliseconds('ttl', ttl) ?? 3600 * SECOND;
    this.#remote = new RedisTier<V>({ client, prefix });
    const maxAge = inMilliseconds('localTtl', localTtl);
    this.#local = localSize === 0 ? undefined : new LRUCache<string, V>({ maxSize: localSize, maxAge });
    const tiers = this.#local === undefined ? [this.#remote] : [this.#local, this.#remote];
    this.#tiers = new MultiTierCache<string, V>(tiers, { timeout: inMilliseconds('timeout', timeout) });
    this.#tiers.on('tierError', ({ operation, error }) => tell(this, 'remoteError', { operation, error }));
  }

  /** The value: of this process, or else of Redis; `undefined` where there is none, and where Redis fails. */
  async get(key: string): Promise<V | undefined> {
    return this.#tiers.get(readKey(key));
  }

  /**
   * Writes a value to Redis and to this process.
   * @param value what JSON carries; of other objects what `JSON.stringify` makes of them
   * @param ttl seconds; 0 and `Infinity`: for ever. Default: the option `ttl`.
   * @throws (rejects) TypeError `ERR_CACHE_INVALID_TYPE`, `ERR_CACHE_NOT_SERIALIZABLE`, RangeError `ERR_CACHE_OUT_OF_RANGE`, the error of
   * the client, `ERR_CACHE_TIER_TIMEOUT`
   */
  async set(key: string, value: V, ttl?: number | null): Promise<this> {
    const life = inMilliseconds('ttl', ttl) ?? this.#ttl;
    await this.#tiers.set(readKey(key), asJson(value), life);
    return this;
  }

  /** @returns a promise of whether there was one; rejects with the error of the client, or `ERR_CACHE_TIER_TIMEOUT` */
  async delete(key: string): Promise<boolean> {
    return this.#tiers.delete(readKey(key));
  }

  /** Deletes all keys with the prefix, of whichever process. Rejects as `delete`; with `ERR_CACHE_NOT_SUPPORTED` for a client without `scan`. */
  async clear(): Promise<this> {
    await this.#tiers.clear();
    return this;
  }

  /** Whether there is a value. */
  async has(key: string): Promise<boolean> {
    return this.#tiers.has(readKey(key));
  }

  /** The keys, without the prefix. Rejects as `clear`. */
  keys(): Promise<string[]> {
    return this.#tiers.keys();
  }

  /**
   * The value, or else what `compute` gives, as JSON carries it; that is then written. As `MultiTierCache.getOrSet`: one computation at a time
   * in this process, and none where Redis has the value.
   * @param given a ttl in seconds, or options with their times in seconds
   * @throws (rejects) what `compute` throws, TypeError `ERR_CACHE_NOT_SERIALIZABLE` for what it gives
   */
  async getOrSet(
    key: string,
    compute: () => V | PromiseLike<V>,
    given?: number | null | GetOrSetOptions,
  ): Promise<V> {
    read.callback('compute', compute);
    const options = typeof given === 'number' || given === null ? { ttl: given } : read.object('ttl', given);
    return this.#tiers.getOrSet(readKey(key), async () => asJson(await compute()), {
      ttl: inMilliseconds('ttl', options.ttl) ?? this.#ttl,
      staleWhileRevalidate: inMilliseconds('staleWhileRevalidate', options.staleWhileRevalidate, 0),
      staleIfError: inMilliseconds('staleIfError', options.staleIfError, 0),
      signal: options.signal,
    });
  }

  /** A function that answers from this cache what `fn` was called with before; as `LRUCache.memoize`, times in seconds. */
  memoize<This, A extends unknown[], R>(
    fn: (this: This, ...args: A) => R,
    keyFn?: ((...args: A) => unknown) | MemoizeOptions<A> | null,
    ttl?: number | null,
  ): Memoized<This, A, R> {
    return memoizing().memoize(this as unknown as DistributedCache<Awaited<R>>, fn, keyFn, ttl);
  }

  getStats(): DistributedCacheStats {
    const { hits, misses, errors } = this.#tiers
      .getStats()
      .at(-1) as unknown as DistributedCacheStats['remote'];
    return { local: this.#local?.getStats(), remote: { hits, misses, errors } };
  }

  /** This cache as a tier of another one, where times are in milliseconds. */
  get [TIER](): Tier<string, V> {
    return {
      get: (key) => this.get(key),
      entry: (key) => this.#remote.entry(readKey(key)),
      set: (key, value, ttl) => this.set(key, value, ttl === undefined ? undefined : ttl / SECOND),
      delete: (key) => this.delete(key),
      has: (key) => this.has(key),
      clear: () => this.clear(),
      keys: () => this.keys(),
      getStats: () => this.getStats(),
    };
  }
}

/** @param zero what 0 stands for; by default, for ever */
function inMilliseconds(
  name: string,
  seconds: number | null | undefined,
  zero = Infinity,
): number | undefined {
  if (seconds === undefined || seconds === null) return undefined;
  return read.number(name, seconds, 0, { min: 0, orInfinity: true }) * SECOND || zero;
}

function readKey(key: string | number): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number') return String(key);
  throw read.type('key', key, 'a string or a number');
}

/** A value as it comes back from JSON: what this process answers is what the others answer. */
function asJson<V>(value: V): V {
  return value === undefined || isJson(value, false) ? value : (JSON.parse(encode(value)) as V);
}
