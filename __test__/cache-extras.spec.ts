/** What stands beside the caches: decorators of methods, `CacheWarmer`, `create` and `multiTier`. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Cache from '../dist/cache';
import type { define as Define } from './fixtures/decorated';
import { AsyncTier } from './fixtures/tiers';
import { ROOT, toldBy } from './lib/child';
import { rejection } from './lib/processors';

const { CacheWarmer, LRUCache, MultiTierCache, cached, create, invalidates, multiTier } = Cache;
type Method = (...args: never[]) => Promise<unknown>;

/** `fixtures/decorated.ts`, compiled and type-checked by TypeScript with its decorators of one kind. */
function compiled(folder: string, options: readonly string[]): typeof Define {
  const source = join(__dirname, 'fixtures', 'decorated.ts');
  const settings = ['--target', 'es2022', '--module', 'nodenext', '--strict', '--types', 'node'];
  const places = ['--rootDir', ROOT, '--outDir', folder];
  execFileSync(process.execPath, [
    join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
    source,
    '--ignoreConfig',
    ...settings,
    ...places,
    ...options,
  ]);
  // oxlint-disable-next-line typescript/no-require-imports -- it was written a moment ago
  return (require(join(folder, '__test__', 'fixtures', 'decorated.js')) as { define: typeof Define }).define;
}

describe.each([
  ['standard', []],
  ['experimental', ['--experimentalDecorators']],
])('decorators of the %s kind', (_, options) => {
  const folder = mkdtempSync(join(tmpdir(), 'noizylab-decorated-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let define: typeof Define;
  beforeAll(() => {
    define = compiled(folder, options);
  });

  test('answer from the cache under prefix, name and arguments', async () => {
    const cache = new LRUCache<string>();
    const users = new (define(Cache, cache, { find: { prefix: 'users ' } }))();
    expect([await users.find(1), await users.find(1), await users.find(2)]).toEqual([
      'main 1',
      'main 1',
      'main 2',
    ]);
    expect(users.calls).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    expect(cache.has('users find:[1]')).toBe(true);
  });

  test('keep this, for static methods too', async () => {
    const Users = define(Cache, new LRUCache(), {
      find: {
        keyFn: function (this: { tenant: string }, id: number) {
          return `${this.tenant}/${id}`;
        },
      },
    });
    expect([await new Users('a').find(1), await new Users('b').find(1)]).toEqual(['a 1', 'b 1']);
    expect([await Users.count(), await Users.count()]).toEqual([1, 1]);
    expect(await new Users('c').rename(1)).toBe('renamed 1 of c');
  });

  test('await a cache that is asynchronous, and run the method once for concurrent calls', async () => {
    for (const cache of [new AsyncTier(), new MultiTierCache<string>([new AsyncTier()]), new Map()]) {
      const users = new (define(Cache, cache))();
      expect(await Promise.all([users.find(1), users.find(1)])).toEqual(['main 1', 'main 1']);
      expect(await users.find(1)).toBe('main 1');
      expect(users.calls.length).toBe(1);
    }
  });

  test('keep nothing of a call that fails', async () => {
    const cache = new LRUCache();
    const users = new (define(Cache, cache))();
    for (let i = 0; i < 2; i++) expect((await rejection(users.find(-1))).message).toBe('no such user');
    expect(users.calls.length).toBe(2);
    expect(cache.size).toBe(0);
  });

  test('tell arguments apart that JSON does not', async () => {
    const users = new (define(Cache, new LRUCache()))();
    for (const detail of [undefined, null, Number.NaN, new Map([[1, 2]]), new Map([[1, 3]])])
      await users.find(1, detail);
    expect(users.calls.length).toBe(5);
    expect((await rejection(users.find(1, () => 1))).code).toBe('ERR_CACHE_INVALID_KEY');
  });

  test('delete keys when the method has succeeded, and none where it fails', async () => {
    const cache = new LRUCache();
    const users = new (define(Cache, cache))();
    await users.find(1);
    await users.find(2);
    expect(await users.rename(1)).toBe('renamed 1 of main');
    expect([...cache.keys()]).toEqual(['find:[2]']);
    cache.set('find:[-1]', 'kept');
    await rejection(users.rename(-1));
    expect(cache.has('find:[-1]')).toBe(true);
  });

  test.each([
    ['a regular expression', /^user:\d+$/, ['order:1', 'user:x', 7]],
    ['one that goes on where it stopped', /user/g, ['order:1', 7]],
    ['one that numbers match', /^\d$/, ['order:1', 'user:1', 'user:2', 'user:x']],
    ['a key', 'user:1', ['order:1', 'user:2', 'user:x', 7]],
    ['a key that is a number', 7, ['order:1', 'user:1', 'user:2', 'user:x']],
    ['an array of keys', ['user:1', 'order:1', 'absent'], ['user:2', 'user:x', 7]],
    ['nothing', undefined, ['order:1', 'user:1', 'user:2', 'user:x', 7]],
  ])('delete by %s', async (_name, pattern, left) => {
    for (const cache of [new LRUCache(), new MultiTierCache([new LRUCache(), new Map()]), new Map()]) {
      for (const key of ['user:1', 'user:2', 'user:x', 'order:1', 7]) await cache.set(key, 1);
      const users = new (define(Cache, cache, { pattern }))();
      expect(await users.reset()).toBe('reset');
      expect(new Set(await cache.keys())).toEqual(new Set<unknown>(left));
    }
  });
});

describe('cached', () => {
  const method = (text: string) =>
    // Not one closure for all: the source text tells methods apart.
    text === 'a' ? async () => 'a' : async () => 'b';
  const context = (name: string, kind = 'method') => ({ kind, name }) as never;

  test('refuses two methods of one name in one cache unless they have prefixes', async () => {
    const cache = new LRUCache();
    const first = cached(cache)(method('a'), context('find'));
    expect(() => cached(cache)(method('b'), context('find'))).toThrow(
      expect.objectContaining({ code: 'ERR_CACHE_DUPLICATE_METHOD' }),
    );
    const second = cached(cache, { prefix: 'b ' })(method('b'), context('find'));
    // The same source once more is the same module, loaded again.
    cached(cache)(method('a'), context('find'));
    cached(new LRUCache())(method('b'), context('find'));
    expect([await first.call(undefined as never), await second.call(undefined as never)]).toEqual(['a', 'b']);
  });

  test('lets results live for ttl, and takes undefined for a result', async () => {
    const clock = { now: 1 };
    const cache = new LRUCache({ now: () => clock.now });
    let calls = 0;
    const counting = (async () => void calls++) as Method;
    const find = cached(cache, { ttl: 100 })(counting, context('find')) as () => Promise<unknown>;
    await find();
    await find();
    expect(calls).toBe(1);
    clock.now += 100;
    await find();
    expect(calls).toBe(2);
  });

  test('refuses what is no method, no cache and no option', () => {
    const cache = new LRUCache();
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'ERR_CACHE_INVALID_TYPE' });
    for (const bad of [
      () => cached(cache)(method('a'), context('find', 'getter')),
      () => cached(cache)({}, 'field', undefined as never),
      () => cached(undefined as never),
      () => cached({} as never),
      () => cached({ getOrSet() {} } as never),
      () => cached(cache, { prefix: 1 as never }),
      () => cached(cache, { keyFn: 'id' as never }),
      () => invalidates(cache, {} as never),
      () => invalidates({ get() {}, set() {}, delete() {}, getOrSet() {} }, /x/),
    ])
      expect(bad).toThrow(invalid);
    expect(() => cached(cache, { ttl: -1 })).toThrow(
      expect.objectContaining({ code: 'ERR_CACHE_OUT_OF_RANGE' }),
    );
  });

  test('rejects where keyFn gives no part of a key', async () => {
    for (const part of [undefined, null, {}, Symbol('x')]) {
      const find = cached(new LRUCache(), { keyFn: () => part })(method('a') as Method, context('find'));
      expect(((await rejection(find())) as { code?: string }).code).toBe('ERR_CACHE_INVALID_KEY');
    }
  });
});

describe('invalidates', () => {
  const decorate = (
    cache: Cache.DecoratorCache,
    pattern: Parameters<typeof invalidates>[1],
    method: Method,
  ) => invalidates(cache, pattern)(method, { kind: 'method', name: 'change' } as never);

  test('gives its function the arguments and this, and waits for its promise', async () => {
    const cache = new LRUCache<string, number>();
    cache.set('main/1', 1).set('main/2', 2);
    const pattern = async function (this: { tenant: string }, id: number) {
      return [`${this.tenant}/${id}`];
    };
    const change = decorate(cache, pattern, async () => 'changed');
    expect(await change.call({ tenant: 'main' }, ...([1] as never[]))).toBe('changed');
    expect([...cache.keys()]).toEqual(['main/2']);
  });

  test('overtakes what is being computed of the old state', async () => {
    const cache = new LRUCache<string, string>();
    let finish!: (value: string) => void;
    const early = cache.getOrSet('key', () => new Promise((resolve) => (finish = resolve)));
    await decorate(cache, 'key', async () => 'changed').call(undefined);
    finish('old');
    expect(await early).toBe('old');
    expect(cache.has('key')).toBe(false);
  });

  test('rejects where a deletion fails', async () => {
    const tier = new AsyncTier();
    tier.fail('delete', new Error('down'));
    const change = decorate(new MultiTierCache<string>([tier]), 'key', async () => 'changed');
    expect((await rejection(change())).message).toBe('down');
  });
});

describe('CacheWarmer', () => {
  test('fetches the values of its keys and writes them with their ttl', async () => {
    const cache = new LRUCache<string, string>();
    const warmer = new CacheWarmer<string, string>(cache)
      .register('users', async (id) => `user ${id}`, { keys: ['1', '2'], ttl: 60_000 })
      .register('orders', (id) => (id === '8' ? `order ${id}` : (undefined as never)), {
        keys: async () => new Set(['8', '9']),
      });
    expect(await warmer.warmAll()).toEqual([
      { warmer: 'users', success: true },
      { warmer: 'orders', success: true },
    ]);
    expect(Object.fromEntries(cache)).toEqual({ 1: 'user 1', 2: 'user 2', 8: 'order 8' });
    expect(cache.ttl('1')).toBeLessThanOrEqual(60_000);
    expect(cache.ttl('8')).toBe(Infinity);
    expect(await warmer.runWarmer('orders')).toBe(1);
  });

  test.each([
    ['a Map', new Map([['a', 1]])],
    ['pairs', [['a', 1]] as const],
    ['an object', { a: 1 }],
  ])('without keys takes all entries from %s', async (_, entries) => {
    const cache = new MultiTierCache<string, number>([new AsyncTier<number>()]);
    const warmer = new CacheWarmer<string, number>(cache).register(
      'all',
      () => entries as Map<string, number>,
    );
    expect(await warmer.runWarmer('all')).toBe(1);
    expect(await cache.get('a')).toBe(1);
  });

  test('warms the other keys and warmers where one fails', async () => {
    const cache = new LRUCache<string, string>();
    const down = new Error('down');
    const warmer = new CacheWarmer<string, string>(cache)
      .register('one', (key) => (key === 'b' ? Promise.reject(down) : key), { keys: ['a', 'b', 'c'] })
      .register('none', () => 5 as never)
      .register('two', (key) => Promise.reject(new Error(key)), { keys: ['x', 'y'] })
      .register('fine', (key) => key, { keys: ['z'] });
    const events: unknown[] = [];
    warmer.on('warmError', ({ warmer: name }) => events.push(name));
    const results = await warmer.warmAll();
    expect(results.map(({ success }) => success)).toEqual([false, false, false, true]);
    expect(results[0]!.error).toBe(down);
    expect(results[1]!.error).toMatchObject({ code: 'ERR_CACHE_INVALID_TYPE' });
    expect(results[2]!.error).toMatchObject({ name: 'AggregateError', code: 'ERR_CACHE_WARMER_FAILED' });
    expect([...cache.keys()].sort()).toEqual(['a', 'c', 'z']);
    expect(new Set(events)).toEqual(new Set(['none', 'one', 'two']));
  });

  test('never runs a warmer twice at the same time', async () => {
    let finish!: (value: Map<string, number>) => void;
    const fetch = jest.fn(() => new Promise<Map<string, number>>((resolve) => (finish = resolve)));
    const warmer = new CacheWarmer<string, number>(new LRUCache<string, number>()).register('slow', fetch);
    const runs = Promise.all([warmer.runWarmer('slow'), warmer.runWarmer('slow'), warmer.warmAll()]);
    await new Promise(setImmediate);
    finish(new Map([['a', 1]]));
    expect(await runs).toEqual([1, 1, [{ warmer: 'slow', success: true }]]);
    expect(fetch).toHaveBeenCalledTimes(1);
    const again = warmer.runWarmer('slow');
    finish(new Map());
    expect(await again).toBe(0);
  });

  test('runs again and again until it is stopped, and goes on after a failure', async () => {
    let runs = 0;
    const warmer = new CacheWarmer<string, number>(new LRUCache<string, number>());
    warmer.startAutoWarm().startAutoWarm();
    const count = async () => {
      if (++runs === 2) throw new Error('down');
      return { a: runs };
    };
    warmer.register('counting', count, { interval: 1 });
    await once(warmer, 'warmed');
    await once(warmer, 'warmError');
    await once(warmer, 'warmed');
    warmer.stopAutoWarm();
    const before = runs;
    await warmer.runWarmer('counting');
    expect(runs).toBe(before + 1);
    expect(warmer.unregister('counting')).toBe(true);
    expect(warmer.unregister('counting')).toBe(false);
  });

  test('does not keep the process alive, and starts nothing more after disposal', async () => {
    const told = await toldBy(`
      const { once } = require('node:events');
      const { CacheWarmer, LRUCache } = require('./dist/cache');
      let runs = 0;
      const start = () => new CacheWarmer(new LRUCache()).register('a', () => (runs++, {}), { interval: 1 }).startAutoWarm();
      const alive = setInterval(() => {}, 1000);
      const warmer = start();
      await once(warmer, 'warmed');
      warmer[Symbol.dispose]();
      const before = runs;
      await new Promise((resolve) => setTimeout(resolve, 20));
      await tell(runs === before);
      await once(start(), 'warmed');
      clearInterval(alive);
    `);
    expect(told).toEqual([true]);
  });

  test('refuses what it cannot work with', async () => {
    const warmer = new CacheWarmer(new LRUCache<string>());
    const invalid = expect.objectContaining({ code: 'ERR_CACHE_INVALID_TYPE' });
    const outOfRange = expect.objectContaining({ code: 'ERR_CACHE_OUT_OF_RANGE' });
    expect(() => new CacheWarmer({} as never)).toThrow(invalid);
    expect(() => new CacheWarmer(undefined as never)).toThrow(invalid);
    expect(() => warmer.register('', () => ({}))).toThrow(outOfRange);
    expect(() => warmer.register('a', 1 as never)).toThrow(invalid);
    expect(() => warmer.register('a', () => ({}), { keys: 5 as never })).toThrow(invalid);
    expect(() => warmer.register('a', () => ({}), { interval: 0 })).toThrow(outOfRange);
    expect(() => warmer.register('a', () => ({}), { ttl: -1 })).toThrow(outOfRange);
    expect(() => warmer.register('a', () => ({}), { concurrency: 0 })).toThrow(outOfRange);
    expect((await rejection(warmer.runWarmer('absent'))).code).toBe('ERR_CACHE_UNKNOWN_WARMER');
    expect(await warmer.warmAll()).toEqual([]);
  });
});

test('create and multiTier make what new makes', async () => {
  const cache = create<string, number>({ maxSize: 5 });
  expect(cache).toBeInstanceOf(LRUCache);
  expect(cache.maxSize).toBe(5);
  const tiers = multiTier<string, number>([cache], { timeout: 5 });
  expect(tiers).toBeInstanceOf(MultiTierCache);
  await tiers.set('key', 1);
  expect(cache.get('key')).toBe(1);
  expect(multiTier().tiers.length).toBe(2);
});
