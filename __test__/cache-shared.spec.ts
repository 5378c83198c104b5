/**
 * Shared caches: one cache for every thread of the process. Here are order, iteration, figures, options and the life of a cache; what
 * travels is in `cache-shared-values`, when a value is the old one in `cache-shared-freshness`, computations in `cache-shared-flights`,
 * bounds and threads that die in `cache-shared-bounds`.
 */
import { join } from 'node:path';
import { LRUCache, type LRUCacheOptions } from '../dist/cache';
import { INVALID_KEY, INVALID_OPTION, INVALID_TYPE, OUT_OF_RANGE, TOO_LARGE } from './fixtures/cache';
import { untyped } from './fixtures/parallel';
import { type Key, newName, open, type SharedCache, start, until } from './lib/cache-threads';
import { ROOT, toldBy } from './lib/child';

describe('one cache for all threads', () => {
  test('what one sets, deletes and clears holds for all', async () => {
    const { cache, one, two } = open();
    cache.set('a', 1).set('b', { list: [1, 2] });
    expect(await one((there) => [there.get('a'), there.get('b'), there.size])).toEqual([
      1,
      { list: [1, 2] },
      2,
    ]);
    await one((there) => void there.set('c', 'of one'));
    expect([cache.get('c'), await two((there) => there.peek('c'))]).toEqual(['of one', 'of one']);
    expect(await two((there) => [there.delete('a'), there.delete('a'), there.has('b')])).toEqual([
      true,
      false,
      true,
    ]);
    expect([cache.has('a'), cache.get('a'), cache.size]).toEqual([false, undefined, 2]);
    await one((there) => void there.clear());
    expect([cache.size, cache.bytes, [...cache]]).toEqual([0, 0, []]);
  });

  test('a thread that comes later finds what is there', async () => {
    const { name, cache } = open({ maxBytes: 1e6 });
    cache.set('a', 'early');
    expect(await start().at(name)((there) => [there.get('a'), there.maxSize, there.maxBytes])).toEqual([
      'early',
      Infinity,
      1e6,
    ]);
  });

  test('two caches of one name in one thread are the same, of two names are two, and unshared ones are by themselves', () => {
    const { name, cache } = open();
    const again: SharedCache = new LRUCache({ name, shared: true });
    const { cache: other } = open();
    const unshared = new LRUCache();
    cache.set('a', 1);
    unshared.set('b', 2);
    expect([again.get('a'), other.get('a'), unshared.get('a'), cache.get('b')]).toEqual([
      1,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('methods return what those of an unshared cache do', () => {
    const { cache } = open();
    expect(cache.set('a', 1)).toBe(cache);
    expect(cache.clear()).toBe(cache);
    expect([cache.get('a'), cache.peek('a'), cache.has('a'), cache.ttl('a'), cache.delete('a')]).toEqual([
      undefined,
      undefined,
      false,
      undefined,
      false,
    ]);
  });

  test('two contexts over one environment share it, and one that goes leaves it to the other', async () => {
    const code = `
      const { loadInContext } = require(${JSON.stringify(join(__dirname, 'fixtures', 'isolates', 'context-loader.js'))});
      const cacheIn = () => {
        const { exports: { LRUCache }, context } = loadInContext(${JSON.stringify(join(ROOT, 'dist', 'cache'))});
        return { cache: new LRUCache({ name: 'contexts', shared: true }), LRUCache, context };
      };
      const one = cacheIn();
      const gone = [];
      const share = async () => {
        const two = cacheIn();
        gone.push(new WeakRef(two.context), new WeakRef(two.cache));
        one.cache.set('a', { by: 'one' });
        const seen = two.cache.get('a');
        two.cache.set('a', { by: 'two' });
        const computed = await Promise.all([
          one.cache.getOrSet('b', async () => 'computed by one'),
          two.cache.getOrSet('b', async () => 'computed by two'),
        ]);
        tell([one.LRUCache === two.LRUCache, seen, one.cache.get('a'), computed]);
      };
      await share();
      // It hangs, and is killed, where one is never collected.
      while (gone.some((reference) => reference.deref() !== undefined)) {
        await new Promise((next) => setTimeout(next, 5));
        gc();
      }
      tell([one.cache.get('a'), one.cache.size]);
    `;
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([
      [false, { by: 'one' }, { by: 'two' }, ['computed by one', 'computed by one']],
      [{ by: 'two' }, 2],
    ]);
  });
});

describe('order', () => {
  test('uses in any thread count: what nobody used for longest leaves', async () => {
    const { cache, one, two } = open({ maxSize: 4 });
    cache.set('a', 1).set('b', 1).set('c', 1).set('d', 1);
    await one((there) => [there.get('a'), there.get('a')]);
    cache.set('e', 1); // b leaves
    await two((there) => there.get('c'));
    cache.set('f', 1); // d leaves
    cache.has('a');
    cache.peek('a');
    cache.set('g', 1); // a leaves: neither has nor peek is a use
    expect(new Set(cache.keys())).toEqual(new Set(['c', 'e', 'f', 'g']));
  });

  test('a hit that is answered without decoding is a use', () => {
    const { cache } = open({ maxSize: 3 });
    cache.set('a', {}).set('b', {}).set('c', {});
    cache.get('a');
    for (let key = 0; key < 100; key++) {
      cache.get('a');
      cache.set(key, key);
    }
    expect(new Set(cache.keys())).toEqual(new Set(['a', 98, 99]));
  });

  test('with policy tinylfu what is used often survives a scan, with lru it does not', () => {
    const survivors = (policy: 'lru' | 'tinylfu'): number => {
      const { cache } = open({ maxSize: 200, policy });
      const hot = Array.from({ length: 100 }, (_, index) => `hot ${index}`);
      for (let turn = 0; turn < 20; turn++) {
        for (const key of hot) if (cache.get(key) === undefined) cache.set(key, key);
        for (let cold = 0; cold < 10; cold++) cache.set(`cold ${turn} ${cold}`, cold);
      }
      for (let scan = 0; scan < 5000; scan++) cache.set(scan, scan);
      expect(cache.size).toBe(200);
      return hot.filter((key) => cache.has(key)).length;
    };
    expect(survivors('lru')).toBe(0);
    expect(survivors('tinylfu')).toBeGreaterThan(90);
  });
});

describe('iteration', () => {
  test('keys, values and entries meet all that lives, once each', async () => {
    const { cache, one } = open({ maxSize: 100_000 });
    const count = 30_000; // more than a page, and more than one part
    await one((there, _, all) => {
      for (let key = 0; key < all; key++) there.set(key, { key, text: 'x'.repeat(key % 50) });
    }, count);
    cache.set('gone', 1, 1);
    await until(() => !cache.has('gone'));
    const keys = [...cache.keys()] as number[];
    expect(keys.length).toBe(count);
    expect(new Set(keys).size).toBe(count);
    for (const [key, value] of cache.entries()) {
      const { text } = value as { text: string };
      if ((value as { key: Key }).key !== key || text.length !== Number(key) % 50)
        throw new Error(`wrong: ${key}`);
    }
    expect([...cache.values()].length).toBe(count);
    expect(cache.getStats()).toMatchObject({ hits: 0, misses: 0, size: count });
  });

  test('an iteration goes on through changes of this thread and others, and meets none twice', async () => {
    const { cache, one } = open({ maxSize: 100_000 });
    for (let key = 0; key < 20_000; key++) cache.set(key, 'x'.repeat(100));
    const changes = one((there) => {
      for (let turn = 0; turn < 20_000; turn++) {
        there.set(20_000 + turn, turn);
        there.delete(turn % 2 === 0 ? turn : turn + 20_000);
      }
    });
    const met: Key[] = [];
    for (const [key] of cache) {
      met.push(key);
      if (met.length % 1000 === 0) await new Promise(setImmediate);
    }
    await changes;
    expect(new Set(met).size).toBe(met.length);
    // The odd ones were there all the time.
    const odd = met.filter((key) => Number(key) < 20_000 && Number(key) % 2 === 1);
    expect(odd.length).toBe(10_000);
  });

  test('a dump of one cache loads into another one, shared or not, in the order of use and with what is left of its times', async () => {
    const { cache, one } = open({ maxSize: 100 });
    cache.set('a', { a: 1 }).set('b', new Date(1), 1e6).set(3, 'c').set('short', 1, 1);
    await one((there) => there.get('a'));
    cache.set('last', 1);
    await until(() => !cache.has('short'));
    const dump = cache.dump();
    expect(dump.map(({ key }) => key)).toEqual(['b', 3, 'a', 'last']);
    const { cache: other } = open({ maxSize: 2 });
    expect(other.load(dump)).toBe(other);
    expect(new Set(other.keys())).toEqual(new Set(['a', 'last']));
    const unshared = new LRUCache<Key>().load(dump);
    expect([...unshared.keys()]).toEqual(['last', 'a', 3, 'b']);
    expect([unshared.get('b'), unshared.ttl('a')]).toEqual([new Date(1), Infinity]);
    expect(unshared.ttl('b')).toBeGreaterThan(1e5);
    const back: SharedCache = open().cache.load(unshared.dump());
    expect(new Map(back)).toEqual(new Map(unshared));
    expect(back.ttl('b')).toBeLessThanOrEqual(1e6);
  });

  test('a dump has expired entries that are kept for stale answers, and load takes them', () => {
    const { cache } = open();
    const now = Date.now();
    cache.load([{ key: 'old', value: 1, expires: now - 1000, staleUntil: now + 1_000_000 }]);
    expect(cache.has('old')).toBe(false);
    expect(cache.size).toBe(0);
    const [old, ...others] = cache.dump();
    expect(others).toEqual([]);
    expect(old).toMatchObject({ key: 'old', value: 1 });
    expect(old!.expires).toBeLessThan(Date.now());
    expect(old!.staleUntil).toBeGreaterThan(Date.now());
  });

  test('load refuses what is no dump, and what cannot be a key', () => {
    const { cache } = open();
    expect(() => cache.load(untyped([1]))).toThrow(expect.objectContaining(INVALID_TYPE));
    expect(() => cache.load(untyped([{ key: {}, value: 1 }]))).toThrow(expect.objectContaining(INVALID_KEY));
    expect(cache.size).toBe(0);
  });
});

describe('figures', () => {
  test('are those of all threads, of those that have ended too', async () => {
    const { name, cache, one } = open({ maxSize: 3 });
    const other = start();
    cache.set('a', 1);
    for (let turn = 0; turn < 10; turn++) cache.get('a');
    await one((there) => void (there.get('a'), there.get('a'), there.get('none')));
    await other.at(name)((there) => {
      for (let turn = 0; turn < 100; turn++) there.get('a');
      there.get('none');
      for (let key = 0; key < 4; key++) there.set(key, key);
    });
    await other.end();
    await other.ended;
    const stats = cache.getStats();
    expect(stats).toMatchObject({
      hits: 112,
      misses: 2,
      hitRate: 112 / 114,
      sets: 5,
      evictions: 2,
      size: 3,
      maxSize: 3,
    });
    expect(await one((there) => there.getStats())).toEqual(stats);
    cache.clear();
    expect(cache.getStats()).toMatchObject({
      hits: 112,
      misses: 2,
      sets: 5,
      evictions: 2,
      size: 0,
      bytes: 0,
    });
  });

  test('bytes are those of keys, values and less than 64 beside each', () => {
    const { cache } = open({ maxBytes: 1e9 });
    const own = 6 + 100; // a key of its kind and six digits at most
    for (let key = 100_000; key < 110_000; key++) cache.set(`${key}`, 'v'.repeat(100));
    const each = cache.bytes / 10_000;
    expect(each).toBeGreaterThan(own);
    expect(each).toBeLessThan(own + 64);
    expect(cache.getStats().bytes).toBe(cache.bytes);
    for (let key = 100_000; key < 110_000; key++) cache.delete(`${key}`);
    expect(cache.bytes).toBe(0);
  });
});

describe('options', () => {
  const reopen = (name: string, options: LRUCacheOptions): LRUCache =>
    new LRUCache({ name, shared: true, ...options });

  test('the first who opens a cache makes it; who gives no bounds joins', () => {
    const { name, cache } = open({ maxSize: 10, maxBytes: 1e6, maxEntryBytes: 1e3, policy: 'tinylfu' });
    const joined = reopen(name, {});
    expect([joined.maxSize, joined.maxBytes]).toEqual([10, 1e6]);
    expect(() => joined.set('a', 'x'.repeat(2000))).toThrow(expect.objectContaining(TOO_LARGE));
    const same = reopen(name, { maxSize: 10, maxBytes: 1e6, maxEntryBytes: 1e3, policy: 'tinylfu' });
    same.set('a', 1);
    expect(cache.get('a')).toBe(1);
    // What each chooses for itself is no bound.
    expect(reopen(name, { maxAge: 5, decodedEntries: 1 }).get('a')).toBe(1);
  });

  test('a cache that nobody bounded holds 1000 entries', () => {
    const { cache } = open();
    expect([cache.maxSize, cache.maxBytes]).toEqual([1000, Infinity]);
    for (let key = 0; key < 2000; key++) cache.set(key, key);
    expect([cache.size, cache.getStats().evictions]).toEqual([1000, 1000]);
  });

  test.each<[LRUCacheOptions]>([
    [{ maxSize: 11, maxBytes: 1e6 }],
    [{ maxSize: 10 }],
    [{ maxBytes: 1e6 }],
    [{ maxSize: 10, maxBytes: 1e6, maxEntryBytes: 100 }],
    [{ maxSize: 10, maxBytes: 1e6, policy: 'tinylfu' }],
    [{ policy: 'lru' }],
  ])('other bounds than those of the cache are refused: %p', async (options) => {
    const { name, one } = open({ maxSize: 10, maxBytes: 1e6 });
    const error = { name: 'NoizylabError', code: 'ERR_CACHE_MISMATCH' };
    const message: unknown = expect.stringMatching(/maxSize 10, maxBytes 1000000, .*given: /);
    expect(() => reopen(name, options)).toThrow(expect.objectContaining({ ...error, message }));
    // In another thread as well.
    const there = one((_, tools, given) => void new tools.LRUCache(given), {
      name,
      shared: true,
      ...options,
    });
    await expect(there).rejects.toMatchObject(error);
  });

  test.each<[LRUCacheOptions]>([
    [{ shared: true }],
    [{ name: 'x' }],
    [{ name: 'x', shared: false }],
    [{ policy: 'lru' }],
    [{ decodedEntries: 1 }],
    [{ shared: true, name: 'x', sizeOf: () => 1 }],
    [{ shared: true, name: 'x', now: () => 1 }],
    [{ shared: true, name: 'x', updateAgeOnGet: true }],
    [{ shared: true, name: 'x', maxSize: Infinity }],
  ])('options that do not go together are refused: %p', (options) => {
    expect(() => new LRUCache(options)).toThrow(expect.objectContaining(INVALID_OPTION));
  });

  test.each([
    ['shared', 1, INVALID_TYPE],
    ['name', 5, INVALID_TYPE],
    ['name', '', OUT_OF_RANGE],
    ['name', 'lone \ud800', OUT_OF_RANGE],
    ['policy', 'fifo', OUT_OF_RANGE],
    ['policy', 1, INVALID_TYPE],
    ['decodedEntries', -1, OUT_OF_RANGE],
    ['decodedEntries', 0.5, OUT_OF_RANGE],
    ['decodedEntries', '1', INVALID_TYPE],
    ['maxSize', 0, OUT_OF_RANGE],
    ['maxBytes', 0, OUT_OF_RANGE],
    ['maxEntryBytes', Number.NaN, OUT_OF_RANGE],
  ])('%s: %p is refused, with its name in the message', (option, given, error) => {
    const options = { shared: true, name: newName(), [option]: given };
    const message: unknown = expect.stringContaining(option);
    expect(() => new LRUCache(untyped(options))).toThrow(expect.objectContaining({ ...error, message }));
  });

  test('explicit undefined means the default, and false is the default of updateAgeOnGet', () => {
    const { name } = open({ maxSize: 5 });
    const options = { maxSize: undefined, maxBytes: undefined, policy: undefined, updateAgeOnGet: false };
    expect(reopen(name, options).maxSize).toBe(5);
  });
});

describe('memoize', () => {
  test('functions of one name share their results between threads', async () => {
    const { cache, one, two } = open();
    const calls = new Int32Array(new SharedArrayBuffer(4));
    const call = (there: SharedCache, _: unknown, counter: Int32Array): Promise<unknown> => {
      const double = (x: number): number => {
        Atomics.add(counter, 0, 1);
        return x * 2;
      };
      return there.memoize(double, { name: 'double' })(21);
    };
    expect(await Promise.all([one(call, calls), two(call, calls), call(cache, undefined, calls)])).toEqual([
      42, 42, 42,
    ]);
    expect(calls[0]).toBe(1);
  });

  test('functions without a name keep theirs to themselves, in whatever thread', async () => {
    const { cache, one } = open();
    const call = (there: SharedCache): Promise<unknown[]> =>
      Promise.all([there.memoize((x: number) => x + 1)(1), there.memoize((x: number) => x + 2)(1)]);
    expect([await call(cache), await one(call)]).toEqual([
      [2, 3],
      [2, 3],
    ]);
    expect(cache.size).toBe(4);
  });
});

describe('life', () => {
  test('dispose leaves the entries to the others, and the cache can be used on', async () => {
    const { cache, one } = open();
    cache.set('a', 1).set('b', { b: 1 });
    cache.get('b');
    cache[Symbol.dispose]();
    expect(await one((there) => [there.get('a'), there.size])).toEqual([1, 2]);
    await one((there) => void there.set('b', { b: 2 }));
    expect([cache.get('b'), cache.set('c', 3).size]).toEqual([{ b: 2 }, 3]);
  });

  test('what a thread stored outlives it', async () => {
    const { name, cache } = open();
    const thread = start();
    await thread.at(name)((there) => void there.set('a', { from: 'a thread' }).set('b', 1, 1e6));
    await thread.end();
    await thread.ended;
    expect([cache.get('a'), cache.get('b')]).toEqual([{ from: 'a thread' }, 1]);
  });

  test('no eviction is told, however many there are', () => {
    const { cache } = open({ maxSize: 2 });
    let told = 0;
    cache.on('eviction', () => told++);
    for (let key = 0; key < 100; key++) cache.set(key, key, 60_000);
    expect([told, cache.getStats().evictions, cache.getStats().expirations]).toEqual([0, 98, 0]);
    // The clock runs on while this thread is busy.
    cache.set(99, 99, 1);
    while (cache.has(99));
    expect([told, cache.getStats().evictions, cache.getStats().expirations]).toEqual([0, 98, 1]);
  });

  test('a cache object that nobody has is collected, and its entries stay', async () => {
    const code = `
      const { LRUCache } = require('./dist/cache');
      const made = [];
      const make = async (i) => {
        const cache = new LRUCache({ name: 'collected', shared: true });
        cache.set(i, { i }, 1e6);
        cache.get(i);
        await cache.getOrSet('computed', () => 'once');
        made.push(new WeakRef(cache));
      };
      for (let i = 0; i < 20; i++) await make(i);
      // It hangs, and is killed, where one is never collected.
      while (made.some((reference) => reference.deref() !== undefined)) {
        await new Promise((next) => setTimeout(next, 5));
        gc();
      }
      const cache = new LRUCache({ name: 'collected', shared: true });
      tell([cache.size, cache.get(7), cache.getStats().hits]);
    `;
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([[21, { i: 7 }, 40]]);
  });

  test('the process ends by itself with shared caches open, times running and threads that had them', async () => {
    const code = `
      const { LRUCache } = require('./dist/cache');
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const cache = new LRUCache({ name: 'ends', shared: true, maxAge: 1e6 });
      for (let key = 0; key < 1000; key++) cache.set(key, { key });
      cache.set('soon', 1, 50);
      await cache.getOrSet('computed', async () => 1, { staleWhileRevalidate: 1e6 });
      const body = \`
        const { LRUCache } = require('./dist/cache');
        const cache = new LRUCache({ name: 'ends', shared: true, maxAge: 30_000 });
        cache.set('of the worker', 1).set('more', 2, 1e6);
        cache.get(1);
      \`;
      const worker = new Worker(body, { eval: true });
      const [code] = await once(worker, 'exit'); // by itself too
      tell([code, cache.has('of the worker'), cache.get('more')]);
    `;
    expect(await toldBy(code)).toEqual([[0, true, 2]]);
  });

  test('it works in a process whose only thread that used it has ended', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const body = \`
        const { LRUCache } = require('./dist/cache');
        const cache = new LRUCache({ name: 'threads', shared: true });
        cache.set('count', (cache.get('count') ?? 0) + 1);
      \`;
      for (let i = 0; i < 5; i++) await once(new Worker(body, { eval: true }), 'exit');
      const { LRUCache } = require('./dist/cache');
      tell(new LRUCache({ name: 'threads', shared: true }).get('count'));
    `;
    expect(await toldBy(code)).toEqual([5]);
  });
});
