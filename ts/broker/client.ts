/**
 * The client of a broker: one connection, many requests at once.
 *
 * It connects at first use, keeps the connection, and connects anew when that was lost. It keeps the process alive only while an answer
 * is awaited. Clients of a broker of the same process need no socket. All methods reject, none throws, but for `watch`.
 */
import { performance } from 'node:perf_hooks';
import { NoizylabError } from '../errors';
import { abortable } from '../parallel/abort';
import { readFlag, readMany, readNothing, readNumber, readResponse, readTrue, type Granted } from './answers';
import {
  readClientOptions,
  readPipe,
  type ClientConfig,
  type ClientOptions,
  type RequestOptions,
} from './client-options';
import type {
  Entries,
  ComputeOptions,
  Health,
  Items,
  LeaseOptions,
  Metrics,
  MetricsOptions,
  RenewOptions,
  Stats,
  WatchOptions,
} from './client-types';
import { Flight, refuseRecursion } from './flight';
import { Kind } from './frames';
import { NO_TOKEN, requestLease, requestRelease, requestRenew } from './lease-requests';
import type { Response } from './line-requests';
import { COMPUTE, Link } from './link';
import { Lease } from './owned-lease';
import type { ReadAnswer } from './pending';
import { parseMetrics } from './prometheus';
import { checkKey, checkTtl, decode, encode, read, Tag, tagOf, type Encoded } from './values';
import { Watch } from './watch';

const DEFAULT_WATCH_LIMIT = 16_384;
/** The broker counts them in 32 bits. */
const MOST_EVENTS = 2 ** 32 - 1;
/** A time that is no time: an answer takes longer than this. */
const LEAST_LATENCY = 1e-6;

/** Raw requests that do no harm when they are sent a second time. */
const HARMLESS = new Set<unknown>([
  'get',
  'set',
  'del',
  'list',
  'ping',
  'stats',
  'health',
  'metrics',
  'lease',
]);

/** Clients that are forgotten without `close` do not leave their connections behind. */
const forgotten = new FinalizationRegistry<Link>((link) => link.retire());

/** Asks a broker. */
export class Client implements AsyncDisposable {
  /** The path of the broker's pipe. */
  readonly pipe: string;
  /** The options with all defaults filled in. */
  readonly options: ClientConfig;
  readonly #link: Link;
  readonly #readValue: ReadAnswer;

  /**
   * @param pipe the path of the broker's pipe. Default: `EPHEMERAL_PIPE`
   * @throws NoizylabError `ERR_BROKER_NO_PIPE`, TypeError `ERR_BROKER_INVALID_TYPE`, `ERR_BROKER_INVALID_OPTION`, RangeError
   * `ERR_BROKER_OUT_OF_RANGE`
   */
  constructor(pipe?: string | null, options?: ClientOptions) {
    this.pipe = readPipe(pipe);
    this.options = readClientOptions(options);
    const { maxResponseSize } = this.options;
    this.#readValue = (tag, bytes, from, to, { key }) => decode(tag, bytes, from, to, key, maxResponseSize);
    this.#link = new Link(this.pipe, this.options);
    forgotten.register(this, this.#link);
  }

  /**
   * The value of a key. A value that was set as a `Buffer` or `Uint8Array` comes as a `Buffer`.
   * @throws (as a rejection) BrokerError `ERR_BROKER_NOT_FOUND`, `ERR_BROKER_EXPIRED` (told once), NoizylabError `ERR_BROKER_DAMAGED_VALUE`
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- documented: whoever asks knows what was stored
  get<T = any>(key: string, options?: RequestOptions): Promise<T> {
    try {
      checkKey(key);
      const slot = this.#link.begin(Kind.get, Tag.none, key, options);
      return this.#link.end(slot, this.#readValue) as Promise<T>;
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Stores a value: a string, a `Buffer` or `Uint8Array`, or what JSON can carry.
   * @param ttl milliseconds that it lives; may be left out with `allowNoTtl`
   * @throws (as a rejection) BrokerError `ERR_BROKER_TOO_LARGE`, `ERR_BROKER_MAX_ITEMS`, `ERR_BROKER_INVALID_TTL`, `ERR_BROKER_TTL_REQUIRED`;
   * TypeError `ERR_BROKER_INVALID_VALUE`, `ERR_BROKER_INVALID_KEY`
   */
  set(key: string, value: unknown, ttl?: number, options?: RequestOptions): Promise<true> {
    try {
      checkKey(key);
      const time = this.#ttl('set', ttl);
      const tag = tagOf(value);
      const encoded = encode(value, tag);
      const slot = this.#link.begin(Kind.set, tag, key, options);
      const { writer } = this.#link;
      writer.double(time);
      writer.encoded(encoded);
      return this.#link.end(slot, readTrue) as Promise<true>;
    } catch (error) {
      return rejected(error);
    }
  }

  /** Deletes a key. Resolves to `true`, also where there was none. */
  del(key: string, options?: RequestOptions): Promise<true> {
    try {
      checkKey(key);
      const slot = this.#link.begin(Kind.del, Tag.none, key, options);
      return this.#link.end(slot, readTrue) as Promise<true>;
    } catch (error) {
      return rejected(error);
    }
  }

  /** The values of many keys, in their order, from one moment; `undefined` for those that are missing or expired. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as `get`
  async mget<T = any>(keys: Iterable<string>, options?: RequestOptions): Promise<(T | undefined)[]> {
    read.iterable('keys', keys);
    const all = [...keys];
    all.forEach(checkKey);
    const slot = this.#link.begin(Kind.mget, Tag.none, '', options);
    const { writer } = this.#link;
    writer.uint32(all.length);
    for (const key of all) writer.counted(key);
    return (await this.#link.end(slot, readMany(all, this.options.maxResponseSize))) as (T | undefined)[];
  }

  /**
   * Stores many values: all of them or none; an original broker stores them one after another.
   * @param items an object, a Map, or pairs of keys and values
   * @throws (as a rejection) as `set`
   */
  async mset(items: Items, ttl?: number, options?: RequestOptions): Promise<true> {
    const time = this.#ttl('mset', ttl);
    const entries = readItems(items).map(([key, value]): [string, number, Encoded] => {
      checkKey(key);
      const tag = tagOf(value);
      return [key, tag, encode(value, tag)];
    });
    const slot = this.#link.begin(Kind.mset, Tag.none, '', options);
    const { writer } = this.#link;
    writer.double(time);
    writer.uint32(entries.length);
    for (const [key, tag, encoded] of entries) writer.entry(key, tag, encoded);
    return (await this.#link.end(slot, readTrue)) as true;
  }

  /**
   * Adds to a number, which begins at 0, and resolves to the sum.
   * @param by default: 1
   * @param ttl milliseconds that it lives from now on. Default: a number that is there keeps its time; a new one has the broker's `defaultTTL`, where that requires none
   * @throws (as a rejection) BrokerError `ERR_BROKER_NOT_A_NUMBER`, `ERR_BROKER_TTL_REQUIRED` (of a new one, where the broker requires a ttl)
   */
  async incr(key: string, by?: number, ttl?: number, options?: RequestOptions): Promise<number> {
    checkKey(key);
    const step = read.number('by', by, 1);
    const time = checkTtl(ttl);
    const slot = this.#link.begin(Kind.incr, Tag.none, key, options);
    this.#link.writer.double(time);
    this.#link.writer.double(step);
    return (await this.#link.end(slot, readNumber)) as number;
  }

  /**
   * Stores `value` if the key has the value `expected`, and resolves to whether it did. Values are the same if they were written alike: objects, with
   * their properties in the same order.
   * @param expected `undefined`: the key must be absent
   * @throws (as a rejection) as `set`
   */
  async cas(
    key: string,
    expected: unknown,
    value: unknown,
    ttl?: number,
    options?: RequestOptions,
  ): Promise<boolean> {
    checkKey(key);
    const time = this.#ttl('cas', ttl);
    const tag = tagOf(value);
    const encoded = encode(value, tag);
    const expectedTag = expected === undefined ? Tag.none : tagOf(expected);
    const before = expected === undefined ? '' : encode(expected, expectedTag);
    const slot = this.#link.begin(Kind.cas, tag, key, options);
    const { writer } = this.#link;
    writer.double(time);
    writer.byte(expectedTag);
    writer.counted(before);
    writer.encoded(encoded);
    return (await this.#link.end(slot, readFlag)) as boolean;
  }

  /**
   * The value of a key; where it is missing, the result of `compute`, which is stored. Of all that ask at the same time, in whichever process, one
   * computes, and the others wait; if that one dies, the next one computes. What `compute` throws rejects them all, and is not stored.
   * @param given the ttl in milliseconds, or options
   * @throws (as a rejection) as `set`, and what `compute` throws; NoizylabError `ERR_BROKER_RECURSION`: `compute` asks for the same key
   */
  async getOrSet<T>(
    key: string,
    compute: (key: string) => T | PromiseLike<T>,
    given?: number | ComputeOptions,
  ): Promise<T> {
    checkKey(key);
    read.callback('compute', compute);
    refuseRecursion(this.pipe, key);
    const options = typeof given === 'number' ? { ttl: given } : read.object('options', given);
    const { signal, timeout = Infinity } = options;
    const time = this.#ttl('getOrSet', options.ttl);
    const slot = this.#link.begin(Kind.begin, Tag.none, key, { signal, timeout });
    const { number } = slot;
    const found = await this.#link.end(slot, this.#readValue);
    if (found !== COMPUTE) return found as T;
    const flight = new Flight(this.#link, key, time, slot, number);
    return await abortable(flight.run(compute), signal);
  }

  /**
   * The changes of all keys that begin with `prefix`; `''`: of all. What is asked of this client afterwards is seen.
   * @throws TypeError, RangeError; while it is read: BrokerError `ERR_BROKER_WATCH_OVERFLOW`, `ERR_BROKER_STOPPED`, NoizylabError
   * `ERR_BROKER_CONNECTION_LOST`, `ERR_BROKER_UNSUPPORTED`, `signal.reason`
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- as `get`
  watch<T = any>(prefix: string, given?: WatchOptions): Watch<T> {
    if (prefix !== '') checkKey(prefix);
    const options = read.object('options', given);
    const signal = read.signal('signal', options.signal);
    const limit = read.integer('limit', options.limit, DEFAULT_WATCH_LIMIT, { min: 1, max: MOST_EVENTS });
    return new Watch<T>(this.#link, prefix, limit, signal);
  }

  /** The keys that are not expired. */
  async list(options?: RequestOptions): Promise<string[]> {
    return Object.keys(await this.entries(options));
  }

  /** The keys that are not expired, with the time at which each will be. */
  async entries(options?: RequestOptions): Promise<Entries> {
    return (await this.#line({ action: 'list' }, options))['items'] as Entries;
  }

  /** How long an answer takes, in milliseconds: above 0. */
  async ping(options?: RequestOptions): Promise<number> {
    const began = performance.now();
    await this.#link.end(this.#link.begin(Kind.ping, Tag.none, '', options), readNothing);
    return Math.max(performance.now() - began, LEAST_LATENCY);
  }

  async stats(options?: RequestOptions): Promise<Stats> {
    return (await this.#line({ action: 'stats' }, options))['stats'] as Stats;
  }

  async health(options?: RequestOptions): Promise<Health> {
    const response = await this.#line({ action: 'health' }, options);
    if (response['items'] !== undefined) return response as unknown as Health;
    // An original broker tells these elsewhere.
    const { items, leases } = await this.stats(options);
    return { ...response, items, leases } as unknown as Health;
  }

  /** What the broker has counted: an object, or text for Prometheus. */
  metrics(options?: MetricsOptions & { format?: 'object' | undefined }): Promise<Metrics>;
  metrics(options: MetricsOptions & { format: 'prometheus' }): Promise<string>;
  async metrics(given?: MetricsOptions): Promise<Metrics | string> {
    const { format, ...options } = read.object('options', given);
    if (read.oneOf('format', format, 'object', ['object', 'prometheus']) === 'prometheus')
      return (await this.#line({ action: 'metrics' }, options))['metrics'] as string;
    const { metrics } = await this.#line({ action: 'metrics', format: 'object' }, options);
    return typeof metrics === 'string' ? parseMetrics(metrics) : (metrics as Metrics);
  }

  /**
   * Leases the least free value of a pool to a worker, and resolves to it. A worker holds one lease at a time, of whatever key; asking again for the
   * same key renews it. Whoever knows the worker may renew and release it.
   * @param given the ttl in milliseconds, or options. Default: the ttl of the broker
   * @throws (as a rejection) BrokerError `ERR_BROKER_WORKER_ALREADY_HAS_LEASE`, `ERR_BROKER_POOL_EXHAUSTED`, `ERR_BROKER_LEASE_TIMEOUT`,
   * `ERR_BROKER_MAX_LEASES`, NoizylabError `ERR_BROKER_UNSUPPORTED` (an original broker knows neither `max` nor `wait`)
   */
  async lease(key: string, workerId: string, given?: number | LeaseOptions): Promise<number> {
    return (await requestLease(this.#link, key, workerId, given, false)) as number;
  }

  /**
   * Leases as `lease`, for this client alone: the lease is renewed and released by the object that it resolves to, and ends with the connection.
   * @throws (as a rejection) as `lease`
   */
  async acquire(key: string, workerId: string, options?: LeaseOptions): Promise<Lease> {
    const granted = (await requestLease(this.#link, key, workerId, options, true)) as Granted;
    return new Lease(this, this.#link, key, workerId, granted);
  }

  /**
   * Gives back what a worker leases. Resolves to whether it leased something.
   * @throws (as a rejection) BrokerError `ERR_BROKER_NOT_OWNER`: its lease was acquired
   */
  async release(workerId: string, options?: RequestOptions): Promise<boolean> {
    return (await requestRelease(this.#link, NO_TOKEN, workerId, options)) as boolean;
  }

  /**
   * Lets the lease of a worker last `ttl` milliseconds from now. Default: that of the broker.
   * @throws (as a rejection) BrokerError `ERR_BROKER_NO_LEASE`, `ERR_BROKER_NOT_OWNER`
   */
  async renew(workerId: string, ttl?: number, options?: RenewOptions): Promise<void> {
    const { key, ...others } = read.object('options', options);
    if (key !== undefined) checkKey(key);
    await requestRenew(this.#link, key ?? '', NO_TOKEN, workerId, ttl, others);
  }

  /**
   * Sends a request of the first protocol as it is, and resolves to the response.
   * @throws (as a rejection) BrokerError for a response that is not `ok`
   */
  async request(payload: Record<string, unknown>, options?: RequestOptions): Promise<Response> {
    const { hmac: _signedAnew, ...fields } = read.object('payload', payload);
    return await this.#line(fields, options);
  }

  /** Closes the connection. What is pending, and what is asked afterwards, rejects with `ERR_BROKER_CLOSED`. */
  async close(): Promise<void> {
    this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ttl(method: string, ttl: number | undefined): number {
    if (ttl !== undefined || this.options.allowNoTtl) return checkTtl(ttl);
    throw new NoizylabError(
      'ERR_BROKER_TTL_REQUIRED',
      `TTL is required for ${method}(). Pass a ttl value or set allowNoTtl: true in client options.`,
    );
  }

  async #line(fields: Record<string, unknown>, options: RequestOptions | undefined): Promise<Response> {
    const json = encode(fields, Tag.json);
    const slot = this.#link.begin(Kind.line, Tag.json, '', options);
    slot.repeatable = HARMLESS.has(fields['action']);
    this.#link.writer.encoded(json);
    return (await this.#link.end(slot, readResponse)) as Response;
  }
}

function rejected(error: unknown): Promise<never> {
  return Promise.reject(error);
}

function readItems(items: unknown): (readonly [unknown, unknown])[] {
  if (typeof items !== 'object' || items === null)
    throw read.type('items', items, 'an object, a Map or pairs');
  if (!(Symbol.iterator in items)) return Object.entries(items);
  const pairs = [...(items as Iterable<unknown>)];
  for (const pair of pairs)
    if (!Array.isArray(pair)) throw read.type('items', pair, 'made of pairs of a key and a value');
  return pairs as [unknown, unknown][];
}
