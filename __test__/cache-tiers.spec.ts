/** `MultiTierCache`: several caches in front of each other. */
import { getEventListeners } from 'node:events';
import { LRUCache, MultiTierCache, type Tier, type TierError } from '../dist/cache';
import { AsyncTier, TimedTier } from './fixtures/tiers';
import { toldBy } from './lib/child';
import { rejection } from './lib/processors';

/** Two caches of one clock that only moves by hand, and a cache of both. */
function timed({ above = 0, below = 0 } = {}) {
  const clock = { now: 1000 };
  const now = () => clock.now;
  const l1 = new LRUCache<string>({ maxSize: 100, maxAge: above, now });
  const l2 = new LRUCache<string>({ maxSize: 100, maxAge: below, now });
  return { clock, l1, l2, cache: new MultiTierCache<string>([l1, l2]) };
}

/** A cache of this process in front of an asynchronous one. */
function twoTiers<V = unknown>(remote: AsyncTier<V> = new AsyncTier<V>(), options?: { timeout?: number }) {
  const local = new LRUCache<string, V>();
  const cache = new MultiTierCache<string, V>([local, remote], options);
  const failures: TierError[] = [];
  cache.on('tierError', (failure) => failures.push(failure));
  return { local, remote, cache, failures };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const never = () => new Promise<never>(() => {});

describe('the tiers', () => {
  test('are two caches of the documented sizes and ages where none are given', () => {
    for (const cache of [new MultiTierCache(), new MultiTierCache([]), new MultiTierCache(undefined, {})]) {
      expect(cache.tiers.map((tier) => [(tier as LRUCache).maxSize, (tier as LRUCache).maxAge])).toEqual([
        [100, 60_000],
        [1000, 300_000],
      ]);
    }
  });

  test('may be asynchronous: a promise is not taken for a value', async () => {
    const { cache, remote, local } = twoTiers();
    expect(await cache.get('absent')).toBeUndefined();
    remote.values.set('far', 1);
    expect(await cache.get('far')).toBe(1);
    expect(local.get('far')).toBe(1);
  });

  test('may be a Map, or a MultiTierCache', async () => {
    const map = new Map<string, unknown>([['old', 1]]);
    const cache = new MultiTierCache<string>([new MultiTierCache<string>(), map]);
    expect(await cache.get('old')).toBe(1);
    await cache.set('new', 2);
    expect(map.get('new')).toBe(2);
    expect(await cache.delete('old')).toBe(true);
    expect((await cache.keys()).sort()).toEqual(['new']);
    expect(cache.getStats()[0]).toMatchObject({ tier: 0, tiers: [{ tier: 0 }, { tier: 1 }] });
  });

  test('whose methods were replaced are asked by their methods', async () => {
    class Noting extends LRUCache<string> {
      readonly noted: string[] = [];
      override get(key: string): unknown {
        this.noted.push(key);
        return super.get(key);
      }
    }
    const noting = new Noting();
    const cache = new MultiTierCache<string>([noting]);
    await cache.set('a', 1);
    expect(await cache.get('a')).toBe(1);
    expect(noting.noted).toEqual(['a']);
  });

  test('give their own figures by index', async () => {
    const { cache, remote } = twoTiers();
    remote.values.set('a', 1);
    await cache.get('a');
    await cache.get('a');
    await cache.get('b');
    const [first, second] = cache.getStats();
    expect(first).toMatchObject({ tier: 0, hits: 1, misses: 2, maxSize: 1000 });
    expect(second).toEqual({ tier: 1, hits: 1, misses: 1, errors: 0 });
  });
});

describe('a read', () => {
  test('copies what it finds to the tiers above with what is left of its time', async () => {
    const { cache, clock, l1, l2 } = timed();
    await cache.set('key', 'value', 1000);
    l1.delete('key');
    clock.now += 400;
    expect(await cache.get('key')).toBe('value');
    expect([l1.ttl('key'), l2.ttl('key')]).toEqual([600, 600]);
    clock.now += 600;
    expect(await cache.get('key')).toBeUndefined();
  });

  test('keeps no copy longer than the maxAge of its tier', async () => {
    const { cache, clock, l1, l2 } = timed({ above: 100 });
    await cache.set('key', 'value', 1000);
    expect([l1.ttl('key'), l2.ttl('key')]).toEqual([100, 1000]);
    clock.now += 950;
    expect(await cache.get('key')).toBe('value');
    expect(l1.ttl('key')).toBe(50);
  });

  test('finds below what has expired above', async () => {
    const { cache, clock, l1 } = timed({ above: 60, below: 300 });
    await cache.set('key', 'value');
    clock.now += 100;
    expect(l1.get('key')).toBeUndefined();
    expect(await cache.get('key')).toBe('value');
    clock.now += 200;
    expect(await cache.get('key')).toBeUndefined();
  });

  test.each([0, '', false, null, Number.NaN])('takes %p for a hit', async (value) => {
    const { cache, remote } = twoTiers();
    remote.values.set('key', value);
    expect(await cache.get('key')).toBe(value);
    expect(await cache.getOrSet('key', () => 'computed')).toBe(value);
    expect(await cache.has('key')).toBe(true);
  });

  test('takes undefined for a value in our caches and for a miss elsewhere', async () => {
    const { cache, l1 } = timed();
    await cache.set('key', undefined);
    l1.delete('key');
    expect(await cache.getOrSet('key', () => 'computed')).toBeUndefined();
    expect(l1.has('key')).toBe(true);

    const { cache: other, remote } = twoTiers();
    remote.values.set('key', undefined);
    expect(await other.getOrSet('key', () => 'computed')).toBe('computed');
  });

  test('learns from entry() how long the copy may live, and falls back to the default of the tier above', async () => {
    const remote = new TimedTier();
    const clock = { now: 0 };
    const local = new LRUCache<string>({ maxAge: 5000, now: () => clock.now });
    const cache = new MultiTierCache<string>([local, remote]);
    const left = async (ttl: number | undefined) => {
      remote.values.set('key', 'value');
      remote.ttl = ttl;
      expect(await cache.get('key')).toBe('value');
      const copy = local.ttl('key');
      local.delete('key');
      return copy;
    };
    expect(await left(1234)).toBe(1234);
    expect(await left(9000)).toBe(5000);
    expect(await left(Infinity)).toBe(5000);
    expect(await left(undefined)).toBe(5000);
    for (const nothingLeft of [0, -1, Number.NaN]) expect(await left(nothingLeft)).toBeUndefined();
  });

  test('asks once for all who want the same key at the same time', async () => {
    const { cache, remote } = twoTiers();
    remote.values.set('key', 'value');
    const reads = Promise.all([cache.get('key'), cache.get('key'), cache.getOrSet('key', () => 'computed')]);
    expect(await reads).toEqual(['value', 'value', 'value']);
    expect(remote.count('get')).toBe(1);
  });

  test('of the tier at the top does not touch the others', async () => {
    const { cache, remote } = twoTiers();
    await cache.set('key', 'value');
    await cache.get('key');
    await cache.getOrSet('key', () => 'computed');
    await cache.has('key');
    expect(remote.calls.map(({ method }) => method)).toEqual(['set']);
  });
});

describe('a write', () => {
  test('is in the caches of this process before set returns, and in all tiers when its promise resolves', async () => {
    const { cache, local, remote } = twoTiers();
    const release = remote.hold('set');
    const written = cache.set('key', 'value', 1000);
    expect(local.get('key')).toBe('value');
    expect(remote.values.has('key')).toBe(false);
    await release();
    expect(await written).toBe(cache);
    expect(remote.values.get('key')).toBe('value');
    expect(remote.calls).toEqual([{ method: 'set', args: ['key', 'value', 1000] }]);
  });

  test('tells a tier its time in milliseconds: Infinity for ever, undefined for the default', async () => {
    const { cache, remote } = twoTiers();
    for (const ttl of [5, 0, Infinity, undefined, null, { ttl: 7 }, {}]) await cache.set('key', 1, ttl);
    const told = remote.calls.map(({ args }) => args[2]);
    expect(told).toEqual([5, Infinity, Infinity, undefined, undefined, 7, undefined]);
  });

  test('from a lower tier on drops the key above, so that no older value hides it', async () => {
    const { cache, l1, l2 } = timed();
    await cache.set('key', 'old');
    await cache.set('key', 'new', { tier: 1 });
    expect([l1.has('key'), l2.get('key')]).toEqual([false, 'new']);
    expect(await cache.get('key')).toBe('new');
  });

  test('of a value too large for one tier is held by the others', async () => {
    const small = new LRUCache<string>({
      maxEntryBytes: 10,
      sizeOf: (value) => String(value).length,
    });
    const big = new LRUCache<string>();
    const cache = new MultiTierCache<string>([small, big]);
    await cache.set('key', 'old');
    await cache.set('key', 'much larger than ten');
    expect(small.has('key')).toBe(false);
    expect(await cache.get('key')).toBe('much larger than ten');

    const alone = new MultiTierCache<string>([small]);
    expect((await rejection(alone.set('key', 'much larger than ten'))).code).toBe(
      'ERR_CACHE_ENTRY_TOO_LARGE',
    );
    expect(await alone.getOrSet('key', () => 'much larger than ten')).toBe('much larger than ten');
  });

  test('of undefined takes the value away where undefined cannot be held', async () => {
    const { cache, local, remote } = twoTiers();
    await cache.set('key', 'old');
    await cache.set('key', undefined);
    expect(remote.values.has('key')).toBe(false);
    local.delete('key');
    expect(await cache.get('key')).toBeUndefined();
  });

  test('reaches a slow tier in the order of the calls', async () => {
    const { cache, remote } = twoTiers<number>();
    const release = remote.hold('set');
    const all = [cache.set('key', 1), cache.set('key', 2), cache.delete('key'), cache.set('key', 3)];
    await nextTurn();
    // The second is not begun before the first has ended: two that are under way could change places.
    expect(remote.calls.length).toBe(1);
    for (let i = 0; i < 3; i++) await release();
    await Promise.all(all);
    expect(remote.values.get('key')).toBe(3);
    expect(remote.calls.map(({ method, args }) => args[1] ?? method)).toEqual([1, 2, 'delete', 3]);
  });

  test('of one key does not wait for those of others', async () => {
    const { cache, remote } = twoTiers<number>();
    const release = remote.hold('set');
    const written = [cache.set('a', 1), cache.set('b', 2)];
    expect(remote.count('set')).toBe(2);
    await release();
    await release();
    await Promise.all(written);
  });

  test('is seen by a read that comes after it, also where no tier is of this process', async () => {
    const remote = new AsyncTier<number>();
    const cache = new MultiTierCache<string, number>([remote]);
    const release = remote.hold('set');
    void cache.set('key', 1);
    const [value, has] = [cache.get('key'), cache.has('key')];
    await release();
    expect(await value).toBe(1);
    expect(await has).toBe(true);
  });

  test('of everything comes after the writes before it and before those after it', async () => {
    const { cache, remote } = twoTiers<number>();
    const release = remote.hold('set');
    const all = [cache.set('a', 1), cache.clear(), cache.set('a', 2), cache.set('b', 3)];
    const keys = cache.keys();
    for (let i = 0; i < 3; i++) await release();
    await Promise.all(all);
    expect([...remote.values]).toEqual([
      ['a', 2],
      ['b', 3],
    ]);
    expect((await keys).sort()).toEqual(['a', 'b']);
  });

  test('delete says whether any tier had the key', async () => {
    const { cache, remote } = twoTiers();
    remote.values.set('far', 1);
    expect([await cache.delete('far'), await cache.delete('far')]).toEqual([true, false]);
    const counting = { get: () => undefined, set: () => {}, delete: (key: string) => key.length };
    const other = new MultiTierCache<string>([counting]);
    expect([await other.delete('key'), await other.delete('')]).toEqual([true, false]);
  });
});

describe('a lookup under way', () => {
  test.each(['delete', 'clear', 'set'] as const)('is overtaken by %s', async (operation) => {
    const { cache, local, remote } = twoTiers<string>();
    remote.values.set('key', 'old');
    const release = remote.hold('get');
    const early = cache.get('key');
    await nextTurn();
    if (operation === 'set') await cache.set('key', 'new');
    else await cache[operation]('key');
    const late = cache.get('key');
    await release();
    // It was asked before, so the old value is an answer; but it is not brought back.
    expect(await early).toBe('old');
    expect(local.get('key')).toBe(operation === 'set' ? 'new' : undefined);
    if (operation !== 'set') await release();
    expect(await late).toBe(operation === 'set' ? 'new' : undefined);
    expect(local.get('key')).toBe(operation === 'set' ? 'new' : undefined);
  });

  test('does not overwrite what was written to the tier itself meanwhile', async () => {
    const { cache, local, remote } = twoTiers<string>();
    remote.values.set('key', 'old');
    const release = remote.hold('get');
    const read = cache.get('key');
    await nextTurn();
    local.set('key', 'new');
    await release();
    expect(await read).toBe('old');
    expect(local.get('key')).toBe('new');
  });

  test('copies to a slow tier before a later write gets there', async () => {
    const slow = new AsyncTier<string>();
    const far = new AsyncTier<string>();
    const cache = new MultiTierCache<string, string>([slow, far]);
    far.values.set('key', 'old');
    const release = slow.hold('set');
    expect(await cache.get('key')).toBe('old');
    const written = cache.set('key', 'new');
    await release();
    await release();
    await written;
    expect(slow.values.get('key')).toBe('new');
  });
});

describe('getOrSet', () => {
  test('computes once for all callers and writes all tiers', async () => {
    const { cache, local, remote } = twoTiers();
    let calls = 0;
    const compute = async () => ++calls;
    const all = Promise.all([1, 2, 3].map(() => cache.getOrSet('key', compute, 1000)));
    expect(await all).toEqual([1, 1, 1]);
    expect([local.get('key'), remote.values.get('key')]).toEqual([1, 1]);
    expect(remote.calls.at(-1)!.args).toEqual(['key', 1, 1000]);
  });

  test('calls compute before it returns where all tiers are of this process', async () => {
    const cache = new MultiTierCache<string, number>();
    let called = false;
    const value = cache.getOrSet('key', () => {
      called = true;
      return 1;
    });
    expect(called).toBe(true);
    expect(await value).toBe(1);
  });

  test('computes undefined once where a tier of this process holds it', async () => {
    const { cache, l2 } = timed();
    const compute = jest.fn(() => undefined);
    await Promise.all([cache.getOrSet('key', compute), cache.getOrSet('key', compute)]);
    await cache.getOrSet('key', compute);
    expect(compute).toHaveBeenCalledTimes(1);
    expect(l2.has('key')).toBe(true);
  });

  test('does not compute what a lower tier has', async () => {
    const { cache, remote } = twoTiers<string>();
    remote.values.set('key', 'value');
    expect(await cache.getOrSet('key', () => Promise.reject(new Error('computed')))).toBe('value');
  });

  test('rejects for all callers where compute fails or throws, and keeps nothing', async () => {
    const { cache, local, remote } = twoTiers();
    for (const compute of [
      () => Promise.reject(new Error('no')),
      () => {
        throw new Error('no');
      },
    ]) {
      const errors = await Promise.all([1, 2].map(() => rejection(cache.getOrSet('key', compute))));
      expect(errors.map(({ message }) => message)).toEqual(['no', 'no']);
    }
    expect([local.size, remote.values.size]).toEqual([0, 0]);
    expect(await cache.getOrSet('key', () => 'again')).toBe('again');
  });

  test.each(['delete', 'clear', 'set'] as const)(
    'does not keep a value that %s has overtaken',
    async (operation) => {
      const { cache, local, remote } = twoTiers<string>();
      let finish!: (value: string) => void;
      const early = cache.getOrSet('key', () => new Promise<string>((resolve) => (finish = resolve)));
      while ((finish as unknown) === undefined) await nextTurn();
      if (operation === 'set') await cache.set('key', 'new');
      else await cache[operation]('key');
      const late = cache.getOrSet('key', () => 'fresh');
      finish('old');
      expect(await early).toBe('old');
      const expected = operation === 'set' ? 'new' : 'fresh';
      expect(await late).toBe(expected);
      expect([local.get('key'), remote.values.get('key')]).toEqual([expected, expected]);
    },
  );

  test('ends the wait of the caller whose signal fires, and of no other', async () => {
    const { cache } = twoTiers<string>();
    const stop = new AbortController();
    let finish!: (value: string) => void;
    const compute = () => new Promise<string>((resolve) => (finish = resolve));
    const first = cache.getOrSet('key', compute, { signal: stop.signal });
    const second = cache.getOrSet('key', compute);
    while ((finish as unknown) === undefined) await nextTurn();
    stop.abort(new Error('enough'));
    expect((await rejection(first)).message).toBe('enough');
    finish('value');
    expect(await second).toBe('value');
    expect(await cache.get('key')).toBe('value');
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);

    const compute2 = jest.fn(() => 'value');
    expect((await rejection(cache.getOrSet('other', compute2, { signal: stop.signal }))).message).toBe(
      'enough',
    );
    expect(compute2).not.toHaveBeenCalled();
  });

  test('waits until the slowest tier has the value', async () => {
    const { cache, remote } = twoTiers<string>();
    const release = remote.hold('set');
    let isDone = false;
    const value = cache.getOrSet('key', () => 'value').finally(() => (isDone = true));
    while (remote.count('set') === 0) await nextTurn();
    await nextTurn();
    expect(isDone).toBe(false);
    await release();
    expect(await value).toBe('value');
  });

  test('answers an expired value at once while one computation renews it', async () => {
    const { cache, clock } = timed();
    const options = { ttl: 100, staleWhileRevalidate: 50 };
    await cache.getOrSet('key', () => 'old', options);
    clock.now += 120;
    let finish!: (value: string) => void;
    const compute = jest.fn(() => new Promise<string>((resolve) => (finish = resolve)));
    expect(await cache.getOrSet('key', compute, options)).toBe('old');
    expect(await cache.getOrSet('key', compute, options)).toBe('old');
    expect(compute).toHaveBeenCalledTimes(1);
    expect(await cache.get('key')).toBeUndefined();
    finish('new');
    await nextTurn();
    expect(await cache.get('key')).toBe('new');
    clock.now += 151;
    expect(await cache.getOrSet('key', () => 'newest', options)).toBe('newest');
  });

  test('answers an expired value where the computation fails, and tells of the failure', async () => {
    const { cache, clock } = timed();
    const told: unknown[] = [];
    cache.on('refreshError', (failure) => told.push(failure));
    const options = { ttl: 100, staleIfError: 50 };
    await cache.getOrSet('key', () => 'old', options);
    clock.now += 120;
    const error = new Error('no');
    const fail = () => Promise.reject(error);
    expect(await cache.getOrSet('key', fail, options)).toBe('old');
    expect(await cache.getOrSet('key', fail, { ...options, staleWhileRevalidate: 50 })).toBe('old');
    await nextTurn();
    expect(told).toEqual([
      { key: 'key', error },
      { key: 'key', error },
    ]);
    clock.now += 31;
    expect(await rejection(cache.getOrSet('key', fail, options))).toBe(error);
  });
});

describe('with a shared tier', () => {
  const shared = <K = string>(name: string) => new LRUCache<K>({ shared: true, name: `tiers ${name}` });

  test('computes once for all threads, and each has its copy above', async () => {
    const told = await toldBy(`
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const thread = (memory) => {
        const { parentPort, workerData: words } = require('node:worker_threads');
        const { LRUCache, MultiTierCache } = require('./dist/cache');
        const local = new LRUCache();
        const far = new Map();
        const cache = new MultiTierCache([local, new LRUCache({ shared: true, name: 'once' }), far]);
        parentPort.once('message', async () => {
          const compute = async () => {
            Atomics.add(words, 0, 1);
            await new Promise((resolve) => setTimeout(resolve, 50));
            return { computed: true };
          };
          const value = await cache.getOrSet('key', compute, 60000);
          parentPort.postMessage([value, local.peek('key'), local.ttl('key') <= 60000, far.size]);
          parentPort.close();
        });
        parentPort.postMessage('ready');
      };
      const words = new Int32Array(new SharedArrayBuffer(4));
      const workers = [1, 2, 3].map(() => new Worker('(' + thread + ')()', { eval: true, workerData: words }));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      for (const worker of workers) worker.postMessage('go');
      const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
      await tell(words[0]);
      await tell(answers.map(([answer]) => answer));
    `);
    const [count, answers] = told as [number, [unknown, unknown, boolean, number][]];
    expect(count).toBe(1);
    const value = { computed: true };
    expect(answers.map((answer) => answer.slice(0, 3))).toEqual([1, 2, 3].map(() => [value, value, true]));
    // The tiers that are not shared are written by the thread that computed.
    expect(answers.reduce((sum, answer) => sum + answer[3], 0)).toBe(1);
  });

  test('does not keep a value whose key was changed in the shared tier meanwhile', async () => {
    const tier = shared('changed');
    const far = new Map<string, unknown>();
    const local = new LRUCache<string>();
    const cache = new MultiTierCache<string>([local, tier, far]);
    let finish!: (value: string) => void;
    const value = cache.getOrSet('key', () => new Promise((resolve) => (finish = resolve)));
    while ((finish as unknown) === undefined) await nextTurn();
    shared('changed').delete('key');
    finish('old');
    expect(await value).toBe('old');
    expect([local.has('key'), tier.has('key'), far.has('key')]).toEqual([false, false, false]);
  });

  test('goes on without it for keys and values that cannot leave the isolate', async () => {
    const tier = shared<unknown>('opaque');
    const local = new LRUCache();
    const cache = new MultiTierCache([local, tier]);
    const failures: TierError[] = [];
    cache.on('tierError', (failure) => failures.push(failure));
    const opaque = () => 1;
    expect(await cache.getOrSet('key', () => opaque)).toBe(opaque);
    expect(await cache.getOrSet(opaque, () => 'value')).toBe('value');
    expect([local.get('key'), local.get(opaque)]).toEqual([opaque, 'value']);
    expect(new Set(failures.map(({ tier: index }) => index))).toEqual(new Set([1]));
    expect(await rejection(cache.getOrSet('fails', () => Promise.reject(new Error('no'))))).toMatchObject({
      message: 'no',
    });
  });
});

test('memoized functions keep `this`, answer from all tiers and do not collide', async () => {
  const { cache, remote } = twoTiers();
  const calls: unknown[] = [];
  const shop = {
    tax: 2,
    price: cache.memoize(function (this: { tax: number }, net: number) {
      calls.push(net);
      return net * this.tax;
    }),
    label: cache.memoize((net: number) => `${net} net`),
  };
  expect(await shop.price(5)).toBe(10);
  expect(await shop.price(5)).toBe(10);
  expect(await shop.label(5)).toBe('5 net');
  expect(calls).toEqual([5]);
  expect(remote.values.size).toBe(2);
});

describe('a tier that fails', () => {
  const down = new Error('down');

  test('does not fail a read: the next one is asked, and an event tells', async () => {
    const remote = new AsyncTier();
    const last = new LRUCache<string>();
    const broken = {
      get() {
        throw down;
      },
      set: () => {},
      delete: () => false,
    };
    const cache = new MultiTierCache<string>([remote, broken, last]);
    const failures: TierError[] = [];
    cache.on('tierError', (failure) => failures.push(failure));
    remote.fail('get', down);
    last.set('key', 'value');
    expect(await cache.get('key')).toBe('value');
    expect(failures).toEqual([
      { tier: 0, operation: 'get', error: down },
      { tier: 1, operation: 'get', error: down },
    ]);
    expect(await cache.has('key')).toBe(true);
    expect(await cache.get('absent')).toBeUndefined();
    expect(cache.getStats()[0]).toMatchObject({ errors: 3 });
  });

  test('does not fail getOrSet, whether it cannot read or cannot write', async () => {
    const { cache, remote, local, failures } = twoTiers<string>();
    remote.fail('get', down);
    remote.fail('set', down);
    expect(await cache.getOrSet('key', () => 'value')).toBe('value');
    expect(local.get('key')).toBe('value');
    expect(failures.map(({ operation }) => operation)).toEqual(['get', 'set']);
  });

  test('does not fail a read where it cannot take the copy', async () => {
    const near = new AsyncTier();
    const far = new AsyncTier();
    const cache = new MultiTierCache<string>([near, far]);
    const told = new Promise((resolve) => cache.once('tierError', resolve));
    near.fail('set', down);
    far.values.set('key', 'value');
    expect(await cache.get('key')).toBe('value');
    expect(await told).toEqual({ tier: 0, operation: 'promote', error: down });
  });

  test('rejects a write with its error once the others have the value', async () => {
    const { cache, remote, local, failures } = twoTiers<string>();
    remote.fail('set', down);
    remote.fail('delete', down);
    remote.fail('clear', down);
    expect(await rejection(cache.set('key', 'value'))).toBe(down);
    expect(local.get('key')).toBe('value');
    expect(await rejection(cache.delete('key'))).toBe(down);
    expect(local.has('key')).toBe(false);
    expect(await rejection(cache.clear())).toBe(down);
    expect(failures.map(({ operation }) => operation)).toEqual(['set', 'delete', 'clear']);
  });

  test('together with another rejects a write with an AggregateError of both', async () => {
    const tiers = [new AsyncTier<number>(), new AsyncTier<number>()];
    for (const tier of tiers) tier.fail('set', down);
    const error = await rejection(new MultiTierCache<string, number>(tiers).set('key', 1));
    expect(error).toMatchObject({
      name: 'AggregateError',
      code: 'ERR_CACHE_TIERS_FAILED',
      errors: [down, down],
    });
  });

  test('by hanging is given up after `timeout`', async () => {
    const hanging = { get: never, set: never, delete: never, clear: never };
    const local = new LRUCache<string>();
    const cache = new MultiTierCache<string>([local, hanging], { timeout: 20 });
    const failures: TierError[] = [];
    cache.on('tierError', (failure) => failures.push(failure));
    expect(await cache.get('key')).toBeUndefined();
    expect(await cache.getOrSet('key', () => 'value')).toBe('value');
    const error = await rejection(cache.delete('key'));
    expect(error).toMatchObject({
      name: 'NoizylabError',
      code: 'ERR_CACHE_TIER_TIMEOUT',
      message: 'tiers[1].delete did not answer within 20 ms',
    });
    expect(failures.map(({ operation }) => operation)).toEqual(['get', 'get', 'set', 'delete']);
  });

  test('within its time answers with any value, a function too', async () => {
    const value = () => 'not called';
    const cache = new MultiTierCache<string>([new Map([['key', value]])], { timeout: 1000 });
    expect(await cache.get('key')).toBe(value);
  });

  test('for want of clear rejects clear, when the others are empty', async () => {
    const local = new LRUCache<string>();
    const poor = { get: () => undefined, set: () => {}, delete: () => false };
    const cache = new MultiTierCache<string>([local, poor]);
    await cache.set('key', 1);
    expect(await rejection(cache.clear())).toMatchObject({
      code: 'ERR_CACHE_NOT_SUPPORTED',
      message: 'tiers[1] has no method clear',
    });
    expect(local.size).toBe(0);
    expect((await rejection(cache.keys())).code).toBe('ERR_CACHE_NOT_SUPPORTED');
  });

  test('and a listener that throws: the read goes on, and the error is uncaught', async () => {
    const told = await toldBy(`
      const { MultiTierCache } = require('./dist/cache');
      const broken = { get() { throw new Error('down'); }, set() {}, delete() {} };
      const cache = new MultiTierCache([broken, new Map([['key', 'value']])]);
      cache.on('tierError', () => { throw new Error('listener'); });
      const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
      await tell(await cache.get('key'));
      await tell((await uncaught).message);
      process.disconnect();
    `);
    expect(told).toEqual(['value', 'listener']);
  });
});

describe('a storm of calls', () => {
  /** Park and Miller's generator: the same numbers in every run. */
  const random = (seed: number) => (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;

  /** A store whose every call takes another time, so that calls overtake each other where nobody keeps them in order. */
  class Erratic implements Tier<string, number> {
    readonly values = new Map<string, number>();
    constructor(private readonly dice: (below: number) => number) {}

    async get(key: string): Promise<number | undefined> {
      const found = this.values.get(key);
      await this.#pause();
      return found;
    }

    async set(key: string, value: number): Promise<void> {
      await this.#pause();
      this.values.set(key, value);
    }

    async delete(key: string): Promise<boolean> {
      await this.#pause();
      return this.values.delete(key);
    }

    async clear(): Promise<void> {
      await this.#pause();
      this.values.clear();
    }

    async #pause(): Promise<void> {
      for (let turns = this.dice(4); turns > 0; turns--) await nextTurn();
    }
  }

  test.each([1, 2, 3, 4, 5])(
    'gives nobody a value that was written over or deleted before the call, and leaves none behind (seed %i)',
    async (seed) => {
      const dice = random(seed);
      const tiers = [
        new LRUCache<string, number>({ maxSize: 2 }),
        new Erratic(dice),
        new Erratic(dice),
      ] as const;
      const cache = new MultiTierCache<string, number>(tiers);
      const keys = ['a', 'b', 'c', 'd'];
      // Values are the times at which they were made. A value is out of date where the key was changed later.
      let time = 0;
      const changed = new Map(keys.map((key) => [key, 0]));
      // Whether the last change of a key was a write.
      const written = new Map<string, boolean>();
      const outOfDate: unknown[] = [];
      const read = async (operation: string, key: string, value: Promise<number | undefined>) => {
        const least = changed.get(key)!;
        const got = await value;
        if (got !== undefined && got < least) outOfDate.push({ operation, key, got, least });
      };

      const calls: Promise<unknown>[] = [];
      for (let call = 0; call < 3000; call++) {
        const key = keys[dice(keys.length)]!;
        const compute = async () => {
          const value = ++time;
          await nextTurn();
          return value;
        };
        const kind = dice(20);
        if (kind < 8) calls.push(read('get', key, cache.get(key)));
        else if (kind < 14) calls.push(read('getOrSet', key, cache.getOrSet(key, compute)));
        else if (kind < 19) {
          changed.set(key, ++time);
          written.set(key, kind < 17);
          calls.push(kind < 17 ? cache.set(key, time) : cache.delete(key));
        } else if (dice(3) === 0) {
          time++;
          for (const each of keys) changed.set(each, time);
          written.clear();
          calls.push(cache.clear());
        }
        if (dice(3) === 0) await nextTurn();
      }
      await Promise.all(calls);
      for (const key of keys) {
        const last = await cache.get(key);
        if (last === undefined && written.get(key)) outOfDate.push({ lost: key });
        for (const [tier, value] of [
          tiers[0].peek(key),
          tiers[1].values.get(key),
          tiers[2].values.get(key),
        ].entries()) {
          if (value !== undefined && value < changed.get(key)!) outOfDate.push({ tier, key, value });
        }
      }
      expect(outOfDate).toEqual([]);
    },
  );
});

describe('bad arguments', () => {
  test.each([
    [[1], 'ERR_CACHE_INVALID_TYPE', 'tiers must be an array'],
    [[[null]], 'ERR_CACHE_INVALID_TYPE', 'tiers[0] must be a cache'],
    [[[new Map(), {}]], 'ERR_CACHE_INVALID_TYPE', 'tiers[1].get must be a function'],
    [[[{ get() {}, set() {}, delete() {}, clear: 1 }]], 'ERR_CACHE_INVALID_TYPE', 'tiers[0].clear must be'],
    [[[], 5], 'ERR_CACHE_INVALID_TYPE', 'options must be an object'],
    [[[], { timeout: 0 }], 'ERR_CACHE_OUT_OF_RANGE', 'timeout must be a number above 0'],
    [[[], { timeout: '5' }], 'ERR_CACHE_INVALID_TYPE', 'timeout must be a number'],
    [[[], { timeout: 2 ** 31 }], 'ERR_CACHE_OUT_OF_RANGE', 'timeout must be a number'],
  ])('of the constructor are refused: %p', (args, code, message) => {
    const construct = () => new MultiTierCache(...(args as []));
    expect(construct).toThrow(message);
    expect(construct).toThrow(expect.objectContaining({ code }));
  });

  test.each([-1, Number.NaN, { ttl: -1 }, { tier: 2 }, { tier: -1 }, { tier: 0.5 }])(
    'of set reject with a RangeError and write nothing: %p',
    async (given) => {
      const { cache, l1 } = timed();
      expect(await rejection(cache.set('key', 1, given))).toMatchObject({
        name: 'RangeError',
        code: 'ERR_CACHE_OUT_OF_RANGE',
      });
      expect(l1.size).toBe(0);
    },
  );

  test.each([
    ['no function', undefined, undefined],
    ['a ttl of text', () => 1, '5'],
    ['a signal that is none', () => 1, { signal: {} }],
  ])('of getOrSet reject: %s', async (_, compute, options) => {
    const { cache } = timed();
    const error = await rejection(cache.getOrSet('key', compute as () => unknown, options as never));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_CACHE_INVALID_TYPE' });
  });
});
