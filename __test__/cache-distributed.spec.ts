/** `DistributedCache` and `RedisTier` with a real server. */
import type Redis from 'ioredis';
import {
  DistributedCache,
  type DistributedCacheOptions,
  LRUCache,
  MultiTierCache,
  type RedisClient,
  RedisTier,
  cached,
  invalidates,
} from '../dist/cache';
import { rejection } from './lib/processors';
import { RedisServer, hasRedis } from './lib/redis';

/** The same client under the names and in the forms of node-redis. */
function asNodeRedis(client: Redis): RedisClient {
  return {
    get: (key: string) => client.get(key),
    set: (key: string, value: string) => client.set(key, value),
    del: (key: string) => client.del(key),
    pSetEx: (key: string, ms: number, value: string) => client.psetex(key, ms, value),
    pTTL: (key: string) => client.pttl(key),
    scan: async (cursor: string, { MATCH, COUNT }: { MATCH: string; COUNT: number }) => {
      const [next, keys] = await client.scan(cursor, 'MATCH', MATCH, 'COUNT', COUNT);
      return { cursor: next, keys };
    },
  } as RedisClient;
}

/** The least that a client may have. */
function asMinimal(client: Redis): RedisClient {
  return {
    get: (key: string) => client.get(key),
    setex: (key: string, seconds: number, value: string) => client.setex(key, seconds, value),
    del: (key: string) => client.del(key),
  } as RedisClient;
}

(hasRedis() ? describe : describe.skip)('with a Redis server', () => {
  const server = new RedisServer();
  let redis: Redis;
  beforeAll(async () => {
    await server.start();
    redis = server.client();
  });
  beforeEach(() => redis.flushall());
  afterAll(() => server.stop());

  const open = <V = unknown>(options?: Partial<DistributedCacheOptions>) =>
    new DistributedCache<V>({ client: redis, ...options });

  /** Resolves when Redis has let a key expire. */
  const expiry = async (key: string) => {
    while ((await redis.exists(key)) === 1) await new Promise(setImmediate);
  };

  describe('DistributedCache', () => {
    test('keeps JSON under its prefix for an hour, for all processes', async () => {
      const value = { id: 1, tags: ['a', null], name: 'Zoë' };
      await open().set('user', value);
      expect(JSON.parse((await redis.get('noisy:user'))!)).toEqual(value);
      const left = await redis.pttl('noisy:user');
      expect(left).toBeGreaterThan(3_590_000);
      expect(left).toBeLessThanOrEqual(3_600_000);
      expect(await open().get('user')).toEqual(value);
      expect(await open({ prefix: 'other:' }).get('user')).toBeUndefined();
    });

    test('takes times in seconds, and fractions of them', async () => {
      const cache = open({ ttl: 60 });
      await cache.set('default', 1);
      await cache.set('short', 1, 1.5);
      await cache.set('for ever', 1, 0);
      await cache.getOrSet('computed', () => 1, 30);
      const left = await Promise.all(
        ['default', 'short', 'for ever', 'computed'].map((key) => redis.pttl(`noisy:${key}`)),
      );
      expect(left.map((ms) => (ms === -1 ? -1 : Math.ceil(ms / 500) / 2))).toEqual([60, 1.5, -1, 30]);
    });

    test('lets the local copy expire with the value in Redis', async () => {
      const writer = open();
      const reader = open();
      await writer.set('key', 'old', 0.05);
      expect(await reader.get('key')).toBe('old');
      await expiry('noisy:key');
      // The clocks of Redis and of this process tick in milliseconds of their own.
      for (const cache of [reader, writer])
        while ((await cache.get('key')) !== undefined) await new Promise(setImmediate);
      expect(await Promise.all([reader.has('key'), writer.has('key')])).toEqual([false, false]);
    });

    test('keeps the copy of what it reads no longer than Redis does', async () => {
      await redis.psetex('noisy:key', 5000, '"value"');
      const local = new LRUCache<string>();
      const cache = new MultiTierCache<string>([local, new RedisTier({ client: redis })]);
      expect(await cache.get('key')).toBe('value');
      expect(local.ttl('key')).toBeLessThanOrEqual(await redis.pttl('noisy:key').then((left) => left + 10));
      await redis.set('noisy:for ever', '1');
      expect(await cache.get('for ever')).toBe(1);
      expect(local.ttl('for ever')).toBe(Infinity);
    });

    test('answers from the local copy until localTtl has passed', async () => {
      const cache = open({ localTtl: 0.05 });
      await cache.set('key', 'old');
      await redis.set('noisy:key', '"new"');
      expect(await cache.get('key')).toBe('old');
      while ((await cache.get('key')) === 'old') await new Promise(setImmediate);
      expect(await cache.get('key')).toBe('new');
    });

    test('holds at most localSize values, and none with 0', async () => {
      const cache = open({ localSize: 2 });
      for (const key of ['a', 'b', 'c']) await cache.set(key, key);
      expect(cache.getStats()).toMatchObject({ local: { size: 2, maxSize: 2 } });
      expect(await cache.get('a')).toBe('a');
      expect(cache.getStats().remote).toEqual({ hits: 1, misses: 0, errors: 0 });

      const bare = open({ localSize: 0 });
      await bare.set('key', 1);
      await redis.set('noisy:key', '2');
      expect(await bare.get('key')).toBe(2);
      expect(bare.getStats().local).toBeUndefined();
    });

    test('answers in this process what it answers in others: what JSON makes of a value', async () => {
      const date = new Date(0);
      const cache = open();
      await cache.set('key', { date, gone: undefined });
      const expected = { date: date.toJSON() };
      expect(await cache.get('key')).toEqual(expected);
      expect(await open().get('key')).toEqual(expected);
      expect(await cache.getOrSet('computed', () => new Map([[1, 2]]))).toEqual({});
    });

    test('refuses what JSON cannot carry', async () => {
      const cache = open();
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      for (const value of [circular, 5n, () => 1, Symbol('x')]) {
        const invalid = { name: 'TypeError', code: 'ERR_CACHE_NOT_SERIALIZABLE' };
        expect(await rejection(cache.set('key', value))).toMatchObject(invalid);
        expect(await rejection(cache.getOrSet('key', () => value))).toMatchObject(invalid);
      }
      expect(await cache.has('key')).toBe(false);
    });

    test.each([0, '', false, null])('takes %p for a value', async (value) => {
      await open().set('key', value);
      expect(await open().getOrSet('key', () => 'computed')).toBe(value);
    });

    test('computes once for all callers, and not what Redis has', async () => {
      const cache = open<number>();
      let calls = 0;
      const compute = async () => ++calls;
      expect(await Promise.all([cache.getOrSet('key', compute), cache.getOrSet('key', compute)])).toEqual([
        1, 1,
      ]);
      expect(await open<number>().getOrSet('key', compute)).toBe(1);
      const double = cache.memoize(async (value: number) => value * 2, { name: 'double' });
      expect([await double(4), await double(4)]).toEqual([8, 8]);
      expect(await redis.get('noisy:memoize "double" [4]')).toBe('8');
    });

    test('takes a value away everywhere, and all with its prefix, whatever signs that has', async () => {
      const cache = open({ prefix: 'a*[x]?\\' });
      await redis.set('a1[x]?\\b', 'not ours');
      for (let i = 0; i < 2500; i++) void cache.set(`key ${i}`, i);
      await cache.set('last', 1);
      expect((await cache.keys()).length).toBe(2501);
      expect([await cache.delete('last'), await cache.delete('last')]).toEqual([true, false]);
      expect(await cache.has('last')).toBe(false);
      await cache.clear();
      expect(await redis.keys('*')).toEqual(['a1[x]?\\b']);
      expect(await cache.get('key 1')).toBeUndefined();
    });

    test('serves decorated methods, regular expressions included', async () => {
      const cache = open();
      const context = (name: string) => ({ kind: 'method', name }) as never;
      const find = cached(cache, { ttl: 60 })(async (id: number) => `user ${id}`, context('find'));
      const change = invalidates(cache, /^find:/)(async () => 'changed', context('change'));
      expect(await find.call(undefined as never, 1)).toBe('user 1');
      expect(await redis.ttl('noisy:find:[1]')).toBe(60);
      await change();
      expect(await redis.keys('*')).toEqual([]);
    });

    test('is a tier of another cache, in milliseconds there', async () => {
      const distributed = open();
      const local = new LRUCache<string>();
      const cache = new MultiTierCache<string>([local, distributed]);
      await cache.set('key', 1, 5000);
      expect(Math.ceil((await redis.pttl('noisy:key')) / 1000)).toBe(5);
      local.delete('key');
      expect(await cache.get('key')).toBe(1);
      expect(local.ttl('key')).toBeLessThanOrEqual(5000);
    });

    test('keeps working with its local copies where Redis is gone, and tells', async () => {
      const other = await new RedisServer().start();
      const cache = new DistributedCache<string>({ client: other.client() });
      const failed: string[] = [];
      cache.on('remoteError', ({ operation }) => failed.push(operation));
      await cache.set('key', 'value');
      await other.stop();
      expect(await cache.get('key')).toBe('value');
      expect(await cache.get('absent')).toBeUndefined();
      expect(await cache.getOrSet('computed', () => 'value')).toBe('value');
      expect((await rejection(cache.set('key', 'new'))).message).toBe('Connection is closed.');
      expect(failed).toEqual(['get', 'get', 'set', 'set']);
    });

    test('gives up after `timeout` where Redis hangs', async () => {
      const client = server.client();
      const cache = open({ timeout: 0.02, client });
      await redis.client('PAUSE', 200, 'ALL');
      expect(await cache.getOrSet('key', () => 'computed')).toBe('computed');
      expect((await rejection(cache.delete('key'))).code).toBe('ERR_CACHE_TIER_TIMEOUT');
      await redis.client('UNPAUSE');
      // What it gave up on is carried out after all: before this, and not in the midst of another test.
      await client.ping();
    });

    test('takes what is no JSON for a failure: the value is computed anew', async () => {
      await redis.set('noisy:key', '{broken');
      const cache = open();
      const errors: unknown[] = [];
      cache.on('remoteError', ({ error }) => errors.push(error));
      expect(await cache.getOrSet('key', () => 'computed')).toBe('computed');
      expect(errors).toEqual([expect.objectContaining({ code: 'ERR_CACHE_UNREADABLE' })]);
      expect(await redis.get('noisy:key')).toBe('"computed"');
    });
  });

  describe.each([
    ['ioredis', (client: Redis): RedisClient => client],
    ['node-redis', asNodeRedis],
  ])('a client like %s', (_, like) => {
    test('reads, writes, expires, deletes and clears', async () => {
      const tier = new RedisTier<number>({ client: like(redis), ttl: 5000 });
      await tier.set('a', 1);
      await tier.set('b', 2, Infinity);
      await tier.set('c', 3, 0.2);
      expect(await tier.get('a')).toBe(1);
      const [a, b, absent] = await Promise.all([tier.entry('a'), tier.entry('b'), tier.entry('absent')]);
      expect(a!.ttl).toBeGreaterThan(4000);
      expect(a!.ttl).toBeLessThanOrEqual(5000);
      expect(b).toEqual({ value: 2, ttl: Infinity });
      expect(absent).toBeUndefined();
      await expiry('noisy:c');
      const keys: string[] = [];
      for await (const key of tier.keys()) keys.push(key);
      expect(keys.sort()).toEqual(['a', 'b']);
      expect([await tier.delete('a'), await tier.delete('a')]).toEqual([true, false]);
      await tier.clear();
      expect(await redis.dbsize()).toBe(0);
    });
  });

  test('a client with get, setex and del alone is enough, without local copies of what others wrote', async () => {
    const cache = new DistributedCache<number>({ client: asMinimal(redis) });
    await cache.set('own', 1, 1.5);
    expect(await redis.ttl('noisy:own')).toBe(2);
    await redis.set('noisy:other', '1');
    expect(await cache.get('other')).toBe(1);
    await redis.set('noisy:other', '2');
    expect(await cache.get('other')).toBe(2);
    expect((await rejection(cache.clear())).code).toBe('ERR_CACHE_NOT_SUPPORTED');
  });
});

test.each([
  [undefined, 'ERR_CACHE_INVALID_TYPE', 'client must be a connected client'],
  [{ client: {} }, 'ERR_CACHE_INVALID_TYPE', 'client.get must be a function'],
  [{ client: { get() {}, del() {} } }, 'ERR_CACHE_INVALID_TYPE', 'client.set must be a function'],
  [{ client: new Map(), localSize: -1 }, 'ERR_CACHE_OUT_OF_RANGE', 'localSize must be'],
  [
    { client: { get() {}, set() {}, del() {} }, prefix: 5 },
    'ERR_CACHE_INVALID_TYPE',
    'prefix must be a string',
  ],
  [{ client: { get() {}, set() {}, del() {} }, ttl: -1 }, 'ERR_CACHE_OUT_OF_RANGE', 'ttl must be'],
  [{ client: { get() {}, set() {}, del() {} }, localTtl: '1' }, 'ERR_CACHE_INVALID_TYPE', 'localTtl must be'],
  [{ client: { get() {}, set() {}, del() {} }, timeout: -1 }, 'ERR_CACHE_OUT_OF_RANGE', 'timeout must be'],
])('bad options of a DistributedCache are refused: %p', (options, code, message) => {
  const construct = () => new DistributedCache(options as never);
  expect(construct).toThrow(message);
  expect(construct).toThrow(expect.objectContaining({ code }));
});

test('bad keys and times of a DistributedCache reject', async () => {
  const cache = new DistributedCache({ client: { get: () => null, set: () => 'OK', del: () => 0 } });
  for (const key of [undefined, null, {}, Symbol('x')]) {
    for (const call of [cache.get(key as never), cache.set(key as never, 1), cache.delete(key as never)])
      expect((await rejection(call)).code).toBe('ERR_CACHE_INVALID_TYPE');
  }
  for (const ttl of [-1, Number.NaN]) {
    expect((await rejection(cache.set('key', 1, ttl))).code).toBe('ERR_CACHE_OUT_OF_RANGE');
    expect((await rejection(cache.getOrSet('key', () => 1, ttl))).code).toBe('ERR_CACHE_OUT_OF_RANGE');
  }
  expect((await rejection(cache.getOrSet('key', undefined as never))).code).toBe('ERR_CACHE_INVALID_TYPE');
});
