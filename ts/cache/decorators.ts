/**
 * `@cached` and `@invalidates`: methods that answer from a cache, and methods after which it holds something no more.
 *
 * The key of a call is `prefix + name of the method + ':' + arguments`, the arguments as JSON: the same in every process, and known to
 * whoever wants to delete it. It has no part of the instance: all instances share their results, unless `keyFn`, which is called with the
 * instance as `this`, tells them apart.
 */
import { types } from 'node:util';
import { NoizylabError, typeError } from '../errors';
import { describe } from '../options';
import { argumentKeys } from './late';
import { type AnyMethod, type AsyncMethodDecorator, methodDecorator } from './method-decorator';
import { MultiTierCache } from './multi-tier-cache';
import { read, readTtl } from './options';
import { type Tier, checkMethods } from './tier';

/** A cache that decorators use: any of this package, or an object that would do as a tier, such as a `Map`. */
export interface DecoratorCache {
  getOrSet?(key: never, compute: () => never, ttl?: number | null): unknown;
  get(key: never): unknown;
  set(key: never, value: never, ttl?: number): unknown;
  delete(key: never): unknown;
  /** Needed to delete by regular expressions. */
  keys?(): unknown;
}

/** Options of `cached`. */
export interface CachedOptions {
  /** What the keys begin with. Default: nothing. */
  prefix?: string | undefined;
  /** How long a result lives, in the unit of the cache. Default: that of the cache. */
  ttl?: number | null | undefined;
  /** Makes the part of the key that stands for the arguments: a string, number, boolean or big integer. Called with the instance as `this`. */
  keyFn?: ((this: never, ...args: never[]) => unknown) | undefined;
}

/** What is to be deleted: a key, several, or those that an expression matches. */
export type InvalidationPattern = string | number | readonly unknown[] | RegExp | null | undefined;

/** The part of a cache that is used here. */
interface UsedCache {
  getOrSet(key: string, compute: () => unknown, ttl: number | null | undefined): Promise<unknown>;
  delete(key: unknown): unknown;
  keys?(): unknown;
}

/** The methods without a prefix of their own that use a cache: by name, with their source text. */
const methodsOf = new WeakMap<object, Map<string, string>>();

/** What gives a cache that cannot compute one computation for each key. */
const wrappedCaches = new WeakMap<object, UsedCache>();

/**
 * The method answers from `cache` what it was called with before, through its `getOrSet`: one call at a time for the same arguments, and
 * nothing is kept of one that fails. It returns a promise.
 *
 * Two methods of one name that use one cache would answer for each other: where neither has a prefix, the second is refused.
 *
 * @throws TypeError `ERR_CACHE_INVALID_TYPE`, RangeError `ERR_CACHE_OUT_OF_RANGE`; when it decorates, NoizylabError
 * `ERR_CACHE_DUPLICATE_METHOD`. The method rejects with `ERR_CACHE_INVALID_KEY` where no key can be made of its arguments.
 */
export function cached(cache: DecoratorCache, options?: CachedOptions): AsyncMethodDecorator {
  const used = usedCache(cache);
  const { prefix, ttl, keyFn } = read.object('options', options);
  if (prefix !== undefined && typeof prefix !== 'string') throw read.type('prefix', prefix, 'a string');
  if (keyFn !== undefined) read.callback('keyFn', keyFn);
  readTtl(ttl, 0);
  return methodDecorator((method, name) => {
    if (prefix === undefined) claim(cache, name, method);
    const start = `${prefix ?? ''}${name}:`;
    return async function cachedMethod(...args) {
      const key =
        start +
        (keyFn === undefined
          ? argumentKeys().argumentsKey(args)
          : keyPart((keyFn as AnyMethod).apply(this, args)));
      return used.getOrSet(key, () => method.apply(this, args), ttl);
    };
  });
}

/**
 * When the method has succeeded, deletes keys from `cache`; its promise waits for that, and rejects if a deletion fails. After a failure of the
 * method nothing is deleted.
 * @param pattern a key, an array of keys, a regular expression that string and number keys are held against (through `keys` of the cache), or a
 * function that is called with the arguments and the instance as `this` and gives one of these, or a promise of it
 * @throws TypeError `ERR_CACHE_INVALID_TYPE`: also for an expression where the cache has no `keys`
 */
export function invalidates(
  cache: DecoratorCache,
  pattern:
    | InvalidationPattern
    | ((this: never, ...args: never[]) => InvalidationPattern | PromiseLike<InvalidationPattern>),
): AsyncMethodDecorator {
  const used = usedCache(cache);
  if (typeof pattern !== 'function') checkPattern(used, pattern);
  return methodDecorator(
    (method) =>
      async function invalidatingMethod(...args) {
        const result = await method.apply(this, args);
        const given =
          typeof pattern === 'function' ? await (pattern as AnyMethod).apply(this, args) : pattern;
        const keys = await matching(used, checkPattern(used, given));
        await Promise.all(keys.map((key) => used.delete(key)));
        return result;
      },
  );
}

function usedCache(cache: DecoratorCache): UsedCache {
  if (typeof (cache as Partial<UsedCache> | null | undefined)?.getOrSet === 'function') {
    checkMethods('cache', cache, ['delete']);
    return cache as unknown as UsedCache;
  }
  let wrapped = wrappedCaches.get(cache);
  if (wrapped === undefined) {
    wrapped = new MultiTierCache([cache as Tier]);
    wrappedCaches.set(cache, wrapped);
  }
  return wrapped;
}

/** A class that is defined twice by the same source, as when a module is loaded again, may have the name twice. */
function claim(cache: object, name: string, method: AnyMethod): void {
  let methods = methodsOf.get(cache);
  if (methods === undefined) methodsOf.set(cache, (methods = new Map()));
  const source = Function.prototype.toString.call(method);
  if ((methods.get(name) ?? source) !== source) {
    throw new NoizylabError(
      'ERR_CACHE_DUPLICATE_METHOD',
      `another method ${name} is cached in this cache, and they would share their results: give each a prefix`,
    );
  }
  methods.set(name, source);
}

function keyPart(given: unknown): string {
  switch (typeof given) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(given);
    default:
      throw typeError(
        'ERR_CACHE_INVALID_KEY',
        `keyFn must give a string, number, boolean or big integer; given: ${describe(given)}`,
      );
  }
}

function checkPattern(cache: UsedCache, given: unknown): RegExp | readonly unknown[] {
  if (given === undefined || given === null) return [];
  if (Array.isArray(given)) return given;
  if (typeof given === 'string' || typeof given === 'number') return [given];
  if (!types.isRegExp(given))
    throw read.type('pattern', given, 'a key, an array of keys, a regular expression or a function');
  checkMethods('cache', cache, ['keys']);
  return given;
}

async function matching(cache: UsedCache, pattern: RegExp | readonly unknown[]): Promise<readonly unknown[]> {
  if (Array.isArray(pattern)) return pattern as unknown[];
  const { source, flags } = pattern as RegExp;
  // Without the flags by which an expression goes on where it stopped.
  const expression = new RegExp(source, flags.replaceAll(/[gy]/g, ''));
  const keys = await cache.keys?.();
  const found: unknown[] = [];
  for await (const key of keys as AsyncIterable<unknown>) {
    if ((typeof key === 'string' || typeof key === 'number') && expression.test(String(key))) found.push(key);
  }
  return found;
}
