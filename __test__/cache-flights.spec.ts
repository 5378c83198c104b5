/** `getOrSet` and `memoize`: one computation for all who want a value, stale answers, memoized functions. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { runInNewContext } from 'node:vm';
import { LRUCache } from '../dist/cache';
import { INVALID_KEY, INVALID_TYPE, OUT_OF_RANGE, timed } from './fixtures/cache';
import { deferred, listeners, nextTurn, rest, throws, untyped } from './fixtures/parallel';
import { toldBy } from './lib/child';

/** A computation that counts its calls and waits until the test settles the latest one. */
function computation<V>() {
  const calls: ReturnType<typeof deferred<V>>[] = [];
  const compute = (): Promise<V> => {
    const call = deferred<V>();
    calls.push(call);
    return call.promise;
  };
  return { compute, calls };
}

/** A function that counts its calls. */
function counting<A extends unknown[], R>(fn: (...args: A) => R) {
  const seen = { calls: 0 };
  const counted = (...args: A): R => {
    seen.calls++;
    return fn(...args);
  };
  return { seen, counted };
}

const failing = (message: string) => (): Promise<never> => Promise.reject(new Error(message));

describe('getOrSet', () => {
  test('answers what is there, else computes and keeps', async () => {
    const cache = new LRUCache<string, number>();
    const { seen, counted } = counting(() => 7);
    expect(await cache.getOrSet('a', counted)).toBe(7);
    expect(await cache.getOrSet('a', counted)).toBe(7);
    expect([seen.calls, cache.get('a')]).toEqual([1, 7]);
    expect(cache.getStats()).toMatchObject({ hits: 2, misses: 1, sets: 1 });
  });

  test('undefined is a value that is computed once', async () => {
    const cache = new LRUCache<string, undefined>();
    const { seen, counted } = counting(() => undefined);
    for (let i = 0; i < 3; i++) expect(await cache.getOrSet('a', counted)).toBeUndefined();
    expect(seen.calls).toBe(1);
  });

  test('the computation is called at once, without arguments', () => {
    const cache = new LRUCache<string, number>();
    const given: unknown[][] = [];
    void cache.getOrSet('a', (...args: unknown[]) => given.push(args));
    expect(given).toEqual([[]]);
  });

  test('concurrent callers share one computation and its very value', async () => {
    const cache = new LRUCache<string, object>();
    const { compute, calls } = computation<object>();
    const waiting = [1, 2, 3].map(() => cache.getOrSet('a', compute));
    const value = {};
    calls[0]!.resolve(value);
    for (const answer of await Promise.all(waiting)) expect(answer).toBe(value);
    expect([calls.length, cache.get('a') === value]).toEqual([1, true]);
  });

  test('a failure rejects for all who wait, nothing is kept, and the next call computes again', async () => {
    const cache = new LRUCache<string, number>();
    const error = new Error('mine');
    const { seen, counted } = counting(() => Promise.reject(error));
    const waiting = [1, 2, 3].map(() => cache.getOrSet('a', counted));
    for (const { status, reason } of (await Promise.allSettled(waiting)) as PromiseRejectedResult[])
      expect([status, reason]).toEqual(['rejected', error]);
    expect([seen.calls, cache.has('a'), cache.size]).toEqual([1, false, 0]);
    expect(await cache.getOrSet('a', () => 5)).toBe(5);
  });

  test('a computation that throws rejects', async () => {
    const cache = new LRUCache<string, number>();
    await expect(cache.getOrSet('a', throws('mine'))).rejects.toThrow('mine');
    expect(await cache.getOrSet('a', () => 1)).toBe(1);
  });

  test('keys are computed apart', async () => {
    const cache = new LRUCache<unknown, string>();
    const answers = [1, '1', null].map((key) => cache.getOrSet(key, async () => typeof key));
    expect(await Promise.all(answers)).toEqual(['number', 'string', 'object']);
  });

  test('the ttl, alone or among options, is that of set; maxAge is the default', async () => {
    const { cache, clock } = timed<string, number>({ maxAge: 100 });
    await cache.getOrSet('a', () => 1, 10);
    await cache.getOrSet('b', () => 1, { ttl: 20 });
    await cache.getOrSet('c', () => 1);
    await cache.getOrSet('d', () => 1, 0);
    await cache.getOrSet('e', () => 1, null);
    await cache.getOrSet('f', () => 1, { ttl: null });
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => cache.ttl(key))).toEqual([
      10,
      20,
      100,
      Infinity,
      100,
      100,
    ]);
    clock.time += 10;
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });

  test.each<[string, (cache: LRUCache<string, number>) => unknown, unknown]>([
    ['set', (cache) => cache.set('a', 2), 2],
    ['delete', (cache) => cache.delete('a'), undefined],
    ['clear', (cache) => cache.clear(), undefined],
    ['load', (cache) => cache.load([{ key: 'a', value: 2 }]), 2],
    ['the end', (cache) => cache[Symbol.dispose](), undefined],
  ])('%s meanwhile holds: the value answers those who wait and is not kept', async (_, overtake, kept) => {
    const cache = new LRUCache<string, number>();
    const { compute, calls } = computation<number>();
    const waiting = cache.getOrSet('a', compute);
    overtake(cache);
    const later = cache.getOrSet('a', () => 3);
    calls[0]!.resolve(1);
    expect(await waiting).toBe(1);
    expect(await later).toBe(kept ?? 3);
    expect(cache.get('a')).toBe(kept ?? 3);
  });

  test('a write of the key in the computation itself holds as well', async () => {
    const cache = new LRUCache<string, number>();
    expect(await cache.getOrSet('a', () => cache.set('a', 1).size + 1)).toBe(2);
    expect(cache.get('a')).toBe(1);
  });

  test('writes of other keys do not matter', async () => {
    const cache = new LRUCache<string, number>({ maxSize: 1 });
    const { compute, calls } = computation<number>();
    const waiting = cache.getOrSet('a', compute);
    cache.set('b', 2).delete('b');
    calls[0]!.resolve(1);
    expect([await waiting, cache.get('a')]).toEqual([1, 1]);
  });

  test('a value that is too large to be kept is answered, and counted', async () => {
    const cache = new LRUCache<string, string>({ maxEntryBytes: 500 });
    const large = 'x'.repeat(1000);
    expect(await cache.getOrSet('a', () => large)).toBe(large);
    expect([cache.has('a'), cache.getStats().tooLarge]).toEqual([false, 1]);
  });

  test('what sizeOf throws rejects', async () => {
    const cache = new LRUCache<string, number>({ sizeOf: throws('mine') });
    await expect(cache.getOrSet('a', () => 1)).rejects.toThrow('mine');
  });

  test('a computation runs in the context of the call that started it', async () => {
    const context = new AsyncLocalStorage<string>();
    const cache = new LRUCache<string, string | undefined>();
    const call = (): Promise<string | undefined> =>
      cache.getOrSet('a', async () => {
        await nextTurn();
        return context.getStore();
      });
    const answers = [context.run('first', call), context.run('second', call)];
    expect(await Promise.all(answers)).toEqual(['first', 'first']);
  });

  test('a hit costs one promise and nothing else', async () => {
    const told = await toldBy(
      `const { LRUCache } = core.LRUCache ? core : require('./dist/cache');
       const cache = new LRUCache().set('a', 1);
       const compute = () => 2;
       const options = { ttl: 5 };
       let promises = 0;
       const call = () => { for (let i = 0; i < 1000; i++) cache.getOrSet('a', compute, options); };
       for (let i = 0; i < 100; i++) call();
       const hook = require('async_hooks').createHook({ init: (id, type) => { if (type === 'PROMISE') promises++; } }).enable();
       call();
       hook.disable();
       await tell(promises);
       process.disconnect();`,
    );
    expect(told).toEqual([1000]);
  });

  const wrong: [string, unknown[], object][] = [
    ['no computation', ['a'], INVALID_TYPE],
    ['a value in its place', ['a', 5], INVALID_TYPE],
    ['a negative ttl', ['a', () => 1, -1], OUT_OF_RANGE],
    ['a ttl that is not a number', ['a', () => 1, Number.NaN], OUT_OF_RANGE],
    ['a ttl of text', ['a', () => 1, '5'], INVALID_TYPE],
    ['a negative ttl in options', ['a', () => 1, { ttl: -1 }], OUT_OF_RANGE],
    ['a negative staleIfError', ['a', () => 1, { staleIfError: -1 }], OUT_OF_RANGE],
    ['a staleWhileRevalidate of text', ['a', () => 1, { staleWhileRevalidate: '1' }], INVALID_TYPE],
    ['a signal that is none', ['a', () => 1, { signal: {} }], INVALID_TYPE],
    ['a list', ['a', () => 1, []], INVALID_TYPE],
  ];
  test.each(wrong)('%s rejects, and nothing is kept', async (_, args, error) => {
    const cache = new LRUCache<string, number>();
    await expect(cache.getOrSet(...(untyped(args) as [string, () => number]))).rejects.toMatchObject(error);
    expect(cache.size).toBe(0);
  });
});

describe('signal', () => {
  test('ends the wait of its caller alone; the value is kept for the others', async () => {
    const cache = new LRUCache<string, number>();
    const { compute, calls } = computation<number>();
    const { signal, abort } = ((controller) => ({
      signal: controller.signal,
      abort: () => controller.abort('enough'),
    }))(new AbortController());
    const ended = cache.getOrSet('a', compute, { signal });
    const other = cache.getOrSet('a', compute);
    abort();
    await expect(ended).rejects.toBe('enough');
    calls[0]!.resolve(1);
    expect([await other, cache.get('a'), calls.length]).toEqual([1, 1, 1]);
    expect(listeners(signal)).toBe(0);
  });

  test('one that fired before computes nothing', async () => {
    const cache = new LRUCache<string, number>().set('there', 1);
    const { seen, counted } = counting(() => 1);
    for (const key of ['there', 'new'])
      await expect(cache.getOrSet(key, counted, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    expect([seen.calls, cache.size]).toEqual([0, 1]);
  });

  test('carries no listener once the promise has settled', async () => {
    const cache = new LRUCache<string, number>();
    const { signal } = new AbortController();
    await cache.getOrSet('a', () => 1, { signal });
    await cache.getOrSet('b', throws('mine'), { signal }).catch(() => {});
    expect(listeners(signal)).toBe(0);
  });

  test('a failure that nobody waits for any more is no unhandled rejection', async () => {
    const told = await toldBy(
      `const { LRUCache } = core.LRUCache ? core : require('./dist/cache');
       const cache = new LRUCache();
       const stop = new AbortController();
       const fail = () => new Promise((_, reject) => setImmediate(reject, new Error('late')));
       const ended = cache.getOrSet('a', fail, { signal: stop.signal });
       stop.abort('enough');
       const reason = await ended.catch((error) => error);
       cache.set('b', 1, 1);
       await new Promise((resolve) => setTimeout(resolve, 50));
       await tell(reason);
       process.disconnect();`,
    );
    expect(told).toEqual(['enough']);
  });
});

describe('staleWhileRevalidate', () => {
  const options = { ttl: 10, staleWhileRevalidate: 20 };

  test('answers the old value at once while one computation renews it', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 29;
    const { compute, calls } = computation<number>();
    expect(await cache.getOrSet('a', compute, options)).toBe(1);
    expect(await cache.getOrSet('a', compute, options)).toBe(1);
    expect(calls.length).toBe(1);
    calls[0]!.resolve(2);
    await rest();
    expect([cache.get('a'), cache.ttl('a')]).toEqual([2, 10]);
    expect(cache.getStats()).toMatchObject({ staleHits: 2, hits: 1, misses: 3, refreshErrors: 0 });
  });

  test('for everything else the entry has expired', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 10;
    expect([cache.get('a'), cache.has('a'), cache.peek('a'), cache.size, [...cache.keys()]]).toEqual([
      undefined,
      false,
      undefined,
      0,
      [],
    ]);
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });

  test('after its time, the value is computed before the answer', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 30;
    expect(await cache.getOrSet('a', () => 2, options)).toBe(2);
  });

  test('the window is that of the caller who asks, as far as the entry is kept', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    expect(await cache.getOrSet('a', () => 2, { ttl: 10, staleWhileRevalidate: 4 })).toBe(2);
    cache.set('b', 1, 10);
    clock.time += 15;
    expect(await cache.getOrSet('b', () => 2, { staleWhileRevalidate: 1000 })).toBe(2);
  });

  test('a failure in the background is counted, and the old value stays', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    expect(await cache.getOrSet('a', failing('mine'), options)).toBe(1);
    expect(await cache.getOrSet('a', throws('mine'), options)).toBe(1);
    await rest();
    expect(cache.getStats()).toMatchObject({ refreshErrors: 1, staleHits: 2 });
    expect(await cache.getOrSet('a', () => 2, options)).toBe(1);
    await rest();
    expect(cache.get('a')).toBe(2);
  });

  test('a delete while it is renewed holds', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    const { compute, calls } = computation<number>();
    await cache.getOrSet('a', compute, options);
    cache.delete('a');
    calls[0]!.resolve(2);
    await rest();
    expect(cache.has('a')).toBe(false);
  });

  test('a dump keeps what is kept for stale answers', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    const dump = cache.dump();
    expect(dump).toEqual([{ key: 'a', value: 1, expires: 1010, staleUntil: 1030 }]);
    const other = new LRUCache<string, number>({ now: () => clock.time }).load(dump);
    expect([other.size, await other.getOrSet('a', () => 2, options)]).toEqual([0, 1]);
    clock.time += 15;
    expect(new LRUCache<string, number>({ now: () => clock.time }).load(dump).dump()).toEqual([]);
  });
});

describe('staleIfError', () => {
  const options = { ttl: 10, staleIfError: 20 };

  test('answers the old value where the computation fails, to all who wait', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 29;
    const waiting = [
      cache.getOrSet('a', failing('mine'), options),
      cache.getOrSet('a', failing('mine'), options),
    ];
    expect(await Promise.all(waiting)).toEqual([1, 1]);
    expect(cache.getStats()).toMatchObject({ staleHits: 2, refreshErrors: 1 });
    expect(await cache.getOrSet('a', () => 2, options)).toBe(2);
  });

  test('who does not ask for it gets the error', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    const covered = cache.getOrSet('a', failing('mine'), options);
    await expect(cache.getOrSet('a', failing('not called'))).rejects.toThrow('mine');
    expect(await covered).toBe(1);
  });

  test('after its time, and after a delete, the error comes through', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 30;
    await expect(cache.getOrSet('a', failing('mine'), options)).rejects.toThrow('mine');
    await cache.getOrSet('b', () => 1, options);
    clock.time += 15;
    cache.delete('b');
    await expect(cache.getOrSet('b', failing('mine'), options)).rejects.toThrow('mine');
  });

  test('its caller can still be ended by a signal', async () => {
    const { cache, clock } = timed<string, number>();
    await cache.getOrSet('a', () => 1, options);
    clock.time += 15;
    const stop = new AbortController();
    const waiting = cache.getOrSet('a', computation<number>().compute, { ...options, signal: stop.signal });
    stop.abort('enough');
    await expect(waiting).rejects.toBe('enough');
  });
});

describe('memoize', () => {
  test('computes once for the same arguments, and always answers with a promise', async () => {
    const cache = new LRUCache();
    const { seen, counted } = counting((a: number, b: { c: string[] }) => `${a} ${b.c.join('')}`);
    const memoized = cache.memoize(counted);
    const first = memoized(1, { c: ['x', 'y'] });
    expect(first).toBeInstanceOf(Promise);
    expect([await first, await memoized(1, { c: ['x', 'y'] }), await memoized(2, { c: [] })]).toEqual([
      '1 xy',
      '1 xy',
      '2 ',
    ]);
    expect(seen.calls).toBe(2);
  });

  test('a recursive function may call its memoized self', async () => {
    const cache = new LRUCache();
    let calls = 0;
    const fibonacci: (n: number) => Promise<bigint> = cache.memoize(async (n: number): Promise<bigint> => {
      calls++;
      return n < 2 ? BigInt(n) : (await fibonacci(n - 1)) + (await fibonacci(n - 2));
    });
    expect([await fibonacci(90), calls]).toEqual([2880067194370816120n, 91]);
  });

  test('functions that share a cache do not share results', async () => {
    const cache = new LRUCache();
    const sum = cache.memoize((a: number, b: number) => a + b);
    const product = cache.memoize((a: number, b: number) => a * b);
    expect([await sum(3, 4), await product(3, 4)]).toEqual([7, 12]);
  });

  test('functions of one name do, also after a dump and load; no other function finds them', async () => {
    const cache = new LRUCache();
    await cache.memoize((a: number) => a + 1, { name: 'plus' })(1);
    const other = new LRUCache().load(cache.dump());
    const { seen, counted } = counting((a: number) => a + 1);
    expect(await other.memoize(counted, { name: 'plus' })(1)).toBe(2);
    expect(seen.calls).toBe(0);
    await other.memoize(counted, { name: 'plus 1' })(1);
    await other.memoize(counted)(1);
    expect(seen.calls).toBe(2);
  });

  test('this is handed on', async () => {
    const cache = new LRUCache();
    class Shop {
      constructor(readonly rate: number) {}
      price = cache.memoize(function (this: Shop, net: number) {
        return net * this.rate;
      });
    }
    expect(await new Shop(2).price(5)).toBe(10);
  });

  test('keyFn makes the key: of any kind, told apart as in a Map', async () => {
    const cache = new LRUCache();
    const symbol = Symbol('key');
    const object = {};
    const keys = [
      '1',
      1,
      1n,
      true,
      'true',
      null,
      'null',
      undefined,
      'undefined',
      symbol,
      Symbol.for('key'),
      Symbol('key'),
      object,
      {},
      () => {},
      Number.NaN,
    ];
    const { seen, counted } = counting((key: unknown) => typeof key);
    const memoized = cache.memoize(counted, (key) => key);
    for (const key of [...keys, ...keys]) expect(await memoized(key)).toBe(typeof key);
    await memoized(0);
    await memoized(-0);
    expect(seen.calls).toBe(keys.length + 1);
  });

  test('keyFn gets the arguments; what it throws rejects', async () => {
    const cache = new LRUCache();
    const { seen, counted } = counting((user: { id: number; name: string }) => user.name);
    const memoized = cache.memoize(counted, { keyFn: ({ id }) => id });
    expect([await memoized({ id: 1, name: 'a' }), await memoized({ id: 1, name: 'b' })]).toEqual(['a', 'a']);
    expect(seen.calls).toBe(1);
    await expect(cache.memoize(counted, throws('mine'))({ id: 2, name: 'c' })).rejects.toThrow('mine');
  });

  test('the ttl, alone or among options, is that of set', async () => {
    const { cache, clock } = timed();
    const { seen, counted } = counting((a: number) => a);
    const memoized = [
      cache.memoize(counted, undefined, 10),
      cache.memoize(counted, null, 10),
      cache.memoize(counted, { ttl: 10 }),
      cache.memoize(counted, (a) => a, 10),
    ];
    for (const call of memoized) await call(1);
    clock.time += 9;
    for (const call of memoized) await call(1);
    expect(seen.calls).toBe(4);
    clock.time += 1;
    for (const call of memoized) await call(1);
    expect(seen.calls).toBe(8);
  });

  test('arguments that JSON cannot tell apart are told apart', async () => {
    const cache = new LRUCache();
    const lists: unknown[][] = [
      [],
      [undefined],
      [null],
      [0],
      [-0],
      [Number.NaN],
      [Infinity],
      ['1'],
      [1],
      [1n],
      [new Date(0)],
      [new Date(1)],
      ['1970-01-01T00:00:00.000Z'],
      [new Map([[1, 2]])],
      [new Map([[1, 3]])],
      [new Set([1])],
      [{}],
      [{ a: undefined }],
      [[undefined]],
      [[null]],
      [/a/],
      [/a/g],
      [Buffer.from('a')],
      [new Uint8Array([97])],
      [new ArrayBuffer(1)],
      [Object(1)],
      [{ map: new Map([[{ a: 1 }, 1]]) }],
      [{ map: new Map([[{ a: 2 }, 1]]) }],
    ];
    const { seen, counted } = counting((...args: unknown[]) => args.length);
    const memoized = cache.memoize(counted);
    for (const args of [...lists, ...lists.map((list) => structuredClone(list))]) await memoized(...args);
    expect(seen.calls).toBe(lists.length + 1); // a clone of a Buffer is a Uint8Array
  });

  test('arguments of another realm are the same arguments', async () => {
    const cache = new LRUCache();
    const { seen, counted } = counting((a: unknown) => typeof a);
    const memoized = cache.memoize(counted);
    await memoized({ a: [1, new Map([[1, 2]])] });
    await memoized(runInNewContext('({ a: [1, new Map([[1, 2]])] })'));
    expect(seen.calls).toBe(1);
  });

  test.each<[string, unknown]>([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    [
      'an instance of a class, whose private fields cannot be seen',
      new (class {
        #secret = 1;
        see = () => this.#secret;
      })(),
    ],
    ['such an instance inside', [new Map([[1, { inner: new (class Money {})() }]])]],
    ['an error', new Error('e')],
    ['a promise', Promise.resolve()],
    ['a proxy', [new Proxy({ a: 1n }, {}), 1n]],
    ['shared memory', new SharedArrayBuffer(8)],
  ])('%s among the arguments needs a keyFn, and the error says so', async (_, argument) => {
    const cache = new LRUCache();
    const { seen, counted } = counting((a: unknown) => a);
    const refused = cache.memoize(counted)(argument);
    await expect(refused).rejects.toMatchObject(INVALID_KEY);
    await expect(refused).rejects.toThrow('keyFn');
    await cache.memoize(counted, () => 'key')(argument);
    expect(seen.calls).toBe(1);
  });

  test('what is no function, name or ttl is refused when the function is made', () => {
    const cache = new LRUCache();
    const fn = (a: unknown): unknown => a;
    const wrong: [unknown[], object][] = [
      [[5], INVALID_TYPE],
      [[fn, 5], INVALID_TYPE],
      [[fn, { keyFn: 5 }], INVALID_TYPE],
      [[fn, { name: '' }], OUT_OF_RANGE],
      [[fn, { name: 5 }], INVALID_TYPE],
      [[fn, null, -1], OUT_OF_RANGE],
      [[fn, { ttl: '5' }], INVALID_TYPE],
    ];
    for (const [args, error] of wrong) {
      let thrown: unknown;
      try {
        cache.memoize(...(args as [() => unknown]));
      } catch (failure) {
        thrown = failure;
      }
      expect(thrown).toMatchObject(error);
    }
  });
});
