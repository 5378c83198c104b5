/**
 * `RedisTier`: a tier of a `MultiTierCache` that lives in Redis, for all processes that use it.
 *
 * Values are JSON under `prefix + key`, so that programs in other languages can read and write them as well. The expiry is that of
 * Redis, in milliseconds; what is left of it is asked for together with the value, for the tiers above. Keys are found by `SCAN`, which
 * does not hold up the server, never by `KEYS`. On a cluster `clear` and `keys` see the one node that answers `SCAN`.
 */
import { performance } from 'node:perf_hooks';
import { NoizylabError, typeError } from '../errors';
import { describe } from '../options';
import { read, readTtl } from './options';
import { type RedisClient, type RedisCommands, commandsOf } from './redis-commands';
import type { Tier, TierEntry } from './tier';

/** Options of a `RedisTier`. */
export interface RedisTierOptions {
  /** A connected client; it stays the caller's to close. */
  client: RedisClient;
  /** What all keys begin with in Redis. Default: `'noisy:'`. */
  prefix?: string | undefined;
  /** How long a value lives that is given no time of its own, in milliseconds; 0 and `Infinity`: for ever. Default: 3,600,000. */
  ttl?: number | undefined;
}

const HOUR = 3_600_000;

export class RedisTier<V = unknown> implements Tier<string, V> {
  readonly #redis: RedisCommands;
  readonly #prefix: string;
  readonly #ttl: number;

  /** @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE` */
  constructor(options: RedisTierOptions) {
    const { client, prefix = 'noisy:', ttl } = read.object('options', options) as RedisTierOptions;
    if (typeof prefix !== 'string') throw read.type('prefix', prefix, 'a string');
    this.#redis = commandsOf(client);
    this.#prefix = prefix;
    this.#ttl = readTtl(ttl, HOUR);
  }

  /** @throws (rejects) `ERR_CACHE_UNREADABLE`: what Redis holds is no JSON */
  async get(key: string): Promise<V | undefined> {
    return this.#decode(key, await this.#redis.get(this.#prefix + key));
  }

  /** The value with what is left of its time; 0 where the client has no `pttl`. */
  async entry(key: string): Promise<TierEntry<V> | undefined> {
    const { pttl } = this.#redis;
    const asked = performance.now();
    // In this order: a value that is written in between is met with the shorter time.
    const [left, text] = await Promise.all([
      pttl === undefined ? 0 : pttl(this.#prefix + key),
      this.#redis.get(this.#prefix + key),
    ]);
    const value = this.#decode(key, text);
    if (value === undefined) return undefined;
    return { value, ttl: left === -1 ? Infinity : left - (performance.now() - asked) };
  }

  /**
   * @param ttl milliseconds; 0 and `Infinity`: for ever
   * @throws (rejects) TypeError `ERR_CACHE_NOT_SERIALIZABLE`: JSON cannot carry the value
   */
  async set(key: string, value: V, ttl?: number): Promise<void> {
    await this.#redis.set(this.#prefix + key, encode(value), readTtl(ttl, this.#ttl));
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#redis.del(this.#prefix + key)) > 0;
  }

  /**
   * Deletes all keys with the prefix.
   * @throws (rejects) `ERR_CACHE_NOT_SUPPORTED`: the client has no `scan`
   */
  async clear(): Promise<void> {
    for await (const keys of this.#scan()) await Promise.all(keys.map((key) => this.#redis.del(key)));
  }

  /** The keys, without the prefix. @throws as `clear` */
  async *keys(): AsyncGenerator<string> {
    for await (const keys of this.#scan()) for (const key of keys) yield key.slice(this.#prefix.length);
  }

  #scan(): AsyncGenerator<string[]> {
    const { scan } = this.#redis;
    if (scan === undefined)
      throw new NoizylabError('ERR_CACHE_NOT_SUPPORTED', 'the client of Redis has no method scan');
    return scan(this.#prefix);
  }

  #decode(key: string, text: unknown): V | undefined {
    if (text === null || text === undefined) return undefined;
    try {
      return JSON.parse(text as string) as V;
    } catch (cause) {
      throw new NoizylabError(
        'ERR_CACHE_UNREADABLE',
        `what Redis holds under '${this.#prefix}${key}' is no JSON`,
        {
          cause,
        },
      );
    }
  }
}

/**
 * The JSON text of a value.
 * @throws TypeError `ERR_CACHE_NOT_SERIALIZABLE`
 */
export function encode(value: unknown): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return text;
  throw typeError('ERR_CACHE_NOT_SERIALIZABLE', `JSON cannot carry ${describe(value)}`, { cause });
}
