/** What may stand in a `MultiTierCache`: the contract of a tier that is not one of our own caches. */
import { read } from './options';

/** What stands for no value: `undefined` can be one. */
export const MISSING = Symbol('missing');
export type Missing = typeof MISSING;

/** A value with what is left of its time. */
export interface TierEntry<V> {
  value: V;
  /**
   * Milliseconds until it expires; `Infinity`: never. Where it is not known, leave it out: the tiers above then keep the value for their
   * own default time. 0 or less: the value answers this once and is not copied to the tiers above.
   */
  ttl?: number | undefined;
}

/**
 * A tier: a cache of any kind, in this process or elsewhere. Each method may return a promise. What is thrown, and what a promise
 * rejects with, counts as a failure of the tier.
 */
export interface Tier<K = unknown, V = unknown> {
  /** The value; `undefined` where there is none. Every other value, `null` too, is a hit. */
  get(key: K): V | undefined | PromiseLike<V | undefined>;
  /**
   * Keeps a value, never `undefined`.
   * @param ttl milliseconds, `Infinity` for ever, `undefined` for the default of the tier
   */
  set(key: K, value: V, ttl?: number): unknown;
  /** Takes a value away. `true`, or a number above 0, says that there was one. */
  delete(key: K): unknown;
  /** Takes all values away. Without it `clear` of the whole cache rejects with `ERR_CACHE_NOT_SUPPORTED`. */
  clear?(): unknown;
  /** Whether there is a value. Without it `get` is asked. */
  has?(key: K): unknown;
  /** The value with what is left of its time: what tells the tiers above for how long they may keep their copy. */
  entry?(key: K): TierEntry<V> | null | undefined | PromiseLike<TierEntry<V> | null | undefined>;
  /** All keys. Without it `keys` of the whole cache rejects with `ERR_CACHE_NOT_SUPPORTED`. */
  keys?(): Iterable<K> | AsyncIterable<K> | PromiseLike<Iterable<K> | AsyncIterable<K>>;
  /** Figures for `getStats`. */
  getStats?(): object;
}

/** An object that presents another as its tier, e.g. one whose own methods take other units. */
export const TIER = Symbol('noizylab.cache.tier');

/** @throws TypeError `ERR_CACHE_INVALID_TYPE` that names the method that is missing */
export function readTier<K, V>(name: string, given: unknown): Tier<K, V> {
  if ((typeof given !== 'object' && typeof given !== 'function') || given === null)
    throw read.type(name, given, 'a cache with get, set and delete');
  const tier = (given as { [TIER]?: object })[TIER] ?? given;
  checkMethods(name, tier, ['get', 'set', 'delete']);
  const optional = ['clear', 'has', 'entry', 'keys', 'getStats'];
  checkMethods(
    name,
    tier,
    optional.filter((method) => (tier as Record<string, unknown>)[method] !== undefined),
  );
  return tier as Tier<K, V>;
}

/** @throws TypeError `ERR_CACHE_INVALID_TYPE` that names the first that is no method of `given` */
export function checkMethods(name: string, given: unknown, methods: readonly string[]): void {
  for (const method of methods) {
    read.callback(`${name}.${method}`, (given as Record<string, unknown> | null | undefined)?.[method]);
  }
}
