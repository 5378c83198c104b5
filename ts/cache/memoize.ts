/** Functions that answer from a cache what they were called with before. */
import { randomBytes } from 'node:crypto';
import { argumentsKey } from './arguments-key';
import { read, readTtl } from './options';
import type { GetOrSetOptions, MemoizeOptions } from './types';

/** A memoized function: the arguments and `this` of the one that it answers for, and a promise of its result. */
export type Memoized<This, A extends unknown[], R> = (this: This, ...args: A) => Promise<Awaited<R>>;

/** What memoized functions need of a cache. */
export interface ComputingCache<V> {
  getOrSet(
    key: string,
    compute: () => V | PromiseLike<V>,
    options?: number | null | GetOrSetOptions,
  ): Promise<V>;
}

/** Numbers that no other thread and no earlier run has given out: a cache may hold results of theirs. */
let run: string | undefined;
let numbers = 0;

/** What `keyFn` made by identity: objects, functions, symbols. */
const identities = new WeakMap<WeakKey, string>();

/**
 * See `LRUCache.memoize`.
 * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`
 */
export function memoize<This, A extends unknown[], R>(
  cache: ComputingCache<Awaited<R>>,
  fn: (this: This, ...args: A) => R,
  keyFn?: ((...args: A) => unknown) | MemoizeOptions<A> | null,
  ttl?: number | null,
): Memoized<This, A, R> {
  read.callback('fn', fn);
  const options = typeof keyFn === 'function' ? { keyFn } : read.object('keyFn', keyFn ?? undefined);
  const { name, keyFn: given } = options as MemoizeOptions<A>;
  if (given !== undefined) read.callback('keyFn', given);
  const life = (options as MemoizeOptions<A>).ttl ?? ttl;
  readTtl(life, 0);
  const prefix = `memoize ${name === undefined ? unique() : JSON.stringify(read.text('name', name))} `;
  const keyOf = given === undefined ? argumentsKey : (args: A) => keyText(given(...args));
  return function memoized(...args) {
    try {
      const key = prefix + keyOf(args);
      return cache.getOrSet(key, () => fn.apply(this, args) as Awaited<R>, life);
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

/** A string for any value: two have the same one where a `Map` takes them for the same key. */
function keyText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `s${value}`;
    case 'symbol': {
      const registered = Symbol.keyFor(value);
      return registered === undefined ? identityText(value) : `y${registered}`;
    }
    case 'object':
      return value === null ? 'null' : identityText(value);
    case 'function':
      return identityText(value);
    default:
      // Numbers, big integers, booleans and `undefined`.
      return `${typeof value} ${String(value)}`;
  }
}

function identityText(value: WeakKey): string {
  let text = identities.get(value);
  if (text === undefined) identities.set(value, (text = `#${unique()}`));
  return text;
}

function unique(): string {
  run ??= randomBytes(9).toString('base64');
  return `${run}.${++numbers}`;
}
