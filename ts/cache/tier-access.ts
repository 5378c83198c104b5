/**
 * How a `MultiTierCache` speaks with its tiers: an `LRUCache` is asked through its store, at once and without a promise; any other
 * tier by its own methods, each call bounded in time.
 */
import { NoizylabError } from '../errors';
import { raceWithTimeout } from '../parallel/race-with-timeout';
import { LRUCache, internalsOf } from './lru-cache';
import { SharedStore } from './shared-store';
import type { Store } from './store';
import { MISSING, type Missing, type Tier, readTier } from './tier';

/** What was asked of a tier, as the event `tierError` names it. */
export type TierOperation = 'get' | 'set' | 'promote' | 'delete' | 'clear' | 'has' | 'keys';

/** A value in a tier. */
export interface Found<V> {
  value: V;
  /** Milliseconds that the tiers above may keep a copy; `undefined`: their own default. */
  remaining: number | undefined;
}

/** A computed value. */
export interface Computed<V> {
  value: V;
  /** Whether it was computed in this isolate. */
  isOwn: boolean;
  /** Whether the tier that was asked to have it computed has it now. */
  isKept: boolean;
}

/** A value on its way into tiers. */
export interface Writing<V> {
  value: V;
  /** Milliseconds; `Infinity`: never; `undefined`: the default of the tier. */
  ttl: number | undefined;
  /** Milliseconds after its expiry in which it may answer as a stale value. */
  stale: number;
}

type Eventually<T> = T | PromiseLike<T>;

export interface TierAccess<K, V> {
  /** The value; `forCopy`: and its time, for the tiers above. */
  find(key: K, forCopy: boolean): Eventually<Found<V> | undefined>;
  /** @returns the error of an entry that is too large for this tier, and was not kept therefore */
  put(key: K, writing: Writing<V>): Eventually<NoizylabError | undefined>;
  /** Keeps a copy of what a tier below holds. */
  promote(key: K, found: Found<V>): Eventually<void>;
  remove(key: K): Eventually<boolean>;
  has(key: K): Eventually<boolean>;
  clear(): Eventually<void>;
  keys(): Eventually<Iterable<K>>;
  /** A value that expired at most `within` milliseconds ago and is kept for this. */
  stale(key: K, within: number): V | Missing;
  /** Its figures, as an object of their own. */
  stats(): object;
}

/** The methods that are passed by where an `LRUCache` is asked through its store. */
const OWN_METHODS = ['get', 'set', 'has', 'delete', 'clear', 'keys'] as const;

/**
 * @param isLast whether there is no tier below
 * @param name for messages
 * @param timeout most milliseconds of a call
 * @throws TypeError `ERR_CACHE_INVALID_TYPE`: it is no tier
 */
export function accessTo<K, V>(
  given: LRUCache<K, V> | Tier<K, V>,
  { isLast, name, timeout }: { isLast: boolean; name: string; timeout: number },
): TierAccess<K, V> {
  // One whose methods were replaced, by a subclass or for a test, is asked by its methods.
  if (
    given instanceof LRUCache &&
    OWN_METHODS.every((method) => given[method] === LRUCache.prototype[method])
  )
    return new LocalTier<K, V>(given, isLast);
  return new ForeignTier<K, V>(readTier<K, V>(name, given), name, timeout);
}

/** A tier that is an `LRUCache`. */
export class LocalTier<K, V> implements TierAccess<K, V> {
  readonly store: Store<K, V>;
  readonly #cache: LRUCache<K, V>;
  readonly #maxAge: number;
  readonly #isLast: boolean;

  constructor(cache: LRUCache<K, V>, isLast: boolean) {
    const { store, maxAge } = internalsOf(cache);
    this.store = store;
    this.#cache = cache;
    this.#maxAge = maxAge;
    this.#isLast = isLast;
  }

  find(key: K): Found<V> | undefined {
    const value = this.store.lookup<Missing>(key, MISSING);
    return value === MISSING ? undefined : { value, remaining: this.store.remaining(key) };
  }

  put(key: K, { value, ttl: given = this.#maxAge, stale }: Writing<V>): NoizylabError | undefined {
    const ttl = this.#atMost(given);
    try {
      // By the cache, which then forgets its own computations of the key. A stale time can only be given to the store.
      if (stale === 0) this.#cache.set(key, value, ttl);
      else this.store.set(key, value, ttl, stale);
      return undefined;
    } catch (error) {
      // What it held until now is out of date, and would hide the new value in the tiers below.
      this.#cache.delete(key);
      if ((error as NoizylabError).code === 'ERR_CACHE_ENTRY_TOO_LARGE') return error as NoizylabError;
      throw error;
    }
  }

  promote(key: K, { value, remaining = Infinity }: Found<V>): void {
    // What was written here meanwhile, by whomever, is newer.
    if (this.store.has(key)) return;
    try {
      this.store.set(key, value, Math.min(remaining, this.#maxAge), 0);
    } catch (error) {
      if ((error as NoizylabError).code !== 'ERR_CACHE_ENTRY_TOO_LARGE') throw error;
    }
  }

  /** Whether other isolates have it as well. */
  get isShared(): boolean {
    return this.store instanceof SharedStore;
  }

  /**
   * Has a value computed once for all isolates; it is then in this tier, unless the key was changed in any of them meanwhile.
   * @param failed told where the value was computed and cannot be held here
   */
  async computeOnce(
    key: K,
    compute: () => V | PromiseLike<V>,
    { ttl = this.#maxAge, stale }: Omit<Writing<V>, 'value'>,
    failed: (error: unknown) => void,
  ): Promise<Computed<V>> {
    let own: { value: V } | undefined;
    let isTooLarge = false;
    const computing = async (): Promise<V> => {
      const value = await compute();
      own = { value };
      return value;
    };
    const tooLarge = (): void => {
      isTooLarge = true;
    };
    try {
      const computation = { key, compute: computing, ttl: this.#atMost(ttl), stale, tooLarge };
      const value = await (this.store as SharedStore<K, V>).computeOnce(computation);
      return { value, isOwn: own !== undefined, isKept: !isTooLarge };
    } catch (error) {
      if (own === undefined) throw error;
      failed(error);
      return { value: own.value, isOwn: true, isKept: false };
    }
  }

  remove(key: K): boolean {
    return this.#cache.delete(key);
  }

  has(key: K): boolean {
    return this.store.has(key);
  }

  clear(): void {
    this.#cache.clear();
  }

  keys(): Iterable<K> {
    return this.store.keys();
  }

  stale(key: K, within: number): V | Missing {
    return this.store.stale<Missing>(key, MISSING, within);
  }

  stats(): object {
    return this.#cache.getStats();
  }

  /** Above another tier it holds copies, and no copy is older than its `maxAge`. */
  #atMost(ttl: number): number {
    return this.#isLast ? ttl : Math.min(ttl, this.#maxAge);
  }
}

/** Any other tier. */
export class ForeignTier<K, V> implements TierAccess<K, V> {
  readonly #tier: Tier<K, V>;
  readonly #name: string;
  readonly #timeout: number;
  #hits = 0;
  #misses = 0;
  #errors = 0;

  /**
   * @param name for messages
   * @param timeout most milliseconds of a call
   */
  constructor(tier: Tier<K, V>, name: string, timeout: number) {
    this.#tier = tier;
    this.#name = name;
    this.#timeout = timeout;
  }

  async find(key: K, forCopy: boolean): Promise<Found<V> | undefined> {
    const found = forCopy && this.#tier.entry !== undefined ? await this.#entry(key) : await this.#value(key);
    if (found === undefined) this.#misses++;
    else this.#hits++;
    return found;
  }

  async put(key: K, { value, ttl }: Writing<V>): Promise<undefined> {
    // It has no way to hold `undefined`, and what it holds is out of date.
    if (value === undefined) await this.#inTime('delete', () => this.#tier.delete(key));
    else await this.#inTime('set', () => this.#tier.set(key, value, ttl));
  }

  async promote(key: K, { value, remaining }: Found<V>): Promise<void> {
    if (value === undefined) return;
    // A value that lives for ever below need not do so here.
    const ttl = remaining === Infinity ? undefined : remaining;
    await this.#inTime('set', () => this.#tier.set(key, value, ttl));
  }

  async remove(key: K): Promise<boolean> {
    const answer = await this.#inTime('delete', () => this.#tier.delete(key));
    return answer === true || (typeof answer === 'number' && answer > 0);
  }

  async has(key: K): Promise<boolean> {
    if (this.#tier.has !== undefined) return Boolean(await this.#inTime('has', () => this.#tier.has?.(key)));
    return (await this.#value(key)) !== undefined;
  }

  async clear(): Promise<void> {
    if (this.#tier.clear === undefined) throw this.#notSupported('clear');
    await this.#inTime('clear', () => this.#tier.clear?.());
  }

  async keys(): Promise<Iterable<K>> {
    if (this.#tier.keys === undefined) throw this.#notSupported('keys');
    const keys = await this.#inTime('keys', () => this.#tier.keys?.() ?? []);
    if (!(Symbol.asyncIterator in keys)) return keys;
    const all: K[] = [];
    for await (const key of keys) all.push(key);
    return all;
  }

  stale(): Missing {
    return MISSING;
  }

  stats(): object {
    const own = this.#tier.getStats?.();
    const counted = { hits: this.#hits, misses: this.#misses, errors: this.#errors };
    return Array.isArray(own) ? { ...counted, tiers: own } : { ...counted, ...own };
  }

  async #value(key: K): Promise<Found<V> | undefined> {
    const value = await this.#inTime('get', () => this.#tier.get(key));
    return value === undefined ? undefined : { value, remaining: undefined };
  }

  async #entry(key: K): Promise<Found<V> | undefined> {
    const entry = await this.#inTime('entry', () => this.#tier.entry?.(key));
    if (entry === null || entry?.value === undefined) return undefined;
    return { value: entry.value, remaining: entry.ttl };
  }

  /** The result of a call, or a rejection where it does not come in time. The call is made before this returns. */
  async #inTime<T>(method: string, call: () => Eventually<T>): Promise<T> {
    try {
      // As a promise: a value can be a function, and that would be called.
      const answer = Promise.resolve(call());
      if (this.#timeout === Infinity) return await answer;
      const inTime = await raceWithTimeout(answer, this.#timeout, MISSING);
      if (inTime !== MISSING) return inTime;
      throw new NoizylabError(
        'ERR_CACHE_TIER_TIMEOUT',
        `${this.#name}.${method} did not answer within ${this.#timeout} ms`,
      );
    } catch (error) {
      this.#errors++;
      throw error;
    }
  }

  #notSupported(method: string): NoizylabError {
    return new NoizylabError('ERR_CACHE_NOT_SUPPORTED', `${this.#name} has no method ${method}`);
  }
}
