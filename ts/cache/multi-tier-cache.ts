/**
 * `MultiTierCache`: several caches in front of each other, the fast and small ones first.
 *
 * A read asks one tier after another; what it finds is copied to the tiers above, for as long as it has left to live. A write goes to all
 * tiers. Guarantees:
 *
 * - One lookup and one computation of a key at a time, whoever asks, and in whichever isolate if a tier is shared; a hit in the tiers at the top that are of this process costs no more
 *   than a resolved promise.
 * - `set`, `delete` and `clear` overtake what is under way: neither a lookup nor a computation that began before them writes its value
 *   over theirs or brings a deleted one back.
 * - Writes of one key reach a tier in the order in which they were asked for, and a read that misses at the top waits for them.
 * - A tier that fails or hangs does not fail a read: the next one is asked, and the event `tierError` tells.
 *
 * Where it ends: a tier that others write to as well does not tell of their writes. The copies above it live on until their time is over.
 */
import { EventEmitter } from 'node:events';
import type { Flights } from './flights';
import { LRUCache } from './lru-cache';
import { memoizing, tierParts } from './late';
import type { Memoized } from './memoize';
import {
  type MultiTierEvents,
  type MultiTierOptions,
  type MultiTierSetOptions,
  type TierStats,
  readSetOptions,
  readTimeout,
} from './multi-tier-options';
import { type GetOrSetManner, read, readManner } from './options';
import { tell } from './tell';
import { MISSING, type Tier } from './tier';
import type { Computed } from './tier-access';
import type * as Parts from './tier-parts';
import type { Hit, TierStack } from './tier-stack';
import type { GetOrSetOptions, MemoizeOptions } from './types';

/** Loaded by the first constructor. */
let parts: typeof Parts;

/** What a computation, or the lookup before it, gave. */
interface Answer<V> {
  value: V;
  /** Absent where a tier had it. */
  computed?: Computed<V>;
  /** Settles when the value has been offered to every tier. */
  stored?: Promise<unknown> | undefined;
}

export class MultiTierCache<K = unknown, V = unknown> extends EventEmitter<MultiTierEvents<K>> {
  /** The tiers as they were given. */
  readonly tiers: readonly (LRUCache<K, V> | Tier<K, V>)[];
  readonly #stack: TierStack<K, V>;
  readonly #lookups: Flights<K, Hit<V> | undefined>;
  readonly #computations: Flights<K, Answer<V>>;

  /**
   * @param tiers Default, also for an empty array: `LRUCache({ maxSize: 100, maxAge: 60000 })` in front of
   * `LRUCache({ maxSize: 1000, maxAge: 300000 })`
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`
   */
  constructor(tiers?: readonly (LRUCache<K, V> | Tier<K, V>)[], options?: MultiTierOptions) {
    super();
    if (tiers !== undefined) read.array('tiers', tiers);
    const timeout = readTimeout(options);
    this.tiers = Object.freeze(tiers === undefined || tiers.length === 0 ? defaultTiers<K, V>() : [...tiers]);
    parts ??= tierParts();
    this.#lookups = new parts.Flights();
    this.#computations = new parts.Flights();
    this.#stack = new parts.TierStack(
      this.tiers.map((tier, index, { length }) =>
        parts.accessTo<K, V>(tier, { isLast: index === length - 1, name: `tiers[${index}]`, timeout }),
      ),
      (tier, operation, error) => tell(this, 'tierError', { tier, operation, error }),
    );
  }

  /** The value of the first tier that has one; `undefined` where none has. No failure of a tier rejects it. */
  get(key: K): Promise<V | undefined> {
    const value = this.#stack.lookUpAtTop(key);
    if (value !== MISSING) return Promise.resolve(value);
    if (!this.#stack.hasMore) return Promise.resolve(undefined);
    return this.#lookUp(key).then((hit) => hit?.value);
  }

  /**
   * Writes a value to all tiers; those that are an `LRUCache` have it before this returns. A value that is too large for one tier is
   * held by the others.
   * @param given a ttl, or options
   * @returns a promise of this cache, when every tier has the value
   * @throws (rejects) TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`. When the other tiers have the value: the
   * error of the tier that failed, or an `AggregateError` `ERR_CACHE_TIERS_FAILED` of several; `ERR_CACHE_ENTRY_TOO_LARGE` if no
   * tier can hold it.
   */
  async set(key: K, value: V, given?: number | null | MultiTierSetOptions): Promise<this> {
    const { ttl, tier: first } = readSetOptions(given, this.tiers.length);
    this.#overtake(key);
    const writing = { value, ttl, stale: 0 };
    const dropped = this.#stack.apply('delete', key, (tier) => tier.remove(key), 0, first);
    const written = this.#stack.apply('set', key, (tier) => tier.put(key, writing), first);
    const { failures } = await dropped;
    const { results } = await written;
    throwFailures([...failures, ...(await written).failures]);
    if (!results.includes(undefined)) throw results[0];
    return this;
  }

  /**
   * Takes a value away from all tiers; those that are an `LRUCache` have dropped it before this returns.
   * @returns a promise of whether any tier had it
   * @throws (rejects) as `set` where tiers fail
   */
  async delete(key: K): Promise<boolean> {
    this.#overtake(key);
    const { results, failures } = await this.#stack.apply('delete', key, (tier) => tier.remove(key));
    throwFailures(failures);
    return results.includes(true);
  }

  /**
   * Takes everything away from all tiers.
   * @throws (rejects) as `set` where tiers fail; `ERR_CACHE_NOT_SUPPORTED` for one that has no `clear`
   */
  async clear(): Promise<this> {
    this.#lookups.forgetAll();
    this.#computations.forgetAll();
    throwFailures((await this.#stack.apply('clear', parts.EVERY_KEY, (tier) => tier.clear())).failures);
    return this;
  }

  /** Whether a tier has a value of this key; neither counted nor used. No failure of a tier rejects it. */
  has(key: K): Promise<boolean> {
    return this.#stack.has(key);
  }

  /**
   * The keys of all tiers, each once.
   * @throws (rejects) what a tier fails with; `ERR_CACHE_NOT_SUPPORTED` for one that has no `keys`
   */
  keys(): Promise<K[]> {
    return this.#stack.keys();
  }

  /**
   * The value of the first tier that has one, or else what `compute` gives, which is then written to all tiers. However many callers want
   * the same key, `compute` runs once, for all of them, also where it gives `undefined` or fails; of a failure nothing is kept. If the
   * key is written or deleted meanwhile, that holds: the value answers those who wait for it and is not kept.
   *
   * A tier that fails to take the value rejects nothing; the event `tierError` tells. The promise waits for the slowest tier.
   * @param compute called without arguments; what it throws rejects the promise
   * @param given a ttl as in `set`, or options. Stale values are those of the tiers that are an `LRUCache`.
   * @throws (rejects) TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`, the reason of `signal`
   */
  getOrSet(key: K, compute: () => V | PromiseLike<V>, given?: number | null | GetOrSetOptions): Promise<V> {
    if (typeof given === 'object' && given?.signal?.aborted) return Promise.reject(given.signal.reason);
    const value = this.#stack.lookUpAtTop(key);
    if (value !== MISSING) return Promise.resolve(value);
    try {
      read.callback('compute', compute);
      return this.#compute(key, compute, readManner(given));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A function that answers from this cache what `fn` was called with before; as `LRUCache.memoize`. */
  memoize<This, A extends unknown[], R>(
    fn: (this: This, ...args: A) => R,
    keyFn?: ((...args: A) => unknown) | MemoizeOptions<A> | null,
    ttl?: number | null,
  ): Memoized<This, A, R> {
    return memoizing().memoize(this as unknown as MultiTierCache<string, Awaited<R>>, fn, keyFn, ttl);
  }

  /** The figures that each tier gives, with its index. */
  getStats(): TierStats[] {
    return this.#stack.stats();
  }

  /** What the tiers below the top have; copied to those above unless the key is written meanwhile. */
  #lookUp(key: K): Promise<Hit<V> | undefined> {
    const underWay = this.#lookups.get(key);
    if (underWay !== undefined) return underWay;
    return this.#lookups.start(
      key,
      () => this.#stack.lookUpBelow(key),
      (hit) => {
        if (hit !== undefined) this.#stack.promote(key, hit);
      },
    );
  }

  #compute(key: K, compute: () => V | PromiseLike<V>, manner: GetOrSetManner): Promise<V> {
    const { whileRevalidate, ifError, signal } = manner;
    if (whileRevalidate > 0) {
      const old = this.#stack.stale(key, whileRevalidate);
      if (old !== MISSING) {
        if (this.#computations.get(key) === undefined) {
          this.#start(key, compute, manner).catch((error: unknown) =>
            tell(this, 'refreshError', { key, error }),
          );
        }
        return Promise.resolve(old);
      }
    }
    const computation = this.#computations.get(key) ?? this.#start(key, compute, manner);
    return parts.abortable(this.#answer(key, computation, ifError), signal);
  }

  #start(key: K, compute: () => V | PromiseLike<V>, manner: GetOrSetManner): Promise<Answer<V>> {
    const writing = {
      ttl: manner.ttl ?? undefined,
      stale: Math.max(manner.whileRevalidate, manner.ifError),
    };
    const find = async (): Promise<Answer<V>> => {
      const hit = this.#stack.hasMore ? await this.#lookUp(key) : undefined;
      if (hit !== undefined) return { value: hit.value };
      const computed = await this.#stack.compute(key, compute, writing);
      return { value: computed.value, computed };
    };
    return this.#computations.start(key, find, (answer) => {
      if (answer.computed === undefined) return;
      this.#lookups.forget(key);
      answer.stored = this.#stack.keep(key, answer.computed, writing);
    });
  }

  async #answer(key: K, computation: Promise<Answer<V>>, ifError: number): Promise<V> {
    try {
      const { value, stored } = await computation;
      await stored;
      return value;
    } catch (error) {
      const old = ifError > 0 ? this.#stack.stale(key, ifError) : MISSING;
      if (old === MISSING) throw error;
      tell(this, 'refreshError', { key, error });
      return old;
    }
  }

  /** What is under way for this key is out of date. */
  #overtake(key: K): void {
    this.#lookups.forget(key);
    this.#computations.forget(key);
  }
}

function throwFailures(failures: readonly unknown[]): void {
  parts.throwAny(failures, 'ERR_CACHE_TIERS_FAILED', 'tiers');
}

function defaultTiers<K, V>(): LRUCache<K, V>[] {
  return [
    new LRUCache<K, V>({ maxSize: 100, maxAge: 60_000 }),
    new LRUCache<K, V>({ maxSize: 1000, maxAge: 300_000 }),
  ];
}
