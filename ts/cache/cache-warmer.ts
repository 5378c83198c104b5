/**
 * `CacheWarmer`: writes values into a cache before anybody asks for them, once or again and again.
 *
 * A warmer never runs twice at the same time. One key that fails does not keep the others from being warmed. Its timers do not keep the
 * process alive.
 */
import { EventEmitter } from 'node:events';
import { clearInterval, setInterval } from 'node:timers';
import { NoizylabError } from '../errors';
import { mapConcurrently } from '../parallel/map-concurrently';
import { LONGEST_TIMER } from '../parallel/options';
import { throwAny } from './failures';
import { read, readTtl } from './options';
import { tell } from './tell';
import { checkMethods } from './tier';

/** Keys to warm. */
export type WarmerKeys<K> = Iterable<K> | AsyncIterable<K>;

/** What a fetcher without keys gives: all entries at once. */
export type WarmerEntries<K, V> = Iterable<readonly [K, V]> | Record<string, V>;

/** Options of a warmer. */
export interface WarmerOptions<K> {
  /** Milliseconds from one run to the next under `startAutoWarm`. Default: 300,000. */
  interval?: number | undefined;
  /** The keys to warm, or a function that gives them, asked at each run. Without it the fetcher gives all entries. */
  keys?: WarmerKeys<K> | (() => WarmerKeys<K> | PromiseLike<WarmerKeys<K>>) | undefined;
  /** How long the values live, in the unit of the cache. Default: that of the cache. */
  ttl?: number | null | undefined;
  /** How many keys are fetched at once. Default: 10. */
  concurrency?: number | undefined;
}

/** How a run ended. */
export interface WarmResult {
  warmer: string;
  success: boolean;
  /** Why it failed; absent after a success. */
  error?: unknown;
}

/** Events of a `CacheWarmer`, with the arguments of their listeners. */
export interface CacheWarmerEvents {
  /** A run succeeded and wrote so many values. */
  warmed: [run: { warmer: string; values: number }];
  /** A run failed; all values that could be fetched were written. */
  warmError: [run: { warmer: string; error: unknown }];
}

/** The cache to warm. */
export interface WarmableCache<K, V> {
  set(key: K, value: V, ttl?: number | null): unknown;
}

interface Warmer<K> {
  fetcher: (key: K) => unknown;
  interval: number;
  keys: WarmerOptions<K>['keys'];
  ttl: number | null | undefined;
  concurrency: number;
  run: Promise<number> | undefined;
  timer: NodeJS.Timeout | undefined;
}

const FIVE_MINUTES = 300_000;

export class CacheWarmer<K = string, V = unknown> extends EventEmitter<CacheWarmerEvents> {
  readonly #cache: WarmableCache<K, V>;
  readonly #warmers = new Map<string, Warmer<K>>();
  #isAutomatic = false;

  /** @throws TypeError `ERR_CACHE_INVALID_TYPE` */
  constructor(cache: WarmableCache<K, V>) {
    super();
    checkMethods('cache', cache, ['set']);
    this.#cache = cache;
  }

  /**
   * Adds a warmer; one of the same name is replaced.
   * @param fetcher with `keys`: called with each key, gives its value, `undefined` for none. Without: called without arguments, gives all
   * entries, as a `Map`, as `[key, value]` pairs or as an object.
   * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`
   */
  register(
    name: string,
    fetcher: (key: K) => V | PromiseLike<V>,
    options: WarmerOptions<K> & { keys: NonNullable<WarmerOptions<K>['keys']> },
  ): this;
  register(
    name: string,
    fetcher: () => WarmerEntries<K, V> | PromiseLike<WarmerEntries<K, V>>,
    options?: WarmerOptions<K>,
  ): this;
  register(name: string, fetcher: (key: K) => unknown, options?: WarmerOptions<K>): this {
    read.text('name', name);
    read.callback('fetcher', fetcher);
    const { interval, keys, ttl, concurrency } = read.object('options', options);
    if (keys !== undefined && typeof keys !== 'function') read.iterable('keys', keys);
    readTtl(ttl, 0);
    const warmer = {
      fetcher,
      interval: read.integer('interval', interval, FIVE_MINUTES, { min: 1, max: LONGEST_TIMER }),
      keys,
      ttl,
      concurrency: read.integer('concurrency', concurrency, 10, { min: 1, orInfinity: true }),
      run: undefined,
      timer: undefined,
    };
    this.unregister(name);
    this.#warmers.set(name, warmer);
    if (this.#isAutomatic) this.#schedule(name, warmer);
    return this;
  }

  /** Takes a warmer away; a run that is under way goes on. @returns whether there was one */
  unregister(name: string): boolean {
    clearInterval(this.#warmers.get(name)?.timer);
    return this.#warmers.delete(name);
  }

  /**
   * Runs a warmer; while it runs already, waits for that run.
   * @returns a promise of the number of values that were written
   * @throws (rejects) `ERR_CACHE_UNKNOWN_WARMER`; what the fetcher or the cache failed with, or an `AggregateError`
   * `ERR_CACHE_WARMER_FAILED` of several failures
   */
  async runWarmer(name: string): Promise<number> {
    const warmer = this.#warmers.get(name);
    if (warmer === undefined)
      throw new NoizylabError('ERR_CACHE_UNKNOWN_WARMER', `there is no warmer '${name}'`);
    warmer.run ??= this.#run(name, warmer);
    return warmer.run;
  }

  /** Runs all warmers at once. @returns how each ended, in the order of registration; it does not reject */
  warmAll(): Promise<WarmResult[]> {
    return Promise.all(
      Array.from(this.#warmers.keys(), async (warmer): Promise<WarmResult> => {
        try {
          await this.runWarmer(warmer);
          return { warmer, success: true };
        } catch (error) {
          return { warmer, success: false, error };
        }
      }),
    );
  }

  /** Runs each warmer every `interval` milliseconds from now on; for a run at once there is `warmAll`. A second call changes nothing. */
  startAutoWarm(): this {
    if (this.#isAutomatic) return this;
    this.#isAutomatic = true;
    for (const [name, warmer] of this.#warmers) this.#schedule(name, warmer);
    return this;
  }

  /** Starts no more runs by itself; those that are under way go on. */
  stopAutoWarm(): this {
    this.#isAutomatic = false;
    for (const { timer } of this.#warmers.values()) clearInterval(timer);
    return this;
  }

  /** `stopAutoWarm` */
  [Symbol.dispose](): void {
    this.stopAutoWarm();
  }

  #schedule(name: string, warmer: Warmer<K>): void {
    warmer.timer = setInterval(() => {
      // The event tells of its failure.
      if (warmer.run === undefined) this.runWarmer(name).catch(() => undefined);
    }, warmer.interval).unref();
  }

  async #run(name: string, warmer: Warmer<K>): Promise<number> {
    try {
      const values =
        warmer.keys === undefined ? await this.#warmEntries(warmer) : await this.#warmKeys(warmer);
      tell(this, 'warmed', { warmer: name, values });
      return values;
    } catch (error) {
      tell(this, 'warmError', { warmer: name, error });
      throw error;
    } finally {
      warmer.run = undefined;
    }
  }

  async #warmKeys({ fetcher, keys, ttl, concurrency }: Warmer<K>): Promise<number> {
    const wanted: K[] = [];
    for await (const key of typeof keys === 'function' ? await keys() : keys!) wanted.push(key);
    return this.#writeAll(wanted, concurrency, async (key) => {
      const value = (await fetcher(key)) as V | undefined;
      if (value === undefined) return false;
      await this.#cache.set(key, value, ttl);
      return true;
    });
  }

  async #warmEntries({ fetcher, ttl, concurrency }: Warmer<K>): Promise<number> {
    const given = await (fetcher as () => unknown)();
    return this.#writeAll(readEntries<K, V>(given), concurrency, async ([key, value]) => {
      await this.#cache.set(key, value, ttl);
      return true;
    });
  }

  /** Writes all, whatever fails. @returns how many were written */
  async #writeAll<T>(items: T[], concurrency: number, write: (item: T) => Promise<boolean>): Promise<number> {
    let written = 0;
    const failures: unknown[] = [];
    const each = async (item: T): Promise<void> => {
      try {
        if (await write(item)) written++;
      } catch (error) {
        failures.push(error);
      }
    };
    await mapConcurrently(items, each, { concurrency });
    throwAny(failures, 'ERR_CACHE_WARMER_FAILED', `of ${items.length} values`);
    return written;
  }
}

function readEntries<K, V>(given: unknown): [K, V][] {
  if (typeof given !== 'object' || given === null)
    throw read.type(
      'what a fetcher without keys gives',
      given,
      'a Map, an array of [key, value] or an object',
    );
  if (Symbol.iterator in given) return [...(given as Iterable<[K, V]>)];
  return Object.entries(given) as [K, V][];
}
