/** `Cache` of `actor`: entries, lifetimes by `Date.now()`, the bound, single flight, figures, the end. */
import { Cache, GenServer, Registry } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { gate, settled } from './lib/supervised';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_ACTOR_OUT_OF_RANGE' };
const NOT_RUNNING = { name: 'ServerNotRunningError', code: 'ERR_ACTOR_SERVER_NOT_RUNNING' };

test('the documented example', async () => {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const fetchUserFromDatabase = async (id: string) => ({ id });

  const cache = await Cache.start({
    maxSize: 1000,
    defaultTtlMs: 60000, // 1 minute
  });

  await Cache.set(cache, 'session:abc', { userId: '123' });
  await Cache.set(cache, 'temp', { data: 'expires soon' }, { ttlMs: 5000 });

  const session = await Cache.get(cache, 'session:abc');

  // Get or compute
  const user = await Cache.getOrSet(cache, 'user:123', async () => {
    return await fetchUserFromDatabase('123');
  });

  const stats = await Cache.stats(cache);
  log(`Hit rate: ${(stats.hitRate * 100).toFixed(1)}%`);

  await Cache.stop(cache);

  expect([session, user]).toEqual([{ userId: '123' }, { id: '123' }]);
  expect(stats).toEqual({ size: 3, maxSize: 1000, hits: 1, misses: 1, hitRate: 0.5 });
  expect(lines).toEqual(['Hit rate: 50.0%']);
});

describe('entries', () => {
  test('get gives the very value, or undefined; null and undefined are values', async () => {
    const cache = await Cache.start();
    const value = { deep: new Map() };
    await Cache.set(cache, 'a', value);
    await Cache.set(cache, 'null', null);
    await Cache.set(cache, 'undefined', undefined);
    await Cache.set(cache, '', 0);
    expect(await Cache.get(cache, 'a')).toBe(value);
    expect([await Cache.get(cache, 'null'), await Cache.get(cache, ''), await Cache.get(cache, 'b')]).toEqual(
      [null, 0, undefined],
    );
    expect([await Cache.has(cache, 'undefined'), await Cache.has(cache, 'b')]).toEqual([true, false]);
  });

  test('delete tells whether there was an entry; clear takes all and the figures', async () => {
    const cache = await Cache.start();
    await Cache.set(cache, 'a', 1);
    await Cache.get(cache, 'a');
    expect([await Cache.delete(cache, 'a'), await Cache.delete(cache, 'a')]).toEqual([true, false]);
    await Cache.set(cache, 'b', 1);
    await Cache.clear(cache);
    expect(await Cache.stats(cache)).toEqual({ size: 0, maxSize: Infinity, hits: 0, misses: 0, hitRate: 0 });
  });

  test('keys come in the order of their first write', async () => {
    const cache = await Cache.start();
    for (const key of ['c', 'a', 'b', 'c']) await Cache.set(cache, key, 1);
    await Cache.get(cache, 'a');
    expect([await Cache.keys(cache), await Cache.size(cache)]).toEqual([['c', 'a', 'b'], 3]);
  });

  test('what is asked first is done first', async () => {
    const cache = await Cache.start();
    const writing = Cache.set(cache, 'a', 1);
    expect(await Cache.get(cache, 'a')).toBe(1);
    await writing;
  });
});

describe('lifetimes', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000_000 });
  });

  test('an entry lives for its own time, or the default, or for ever, by Date.now() as it is when it is asked', async () => {
    const cache = await Cache.start({ defaultTtlMs: 100 });
    await Cache.set(cache, 'default', 1);
    await Cache.set(cache, 'given', 1, { ttlMs: 200 });
    await Cache.set(cache, 'never', 1, { ttlMs: null });
    await Cache.set(cache, 'endless', 1, { ttlMs: Infinity });
    await Cache.set(cache, 'undefined', 1, untyped({ ttlMs: undefined }));
    await Cache.set(cache, 'gone', 1, { ttlMs: 0 });
    const present = async () => (await Cache.keys(cache)).join(' ');
    expect(await present()).toBe('default given never endless undefined');
    jest.setSystemTime(1_000_099);
    expect([await Cache.get(cache, 'default'), await Cache.has(cache, 'undefined')]).toEqual([1, true]);
    jest.setSystemTime(1_000_100);
    expect([await Cache.get(cache, 'default'), await Cache.has(cache, 'undefined')]).toEqual([
      undefined,
      false,
    ]);
    expect(await present()).toBe('given never endless');
    jest.setSystemTime(1_000_000 + 1e12);
    expect(await present()).toBe('never endless');
  });

  test('a write starts the time again, a read does not', async () => {
    const cache = await Cache.start({ defaultTtlMs: 100 });
    await Cache.set(cache, 'written', 1);
    await Cache.set(cache, 'read', 1);
    jest.advanceTimersByTime(60);
    await Cache.set(cache, 'written', 2);
    await Cache.get(cache, 'read');
    jest.advanceTimersByTime(60);
    expect([await Cache.get(cache, 'written'), await Cache.get(cache, 'read')]).toEqual([2, undefined]);
  });

  test('an expired entry counts as a miss, is not deleted once more, and is not counted', async () => {
    const cache = await Cache.start({ defaultTtlMs: 100 });
    for (const key of ['a', 'b', 'c']) await Cache.set(cache, key, 1);
    jest.advanceTimersByTime(100);
    await Cache.get(cache, 'a');
    expect(await Cache.delete(cache, 'b')).toBe(false);
    Cache.prune(cache);
    expect(await Cache.stats(cache)).toEqual({ size: 0, maxSize: Infinity, hits: 0, misses: 1, hitRate: 0 });
  });

  test('no timer runs', async () => {
    const cache = await Cache.start({ defaultTtlMs: 100 });
    await Cache.set(cache, 'a', 1);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('expired entries make room before those that live', async () => {
    const cache = await Cache.start({ maxSize: 3 });
    await Cache.set(cache, 'a', 1);
    await Cache.set(cache, 'short', 1, { ttlMs: 10 });
    await Cache.set(cache, 'b', 1);
    jest.advanceTimersByTime(10);
    await Cache.set(cache, 'c', 1);
    expect(await Cache.keys(cache)).toEqual(['a', 'b', 'c']);
  });
});

describe('the bound', () => {
  test('the least recently used leaves for a new one; get and set are uses, has is none', async () => {
    const cache = await Cache.start({ maxSize: 3 });
    for (const key of ['a', 'b', 'c']) await Cache.set(cache, key, 1);
    await Cache.get(cache, 'a');
    await Cache.set(cache, 'b', 2);
    await Cache.has(cache, 'c');
    await Cache.set(cache, 'd', 1);
    expect(await Cache.keys(cache)).toEqual(['a', 'b', 'd']);
    await Cache.set(cache, 'a', 2);
    expect(await Cache.size(cache)).toBe(3);
  });

  test('of 0 keeps nothing, of 1 the last', async () => {
    const none = await Cache.start({ maxSize: 0 });
    await Cache.set(none, 'a', 1);
    expect(await Cache.getOrSet(none, 'b', () => 2)).toBe(2);
    expect([await Cache.size(none), await Cache.get(none, 'a'), await Cache.get(none, 'b')]).toEqual([
      0,
      undefined,
      undefined,
    ]);
    const one = await Cache.start({ maxSize: 1 });
    for (const key of ['a', 'b', 'c']) await Cache.set(one, key, 1);
    expect(await Cache.keys(one)).toEqual(['c']);
  });

  test('holds for many', async () => {
    const cache = await Cache.start({ maxSize: 1000 });
    await Promise.all(Array.from({ length: 20_000 }, (_, n) => Cache.set(cache, `k${n}`, n)));
    expect([await Cache.size(cache), (await Cache.keys(cache))[0]]).toEqual([1000, 'k19000']);
  });
});

describe('getOrSet', () => {
  test('one computation for all who ask meanwhile; others are not held up by it', async () => {
    const cache = await Cache.start();
    const held = gate<{ n: number }>();
    let runs = 0;
    const factory = () => {
      runs += 1;
      return held.promise;
    };
    const asked = Array.from({ length: 10 }, () => Cache.getOrSet(cache, 'a', factory));
    await Cache.set(cache, 'b', 1);
    expect(await Cache.get(cache, 'b')).toBe(1);
    const value = { n: 1 };
    held.open(value);
    for (const answer of await Promise.all(asked)) expect(answer).toBe(value);
    expect(await Cache.getOrSet(cache, 'a', factory)).toBe(value);
    expect(runs).toBe(1);
  });

  test('of a failure nothing is kept; all who waited get it, and the next computes anew', async () => {
    const cache = await Cache.start();
    const error = new Error('no');
    let runs = 0;
    const held = gate<number>();
    const failing = () => {
      runs += 1;
      return held.promise;
    };
    const asked = [1, 2, 3].map(() => Cache.getOrSet(cache, 'a', failing));
    await settled();
    held.fail(error);
    for (const { status, ...rest } of await Promise.allSettled(asked))
      expect({ status, ...rest }).toEqual({ status: 'rejected', reason: error });
    await expect(
      Cache.getOrSet(cache, 'a', () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect([runs, await Cache.getOrSet(cache, 'a', () => 7), await Cache.get(cache, 'a')]).toEqual([1, 7, 7]);
    expect(Cache.isRunning(cache)).toBe(true);
  });

  test('null, 0 and the empty text are kept, undefined is not', async () => {
    const cache = await Cache.start();
    for (const value of [null, 0, '', false]) {
      expect(await Cache.getOrSet(cache, String(value), () => value)).toBe(value);
      expect(await Cache.getOrSet(cache, String(value), () => 'again')).toBe(value);
    }
    expect(await Cache.getOrSet(cache, 'u', () => undefined)).toBeUndefined();
    expect(await Cache.has(cache, 'u')).toBe(false);
    expect(await Cache.getOrSet(cache, 'u', () => 'now')).toBe('now');
  });

  test.each(['set', 'delete', 'clear'] as const)('a %s meanwhile holds', async (what) => {
    const cache = await Cache.start();
    const held = gate<string>();
    const asked = Cache.getOrSet(cache, 'a', () => held.promise);
    await settled();
    if (what === 'set') await Cache.set(cache, 'a', 'written');
    else if (what === 'delete') await Cache.delete(cache, 'a');
    else await Cache.clear(cache);
    held.open('computed');
    expect(await asked).toBe('computed');
    expect(await Cache.get(cache, 'a')).toBe(what === 'set' ? 'written' : undefined);
  });

  test('a value lives for the time given, from when it was computed', async () => {
    jest.useFakeTimers({ now: 1_000_000 });
    const cache = await Cache.start({ defaultTtlMs: 10 });
    const held = gate<number>();
    const asked = Cache.getOrSet(cache, 'a', () => held.promise, { ttlMs: 100 });
    jest.setSystemTime(1_000_050);
    held.open(1);
    await asked;
    jest.setSystemTime(1_000_149);
    expect(await Cache.has(cache, 'a')).toBe(true);
    jest.setSystemTime(1_000_150);
    expect(await Cache.has(cache, 'a')).toBe(false);
  });

  test('a factory may use the cache itself', async () => {
    const cache = await Cache.start();
    const sum = await Cache.getOrSet(cache, 'sum', async () => {
      const one = await Cache.getOrSet(cache, 'one', () => 1);
      return one + (await Cache.getOrSet(cache, 'two', async () => 2));
    });
    expect([sum, await Cache.keys(cache)]).toEqual([3, ['one', 'two', 'sum']]);
  });

  test('those who wait get their value also when the cache is stopped meanwhile', async () => {
    const cache = await Cache.start();
    const held = gate<number>();
    const asked = Cache.getOrSet(cache, 'a', () => held.promise);
    await settled();
    await Cache.stop(cache);
    held.open(1);
    expect(await asked).toBe(1);
  });
});

describe('life', () => {
  test('after the stop all is refused', async () => {
    const cache = await Cache.start({ name: 'cache' });
    expect([Registry.whereis('cache'), Cache.isRunning(cache)]).toEqual([cache, true]);
    await Cache.stop(cache);
    await Cache.stop(cache);
    expect([Cache.isRunning(cache), GenServer.isRunning(cache), Registry.isRegistered('cache')]).toEqual([
      false,
      false,
      false,
    ]);
    await expect(Cache.get(cache, 'a')).rejects.toMatchObject(NOT_RUNNING);
    await expect(Cache.set(cache, 'a', 1)).rejects.toMatchObject(NOT_RUNNING);
    await expect(Cache.getOrSet(cache, 'a', () => 1)).rejects.toMatchObject(NOT_RUNNING);
    await expect(Cache.stats(cache)).rejects.toMatchObject(NOT_RUNNING);
    expect(() => Cache.prune(cache)).toThrow(expect.objectContaining(NOT_RUNNING));
  });

  test('wrong options and arguments are named', async () => {
    for (const maxSize of [-1, 1.5, Number.NaN])
      await expect(Cache.start({ maxSize })).rejects.toMatchObject(OUT_OF_RANGE);
    await expect(Cache.start({ maxSize: untyped('1') })).rejects.toMatchObject(INVALID_TYPE);
    await expect(Cache.start({ maxSize: untyped(null) })).rejects.toMatchObject(INVALID_TYPE);
    await expect(Cache.start({ defaultTtlMs: -1 })).rejects.toMatchObject(OUT_OF_RANGE);
    await expect(Cache.start(untyped([]))).rejects.toBeInstanceOf(Error);
    const cache = await Cache.start(
      untyped({ maxSize: undefined, defaultTtlMs: undefined, name: undefined }),
    );
    await expect(Cache.set(cache, untyped(1), 1)).rejects.toMatchObject(INVALID_TYPE);
    await expect(Cache.set(cache, 'a', 1, { ttlMs: -1 })).rejects.toMatchObject(OUT_OF_RANGE);
    await expect(Cache.set(cache, 'a', 1, { ttlMs: Number.NaN })).rejects.toMatchObject(OUT_OF_RANGE);
    await expect(Cache.getOrSet(cache, 'a', untyped('no'))).rejects.toMatchObject(INVALID_TYPE);
    await expect(Cache.getOrSet(cache, untyped({}), () => 1)).rejects.toMatchObject(INVALID_TYPE);
    expect(await Cache.size(cache)).toBe(0);
  });
});
