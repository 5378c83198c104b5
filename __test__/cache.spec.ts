/** `LRUCache`: entries, order, times, bytes, events, dumps; computations and memoized functions are in `cache-flights`. */
import { once } from 'node:events';
import { runInNewContext } from 'node:vm';
import { LRUCache } from '../dist/cache';
import { INVALID_OPTION, INVALID_TYPE, OUT_OF_RANGE, TOO_LARGE, timed, watch } from './fixtures/cache';
import { untyped } from './fixtures/parallel';
import { toldBy } from './lib/child';

/** A value that takes so many bytes with `sizeOf: (value) => value.bytes`. */
const weighing = (bytes: number) => ({ bytes });
const sizeOf = (value: { bytes: number }): number => value.bytes;

/** The error that `call` throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

describe('entries', () => {
  test('set returns the cache, get the very value, and undefined where there is none', () => {
    const cache = new LRUCache<string, object>({ maxSize: 1000, maxAge: 60000 });
    const value = { name: 'a' };
    expect(cache.set('a', value)).toBe(cache);
    expect(cache.get('a')).toBe(value);
    expect(cache.get('b')).toBeUndefined();
  });

  test('keys are told apart as in a Map: by identity, by type, NaN and 0 as one each', () => {
    const cache = new LRUCache<unknown, string>();
    const object = {};
    const symbol = Symbol('key');
    for (const key of [object, symbol, 1, '1', Number.NaN, undefined, null, -0]) cache.set(key, typeof key);
    expect(cache.size).toBe(8);
    expect([cache.get(object), cache.get({}), cache.get(symbol)]).toEqual(['object', undefined, 'symbol']);
    expect([cache.get(1), cache.get('1'), cache.get(Number.NaN)]).toEqual(['number', 'string', 'number']);
    expect([cache.get(undefined), cache.get(null), cache.get(0)]).toEqual(['undefined', 'object', 'number']);
  });

  test('undefined is a value', () => {
    const cache = new LRUCache<string, undefined>();
    cache.set('a', undefined);
    expect([cache.has('a'), cache.size, cache.get('a')]).toEqual([true, 1, undefined]);
    expect(cache.getStats()).toMatchObject({ hits: 1, misses: 0 });
  });

  test('delete tells whether there was an entry, clear takes all of them', () => {
    const cache = new LRUCache<string, number>().set('a', 1).set('b', 2);
    expect([cache.delete('a'), cache.delete('a'), cache.has('a')]).toEqual([true, false, false]);
    expect(cache.clear()).toBe(cache);
    expect([cache.size, cache.get('b')]).toEqual([0, undefined]);
    expect(cache.set('c', 3).get('c')).toBe(3);
  });

  test('a cache of many more entries than it was made for at first keeps every one of them', () => {
    const cache = new LRUCache<number, number>({ maxSize: 100_000 });
    for (let key = 0; key < 100_000; key++) cache.set(key, -key);
    expect(cache.size).toBe(100_000);
    for (let key = 0; key < 100_000; key++) if (cache.get(key) !== -key) throw new Error(`lost ${key}`);
    expect([...cache.keys()].slice(0, 2)).toEqual([99_999, 99_998]);
  });
});

describe('order', () => {
  test('the least recently used entry leaves first; get and set are uses, has and peek are not', () => {
    const cache = new LRUCache<string, number>({ maxSize: 3 }).set('a', 1).set('b', 2).set('c', 3);
    cache.get('a');
    cache.set('b', 4);
    cache.has('c');
    expect(cache.peek('c')).toBe(3);
    cache.set('d', 5);
    expect([...cache]).toEqual([
      ['d', 5],
      ['b', 4],
      ['a', 1],
    ]);
  });

  test('a cache of one entry holds the last', () => {
    const cache = new LRUCache<string, number>({ maxSize: 1 });
    for (const key of ['a', 'b', 'b', 'c']) cache.set(key, 1);
    expect([...cache.keys()]).toEqual(['c']);
  });

  test('keys, values and entries go from the most recently used on and are no uses', () => {
    const cache = new LRUCache<string, number>().set('a', 1).set('b', 2).set('c', 3);
    cache.get('a');
    expect([...cache.keys()]).toEqual(['a', 'c', 'b']);
    expect([...cache.values()]).toEqual([1, 3, 2]);
    expect([...cache.entries()]).toEqual([...cache]);
    expect([...cache.keys()]).toEqual(['a', 'c', 'b']);
    expect(cache.getStats().hits).toBe(1);
  });

  test('an iteration goes on through writes, deletions and thousands of uses, and meets no key twice', () => {
    const cache = new LRUCache<number, number>({ maxSize: 100 });
    for (let key = 0; key < 100; key++) cache.set(key, key);
    const met: number[] = [];
    for (const key of cache.keys()) {
      met.push(key);
      for (let use = 0; use < 1000; use++) cache.get(50 - (use % 50));
      cache.delete(key - 1);
      cache.set(1000 + key, 0);
      cache.set(key, -key);
    }
    expect(met).toEqual([...new Set(met)]);
    expect(met.filter((key) => key > 99)).toEqual([]);
    expect(met.slice(0, 3)).toEqual([99, 97, 95]);
  });

  test('clear during an iteration ends it', () => {
    const cache = new LRUCache<number, number>().set(1, 1).set(2, 2);
    const met: number[] = [];
    for (const key of cache.keys()) {
      met.push(key);
      cache.clear();
    }
    expect(met).toEqual([2]);
  });
});

describe('times', () => {
  test('maxAge counts from the write, however often the entry is read', () => {
    const { cache, clock } = timed({ maxAge: 60 });
    cache.set('a', 1);
    for (let i = 0; i < 5; i++) {
      clock.time += 10;
      expect(cache.get('a')).toBe(1);
    }
    clock.time += 9;
    expect(cache.get('a')).toBe(1);
    clock.time += 1;
    expect(cache.get('a')).toBeUndefined();
  });

  test('with updateAgeOnGet a hit starts the time again; has and peek do not', () => {
    const { cache, clock } = timed({ maxAge: 60, updateAgeOnGet: true });
    cache.set('a', 1).set('b', 2).set('c', 3, 20);
    clock.time += 15;
    cache.get('c');
    for (let i = 0; i < 3; i++) {
      clock.time += 19;
      expect([cache.get('a'), cache.has('b'), cache.peek('b')]).toEqual(
        [1, true, 2].map((v, n) => (i < 2 || n === 0 ? v : n === 1 ? false : undefined)),
      );
    }
    expect(cache.get('c')).toBeUndefined();
    expect(cache.ttl('a')).toBe(60);
  });

  test('a ttl of its own is shorter or longer than maxAge, and works without maxAge', () => {
    const { cache, clock } = timed({ maxAge: 100 });
    cache.set('short', 1, 10).set('usual', 1).set('long', 1, 200).set('zero', 1, 0).set('ever', 1, Infinity);
    cache.set('null', 1, null).set('undefined', 1, undefined);
    clock.time += 10;
    expect([...cache.keys()]).toEqual(['undefined', 'null', 'ever', 'zero', 'long', 'usual']);
    clock.time += 90;
    expect([...cache.keys()]).toEqual(['ever', 'zero', 'long']);
    clock.time += 1e12;
    expect([...cache.keys()]).toEqual(['ever', 'zero']);

    const { cache: ageless, clock: other } = timed();
    ageless.set('a', 1, 5).set('b', 2);
    other.time += 5;
    expect([ageless.get('a'), ageless.get('b')]).toEqual([undefined, 2]);
  });

  test('what has expired is nowhere: get, has, peek, size, keys, ttl, delete, dump', () => {
    const { cache, clock } = timed();
    cache.set('a', 1, 10);
    clock.time += 10;
    expect([cache.has('a'), cache.peek('a'), cache.ttl('a'), [...cache]]).toEqual([
      false,
      undefined,
      undefined,
      [],
    ]);
    expect(cache.delete('a')).toBe(false);
    cache.set('a', 1, 10);
    clock.time += 10;
    expect([cache.get('a'), cache.size, cache.dump()]).toEqual([undefined, 0, []]);
  });

  test('ttl tells what is left, Infinity for ever', () => {
    const { cache, clock } = timed();
    cache.set('a', 1, 10).set('b', 1);
    clock.time += 4;
    expect([cache.ttl('a'), cache.ttl('b'), cache.ttl('c')]).toEqual([6, Infinity, undefined]);
  });

  test('a write starts the time anew: later, sooner, or never', () => {
    const { cache, clock } = timed();
    for (const key of ['later', 'sooner', 'never']) cache.set(key, 1, 50);
    cache.set('later', 2, 100).set('sooner', 2, 10).set('never', 2);
    clock.time += 50;
    expect([...cache.keys()]).toEqual(['never', 'later']);
    clock.time += 50;
    expect([...cache.keys()]).toEqual(['never']);
  });

  test('expired entries leave before live ones when room is needed, whatever was used last', () => {
    const { cache, clock } = timed({ maxSize: 3 });
    const left = watch(cache);
    cache.set('live', 1).set('other', 2).set('short', 3, 10);
    cache.get('short');
    clock.time += 10;
    cache.set('new', 4);
    expect(left).toEqual([['short', 3, 'expired']]);
    expect([...cache.keys()]).toEqual(['new', 'other', 'live']);
  });

  test('a clock that does not give a number is refused at its first use', () => {
    const cache = new LRUCache({ now: () => Number.NaN });
    expect(thrownBy(() => cache.set('a', 1, 10))).toMatchObject(OUT_OF_RANGE);
    expect(thrownBy(() => new LRUCache({ now: untyped(() => '1') }).set('a', 1, 10))).toMatchObject(
      INVALID_TYPE,
    );
    expect(cache.size).toBe(0);
  });

  // A cache that only waits for itself is one that nobody holds, and may be collected: this one is held from outside.
  const held: { cache?: LRUCache<string, number> } = {};
  test('by its own clock, expired entries leave without a call, and are told', async () => {
    const cache = (held.cache = new LRUCache<string, number>({ maxAge: 5 }));
    const keepAlive = setInterval(() => {}, 1000);
    try {
      const left = once(cache, 'eviction');
      cache.set('a', 1);
      expect(await left).toEqual(['a', 1, 'expired']);
    } finally {
      clearInterval(keepAlive);
    }
    expect(cache.getStats()).toMatchObject({ expirations: 1, evictions: 0, size: 0 });
  });

  test('the timer keeps neither the process alive nor a cache that nobody holds', async () => {
    const told = await toldBy(
      `const { LRUCache } = core.LRUCache ? core : require('./dist/cache');
       const gone = new Promise((resolve) => {
         globalThis.registry = new FinalizationRegistry(resolve);
       });
       (() => {
         const value = { big: new Array(1000) };
         globalThis.registry.register(value, 'collected');
         new LRUCache({ maxAge: 100_000 }).set('a', value);
         globalThis.kept = new LRUCache({ maxAge: 100_000 }).set('a', 1);
       })();
       const busy = setInterval(gc, 5);
       await tell(await gone);
       clearInterval(busy);
       process.disconnect();`,
      { nodeArgs: ['--expose-gc'] },
    );
    expect(told).toEqual(['collected']);
  });
});

describe('bytes', () => {
  test('maxBytes holds after each write; the least recently used entries make room', () => {
    const cache = new LRUCache<string, { bytes: number }>({ maxBytes: 100, sizeOf });
    const left = watch(cache);
    cache.set('a', weighing(40)).set('b', weighing(40));
    cache.get('a');
    cache.set('c', weighing(30));
    expect([...cache.keys()]).toEqual(['c', 'a']);
    expect(cache.bytes).toBe(70);
    cache.set('a', weighing(100));
    expect([...cache.keys()]).toEqual(['a']);
    expect(left.map(([key, , reason]) => [key, reason])).toEqual([
      ['b', 'bytes'],
      ['c', 'bytes'],
    ]);
    cache.delete('a');
    expect(cache.bytes).toBe(0);
  });

  test('an entry that is too large is refused, and what was there stays', () => {
    const cache = new LRUCache<string, { bytes: number }>({ maxBytes: 100, maxEntryBytes: 50, sizeOf });
    cache.set('a', weighing(50)).set('b', weighing(50));
    expect(thrownBy(() => cache.set('a', weighing(51)))).toMatchObject(TOO_LARGE);
    expect(thrownBy(() => cache.set('c', weighing(101)))).toMatchObject(TOO_LARGE);
    expect([cache.get('a'), cache.size, cache.bytes, cache.getStats().sets]).toEqual([
      weighing(50),
      2,
      100,
      2,
    ]);
    const whole = new LRUCache<string, { bytes: number }>({ maxBytes: 100, sizeOf });
    expect(thrownBy(() => whole.set('a', weighing(101)))).toMatchObject(TOO_LARGE);
    expect(whole.set('a', weighing(100)).size).toBe(1);
  });

  test('maxEntryBytes works without maxBytes, and maxSize besides maxBytes', () => {
    const cache = new LRUCache<string, { bytes: number }>({ maxEntryBytes: 10, sizeOf, maxSize: 2 });
    expect(thrownBy(() => cache.set('a', weighing(11)))).toMatchObject(TOO_LARGE);
    cache.set('a', weighing(10)).set('b', weighing(10)).set('c', weighing(10));
    expect([cache.size, cache.bytes]).toEqual([2, 20]);
  });

  test('expired entries count until they leave, and leave first', () => {
    const { cache, clock } = timed<string, { bytes: number }>({ maxBytes: 100, sizeOf });
    cache.set('live', weighing(50)).set('short', weighing(50), 10);
    clock.time += 10;
    cache.set('new', weighing(50));
    expect([...cache.keys()]).toEqual(['new', 'live']);
    expect(cache.bytes).toBe(100);
  });

  test('an estimate counts key and value: one or two bytes a character, the bytes of buffers, what objects hold', () => {
    const bytes = (value: unknown, key: unknown = 'key'): number =>
      new LRUCache({ maxBytes: 1e9 }).set(key, value).bytes;
    const least = bytes(1);
    expect(least).toBeGreaterThan(50);
    expect(least).toBeLessThan(300);
    const near = (value: unknown, expected: number): void => {
      expect(bytes(value) - least).toBeGreaterThanOrEqual(expected);
      expect(bytes(value) - least).toBeLessThan(expected * 1.2 + 300);
    };
    near('x'.repeat(10_000), 10_000);
    near('é'.repeat(10_000), 10_000);
    near('€'.repeat(10_000), 20_000);
    near(Buffer.alloc(10_000), 10_000);
    near(Buffer.alloc(10_000).subarray(0, 5000), 5000);
    near(new Float64Array(1000), 8000);
    near(new ArrayBuffer(5000), 5000);
    near({ a: 'x'.repeat(3000), b: { c: ['y'.repeat(2000)] } }, 5000);
    near(new Map([['x'.repeat(1000), 'y'.repeat(2000)]]), 3000);
    near(new Set(['x'.repeat(1000)]), 1000);
    near(
      Array.from({ length: 1000 }, (_, i) => i),
      8000,
    );
    near(2n ** 80_000n, 10_000);
    expect(bytes(1, 'x'.repeat(5000)) - least).toBeGreaterThan(4900);
  });

  test('an estimate goes through what is circular, endless, absurd or hostile, and calls nothing', () => {
    const called: string[] = [];
    const circular: Record<string, unknown> = { text: 'x'.repeat(1000) };
    circular['self'] = circular;
    circular['list'] = [circular, new Map([[circular, new Set([circular])]])];
    let deep: unknown = null;
    for (let i = 0; i < 100_000; i++) deep = { deep };
    const trap = (name: string) => () => {
      called.push(name);
      throw new Error(name);
    };
    const proxy = new Proxy(
      {},
      {
        get: trap('get'),
        ownKeys: trap('ownKeys'),
        getPrototypeOf: trap('getPrototypeOf'),
        getOwnPropertyDescriptor: trap('descriptor'),
      },
    );
    const getter = {
      get value() {
        return trap('getter')();
      },
    };
    class Hostile extends Map {
      override entries = trap('entries');
      override get size(): number {
        return trap('size')();
      }
      override [Symbol.iterator] = trap('iterator');
    }
    const foreign = runInNewContext('({ list: [1, "two", new Map([[1, new Uint8Array(100)]])] })');
    const values = [
      circular,
      deep,
      proxy,
      [proxy],
      getter,
      new Hostile(),
      foreign,
      Array.from({ length: 1e6 }),
      trap,
      Symbol('s'),
      Number.NaN,
      new WeakMap(),
      new Date(),
      /x/,
      new Error('e'),
      Promise.resolve(),
      Object.freeze([1]),
      new SharedArrayBuffer(8),
      new (class {
        #x = 1;
        x = () => this.#x;
      })(),
      null,
      undefined,
      true,
      -0,
    ];
    for (const value of values) {
      const { bytes } = new LRUCache({ maxBytes: 1e12 }).set('a', value);
      expect(Number.isFinite(bytes) && bytes > 0).toBe(true);
    }
    expect(called).toEqual([]);
  });

  test('an estimate of a million parts is made by a part of them', () => {
    const records = Array.from({ length: 200_000 }, (_, id) => ({ id, name: `name ${id}` }));
    const part = new LRUCache({ maxBytes: 1e12 }).set('a', records.slice(0, 2000)).bytes;
    const all = new LRUCache({ maxBytes: 1e12 }).set('a', records).bytes;
    expect(all / part).toBeGreaterThan(80);
    expect(all / part).toBeLessThan(120);
  });

  test('a sizeOf that gives no number of bytes is refused, one that throws throws; the cache is as it was', () => {
    const results: unknown[] = [-1, Number.NaN, Infinity, '5', undefined];
    for (const result of results) {
      const cache = new LRUCache({ maxBytes: 100, sizeOf: untyped(() => result) });
      expect(thrownBy(() => cache.set('a', 1))).toMatchObject(
        typeof result === 'number' ? OUT_OF_RANGE : INVALID_TYPE,
      );
      expect([cache.size, cache.bytes]).toEqual([0, 0]);
    }
    const failing = new LRUCache({
      sizeOf: () => {
        throw new Error('mine');
      },
    });
    expect(() => failing.set('a', 1)).toThrow('mine');
    expect(failing.size).toBe(0);
  });
});

describe('figures', () => {
  test('getStats counts and gives numbers', () => {
    const { cache, clock } = timed<string, number>({ maxSize: 2, maxAge: 10 });
    expect(cache.getStats()).toEqual({
      hits: 0,
      misses: 0,
      sets: 0,
      evictions: 0,
      expirations: 0,
      staleHits: 0,
      refreshErrors: 0,
      tooLarge: 0,
      hitRate: 0,
      size: 0,
      maxSize: 2,
      bytes: 0,
      maxBytes: Infinity,
    });
    cache.set('a', 1).set('b', 2).set('c', 3);
    for (const key of ['a', 'b', 'c', 'c']) cache.get(key);
    expect(cache.getStats()).toMatchObject({
      hits: 3,
      misses: 1,
      hitRate: 0.75,
      sets: 3,
      evictions: 1,
      size: 2,
    });
    clock.time += 10;
    cache.get('b');
    expect(cache.getStats()).toMatchObject({
      hits: 3,
      misses: 2,
      hitRate: 0.6,
      expirations: 2,
      evictions: 1,
      size: 0,
    });
  });

  test('hits are counted however many there are, through clear, and by nothing else', () => {
    const cache = new LRUCache<number, number>({ maxSize: 10 });
    for (let key = 0; key < 10; key++) cache.set(key, key);
    for (let use = 0; use < 12_345; use++) cache.get(use % 10);
    cache.has(1);
    cache.peek(1);
    cache.clear();
    cache.set(1, 1).get(1);
    expect(cache.getStats()).toMatchObject({ hits: 12_346, misses: 0, sets: 11 });
  });

  test('the limits in force can be read', () => {
    expect(new LRUCache()).toMatchObject({ maxSize: 1000, maxAge: 0, maxBytes: Infinity });
    expect(new LRUCache({ maxSize: undefined, maxAge: undefined })).toMatchObject({
      maxSize: 1000,
      maxAge: 0,
    });
    expect(new LRUCache({ maxSize: 5, maxAge: 7, maxBytes: 9 })).toMatchObject({
      maxSize: 5,
      maxAge: 7,
      maxBytes: 9,
    });
    expect(new LRUCache({ maxAge: Infinity }).maxAge).toBe(0);
  });
});

describe('events', () => {
  test('eviction tells key, value and reason; not for delete, clear or a newer value', () => {
    const { cache, clock } = timed<string, number>({ maxSize: 2 });
    const left = watch(cache);
    cache.set('a', 1).set('b', 2).set('b', 3).set('c', 4, 10);
    cache.delete('b');
    clock.time += 10;
    cache.get('c');
    cache.set('d', 5).clear();
    expect(left).toEqual([
      ['a', 1, 'size'],
      ['c', 4, 'expired'],
    ]);
  });

  test.each(['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const)(
    'a listener that is added by %s is told',
    (add) => {
      const cache = new LRUCache<string, number>({ maxSize: 1 }).set('a', 1);
      const seen: unknown[] = [];
      expect(cache[add]('eviction', (...left) => seen.push(left))).toBe(cache);
      cache.set('b', 2);
      cache.removeAllListeners().set('c', 3);
      expect(seen).toEqual([['a', 1, 'size']]);
      expect(cache.eventNames()).toEqual([]);
    },
  );

  test('a listener finds the cache in order and may use it', () => {
    const cache = new LRUCache<string, number>({ maxSize: 2 });
    const seen: unknown[] = [];
    cache.on('eviction', (key, value) => {
      seen.push([key, cache.has(key), cache.size, [...cache.keys()]]);
      if (value < 3) cache.set(`${key} again`, value + 2);
    });
    cache.set('a', 1).set('b', 2).set('c', 3);
    expect(seen).toEqual([
      ['a', false, 2, ['c', 'b']],
      ['b', false, 2, ['a again', 'c']],
      ['c', false, 2, ['b again', 'a again']],
    ]);
  });

  test('what a listener throws is an uncaught exception, and neither the call nor the cache suffers', async () => {
    const told = await toldBy(
      `const { LRUCache } = core.LRUCache ? core : require('./dist/cache');
       const cache = new LRUCache({ maxSize: 1 });
       const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
       cache.on('eviction', () => { throw new Error('mine'); });
       cache.set('a', 1).set('b', 2);
       await tell([cache.get('b'), cache.size, (await thrown).message]);
       process.disconnect();`,
    );
    expect(told).toEqual([[2, 1, 'mine']]);
  });
});

describe('dumps', () => {
  test('load gives a new cache the entries of a dump: values, order, times', () => {
    const { cache, clock } = timed<string, number>({ maxAge: 100 });
    cache.set('a', 1, 0).set('b', 2).set('c', 3, 10);
    cache.get('a');
    const dump = cache.dump();
    expect(dump).toEqual([
      { key: 'b', value: 2, expires: 1100 },
      { key: 'c', value: 3, expires: 1010 },
      { key: 'a', value: 1 },
    ]);
    clock.time += 10;
    const other = new LRUCache<string, number>({ now: () => clock.time });
    expect(other.load(dump)).toBe(other);
    expect([...other]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect([other.ttl('a'), other.ttl('b')]).toEqual([Infinity, 90]);
  });

  test('a dump of JSON values survives JSON, and without a clock of its own has the time since 1970', () => {
    const cache = new LRUCache<string, object>().set('a', { x: 1 }, 60_000);
    const dump = JSON.parse(JSON.stringify(cache.dump())) as ReturnType<typeof cache.dump>;
    expect(Math.abs(dump[0]!.expires! - Date.now() - 60_000)).toBeLessThan(1000);
    const left = new LRUCache<string, object>().load(dump).ttl('a')!;
    expect(left > 55_000 && left < 61_000).toBe(true);
  });

  test('a smaller cache keeps the most recently used, and leaves out what is too large', () => {
    const cache = new LRUCache<string, { bytes: number }>();
    for (const [key, bytes] of Object.entries({ a: 1, b: 2, c: 99, d: 3 })) cache.set(key, weighing(bytes));
    const small = new LRUCache<string, { bytes: number }>({ maxSize: 2, maxEntryBytes: 10, sizeOf }).load(
      cache.dump(),
    );
    expect([...small.keys()]).toEqual(['d', 'b']);
    expect(small.getStats().tooLarge).toBe(1);
  });

  test('what is no dump is refused, and nothing of it is written', () => {
    const cache = new LRUCache<string, number>();
    const good = { key: 'a', value: 1 };
    for (const bad of [
      null,
      5,
      {},
      [good, 1],
      [good, null],
      [good, { value: 1 }],
      [good, { ...good, expires: '1' }],
    ])
      expect(thrownBy(() => cache.load(untyped(bad)))).toMatchObject(INVALID_TYPE);
    expect(cache.size).toBe(0);
  });
});

describe('the end', () => {
  test('Symbol.dispose takes all entries away, and the cache may be used again', () => {
    const cache = new LRUCache<string, number>({ maxAge: 1000 }).set('a', 1);
    const left = watch(cache);
    cache[Symbol.dispose]();
    expect([cache.size, left]).toEqual([0, []]);
    expect(cache.set('b', 2).get('b')).toBe(2);
    cache[Symbol.dispose]();
  });
});

describe('arguments', () => {
  const wrong: [string, unknown, object][] = [
    ['maxSize', 0, OUT_OF_RANGE],
    ['maxSize', -1, OUT_OF_RANGE],
    ['maxSize', 1.5, OUT_OF_RANGE],
    ['maxSize', Number.NaN, OUT_OF_RANGE],
    ['maxSize', 2 ** 23 + 1, OUT_OF_RANGE],
    ['maxSize', '10', INVALID_TYPE],
    ['maxSize', null, INVALID_TYPE],
    ['maxSize', Infinity, INVALID_OPTION],
    ['maxAge', -1, OUT_OF_RANGE],
    ['maxAge', Number.NaN, OUT_OF_RANGE],
    ['maxAge', '60', INVALID_TYPE],
    ['maxBytes', 0, OUT_OF_RANGE],
    ['maxBytes', -1, OUT_OF_RANGE],
    ['maxBytes', '1', INVALID_TYPE],
    ['maxEntryBytes', 0, OUT_OF_RANGE],
    ['updateAgeOnGet', 1, INVALID_TYPE],
    ['sizeOf', 5, INVALID_TYPE],
    ['now', 5, INVALID_TYPE],
    ['shared', 'yes', INVALID_TYPE],
    ['shared', true, INVALID_OPTION],
    ['name', 'users', INVALID_OPTION],
    ['policy', 'lru', INVALID_OPTION],
    ['decodedEntries', 5, INVALID_OPTION],
  ];
  test.each(wrong)('the option %s: %p is refused', (name, value, error) => {
    const thrown = thrownBy(() => new LRUCache({ [name]: value }));
    expect(thrown).toMatchObject(error);
    expect((thrown as Error).message).toContain(name);
  });

  test('a shared cache takes neither sizeOf nor now', () => {
    const shared = { shared: true, name: 'arguments' };
    expect(thrownBy(() => new LRUCache({ ...shared, sizeOf: () => 1 }))).toMatchObject(INVALID_OPTION);
    expect(thrownBy(() => new LRUCache({ ...shared, now: () => 1 }))).toMatchObject(INVALID_OPTION);
  });

  test('options that are no object are refused', () => {
    for (const options of [null, 5, 'x', []])
      expect(thrownBy(() => new LRUCache(untyped(options)))).toMatchObject(INVALID_TYPE);
  });

  test('maxSize: Infinity goes with maxBytes, which lifts the default of 1000 entries as well', () => {
    const sizeOfOne = (): number => 1;
    for (const maxSize of [Infinity, undefined]) {
      const cache = new LRUCache<number, number>({ maxSize, maxBytes: 5000, sizeOf: sizeOfOne });
      for (let key = 0; key < 6000; key++) cache.set(key, key);
      expect([cache.size, cache.bytes]).toEqual([5000, 5000]);
    }
  });

  const wrongTimes: [unknown, object][] = [
    [-1, OUT_OF_RANGE],
    [-Infinity, OUT_OF_RANGE],
    [Number.NaN, OUT_OF_RANGE],
    ['5', INVALID_TYPE],
    ['', INVALID_TYPE],
    [{}, INVALID_TYPE],
    [5n, INVALID_TYPE],
  ];
  test.each(wrongTimes)('a ttl of %p is refused, and nothing is written', (ttl, error) => {
    const cache = new LRUCache<string, number>().set('a', 1);
    expect(thrownBy(() => cache.set('a', 2, untyped(ttl)))).toMatchObject(error);
    expect(cache.get('a')).toBe(1);
  });
});
