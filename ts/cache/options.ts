/** The options of the caches, read and checked. */
import { typeError } from '../errors';
import { OptionReader, describe } from '../options';
import type { GetOrSetOptions, LRUCacheOptions } from './types';

/** Reads options of this system. */
export const read = new OptionReader('CACHE');

/** The options of an `LRUCache` with every default filled in. Times and limits that are not there are `Infinity`. */
export interface LRUCacheConfig<K, V> {
  maxSize: number;
  maxAge: number;
  updateAgeOnGet: boolean;
  maxBytes: number;
  maxEntryBytes: number;
  sizeOf: ((value: V, key: K) => number) | undefined;
  now: (() => number) | undefined;
  shared: boolean;
  name: string | undefined;
  policy: 'lru' | 'tinylfu';
  decodedEntries: number;
  /** Whether bounds or a policy were given: a shared cache that exists must have the same ones then. */
  bounded: boolean;
}

/**
 * Most entries of an unshared cache. A `Map` of V8 has room for 2^24, those counted that were deleted since it was last tidied; it
 * tidies in place only when half of them are deleted, and throws otherwise. Half of its room can be filled and refilled for ever.
 */
export const MOST_ENTRIES = 2 ** 23;
const DEFAULT_ENTRIES = 1000;
const DEFAULT_DECODED = 32_768;

/**
 * @throws TypeError `ERR_CACHE_INVALID_TYPE`, `ERR_CACHE_INVALID_OPTION` (options that do not go together), RangeError
 * `ERR_CACHE_OUT_OF_RANGE`
 */
export function readCacheConfig<K, V>(given: LRUCacheOptions<K, V> | undefined): LRUCacheConfig<K, V> {
  const options = read.object('options', given);
  const shared = read.boolean('shared', options.shared, false);
  const { sizeOf, now } = options;
  refuse(shared ? { sizeOf, now } : {}, 'is for unshared caches only');
  const { name, policy, decodedEntries } = options;
  refuse(shared ? {} : { name, policy, decodedEntries }, 'is for shared caches: it needs shared: true');
  if (shared && name === undefined)
    throw invalid("a shared cache needs a name: the threads find it by that, e.g. name: 'users'");
  if (sizeOf !== undefined) read.callback('sizeOf', sizeOf);
  if (now !== undefined) read.callback('now', now);

  const updateAgeOnGet = read.boolean('updateAgeOnGet', options.updateAgeOnGet, false);
  // A hit in a shared cache is not told to the engine.
  refuse(shared && updateAgeOnGet ? { updateAgeOnGet } : {}, 'is for unshared caches only');
  const maxBytes = read.number('maxBytes', options.maxBytes, Infinity, { min: 1, orInfinity: true });
  const most = shared ? Infinity : MOST_ENTRIES;
  const maxSize = read.integer(
    'maxSize',
    options.maxSize,
    maxBytes === Infinity ? DEFAULT_ENTRIES : Infinity,
    {
      min: 1,
      max: Math.min(most, Number.MAX_SAFE_INTEGER),
      orInfinity: true,
    },
  );
  if (maxSize === Infinity && maxBytes === Infinity)
    throw invalid('maxSize: Infinity needs maxBytes: a cache without any limit is a leak');
  return {
    maxSize: Math.min(maxSize, most),
    maxAge: read.number('maxAge', options.maxAge, 0, { min: 0, orInfinity: true }) || Infinity,
    updateAgeOnGet,
    maxBytes,
    maxEntryBytes: Math.min(
      maxBytes,
      read.number('maxEntryBytes', options.maxEntryBytes, Infinity, { min: 1, orInfinity: true }),
    ),
    sizeOf,
    now,
    shared,
    name: name === undefined ? undefined : readName(name),
    policy: read.oneOf('policy', policy, 'lru', ['lru', 'tinylfu']),
    decodedEntries: read.integer('decodedEntries', decodedEntries, DEFAULT_DECODED, { min: 0 }),
    bounded: [options.maxSize, options.maxBytes, options.maxEntryBytes, policy].some(
      (bound) => bound !== undefined,
    ),
  };
}

/** A user's clock whose times are checked. */
export function checkedNow(now: () => number): () => number {
  return () => read.number('now()', required(now()), 0);
}

/** A user's `sizeOf` whose results are checked. */
export function checkedSizeOf<K, V>(sizeOf: (value: V, key: K) => number): (value: V, key: K) => number {
  return (value, key) => read.number('sizeOf()', required(sizeOf(value, key)), 0, { min: 0 });
}

/** Where there is no default, `undefined` is as wrong as `null`. */
function required<T>(value: T | undefined): T {
  return value ?? (null as T);
}

/** The engine knows names in UTF-8: there, different ones that are ill-formed could be the same. */
export function readName(given: unknown): string {
  const name = read.text('name', given);
  if (!name.isWellFormed()) throw read.range('name', name, 'well-formed text, without lone surrogates');
  return name;
}

/** Reads a time to live: `fallback` for `undefined` and `null`, `Infinity` for 0. */
export function readTtl(given: number | null | undefined, fallback: number): number {
  if (given === undefined || given === null) return fallback;
  return read.number('ttl', given, 0, { min: 0, orInfinity: true }) || Infinity;
}

/** The last argument of `getOrSet`, read; `undefined` for a ttl that is not given. */
export interface GetOrSetManner {
  ttl: number | null | undefined;
  whileRevalidate: number;
  ifError: number;
  signal: AbortSignal | undefined;
}

const ORDINARY: GetOrSetManner = Object.freeze({
  ttl: undefined,
  whileRevalidate: 0,
  ifError: 0,
  signal: undefined,
});

/** @throws TypeError, RangeError */
export function readManner(given: number | null | GetOrSetOptions | undefined): GetOrSetManner {
  if (given === undefined || given === null) return ORDINARY;
  if (typeof given === 'number') return { ...ORDINARY, ttl: readTtl(given, 0) };
  if (typeof given !== 'object' || Array.isArray(given))
    throw read.type('ttl', given, 'a number of milliseconds, or an object of options');
  const { ttl, staleWhileRevalidate, staleIfError, signal } = given;
  return {
    ttl: ttl === undefined || ttl === null ? undefined : readTtl(ttl, 0),
    whileRevalidate: readStale('staleWhileRevalidate', staleWhileRevalidate),
    ifError: readStale('staleIfError', staleIfError),
    signal: read.signal('signal', signal),
  };
}

function readStale(name: string, given: number | undefined): number {
  return read.number(name, given, 0, { min: 0, orInfinity: true });
}

/** The error for options that are valid one by one and not together. */
function invalid(message: string): TypeError {
  return typeError('ERR_CACHE_INVALID_OPTION', message);
}

function refuse(options: Record<string, unknown>, why: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) throw invalid(`${name} ${why}; given: ${describe(value)}`);
  }
}
