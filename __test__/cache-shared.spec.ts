/**
 * Shared caches: one cache for every thread of the process. Here are values, keys, identity, times, order, figures and the life of a
 * cache; computations are in `cache-shared-flights`, bounds and threads that die in `cache-shared-bounds`.
 */
import { join } from 'node:path';
import { LRUCache, type LRUCacheOptions } from '../dist/cache';
import { INVALID_KEY, INVALID_OPTION, INVALID_TYPE, OUT_OF_RANGE, TOO_LARGE } from './fixtures/cache';
import { untyped } from './fixtures/parallel';
import { type Key, newName, open, type SharedCache, start, until } from './lib/cache-threads';
import { ROOT, toldBy } from './lib/child';

/** A value after it went through another isolate. */
async function travelled(value: unknown): Promise<unknown> {
  const { cache, one } = open();
  cache.set('there', value);
  await one((there) => void there.set('back', there.get('there')));
  expect(cache.has('back')).toBe(true);
  return cache.get('back');
}

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

describe('values', () => {
  const text = 'ab'.repeat(2_000_000);

  test.each([
    ['a string', 'text'],
    ['the empty string', ''],
    ['a string of all planes', 'é€😀\0'],
    ['a very long string', text],
    ['a long string that is not latin', '😀'.repeat(100_000)],
    ['a lone surrogate', '\ud800'],
    ['lone surrogates in a long string', 'a\udc00\ud800'.repeat(100_000)],
    ['a number', 1.5],
    ['0', 0],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['-Infinity', -Infinity],
    ['null', null],
    ['undefined', undefined],
    ['true', true],
    ['false', false],
    ['a big integer', 2n ** 80n],
  ])('%s arrives as itself', async (_, value) => {
    expect(await travelled(value)).toBe(value);
  });

  test.each([
    ['an object', { id: 1, name: 'é', list: [1, null, { deep: true }], none: null }],
    ['an array', [1, 'two', [3]]],
    ['empty ones', [{}, [], '']],
    ['an object with undefined', { a: undefined, b: 1 }],
    ['an array with undefined and -0', [undefined, -0]],
    ['an object with the key __proto__', JSON.parse('{"__proto__": {"x": 1}, "a": 1}')],
    ['a Buffer', Buffer.from('bytes')],
    ['an empty Buffer', Buffer.alloc(0)],
    ['a Uint8Array', Uint8Array.of(1, 2, 255)],
    ['a Float64Array', Float64Array.of(1.5, Number.NaN)],
    ['a BigInt64Array', BigInt64Array.of(-1n)],
    ['a view of a part of its memory', new Uint16Array([1, 2, 3, 4]).subarray(1, 3)],
    ['an ArrayBuffer', Uint8Array.of(1, 2).buffer],
    [
      'a Map',
      new Map<unknown, unknown>([
        [1, { a: 1 }],
        ['1', new Map()],
      ]),
    ],
    ['a Set', new Set([1, 'a'])],
    ['a Date', new Date(123)],
    ['a RegExp', /a+/giu],
    ['an error', new RangeError('too far')],
    ['all of them together', { when: new Date(5), bytes: [Buffer.from('x')], map: new Map([['a', 1n]]) }],
  ])('%s arrives equal and of its kind', async (_, value) => {
    const arrived = (await travelled(value)) as object;
    expect(arrived).toEqual(value);
    expect(arrived.constructor.name).toBe((value as object).constructor.name);
    expect(Object.keys(arrived)).toEqual(Object.keys(value as object));
  });

  test('cycles and objects that stand twice in a value of the richer kinds stay what they are', async () => {
    const value: Record<string, unknown> = { date: new Date(0) };
    value['self'] = value;
    value['again'] = value['date'];
    const arrived = (await travelled(value)) as typeof value;
    expect(arrived['self']).toBe(arrived);
    expect(arrived['again']).toBe(arrived['date']);
  });

  test('an instance of a class arrives with its own properties and without its methods, as in a structured clone', async () => {
    class Point {
      x = 1;
      #y = 2;
      y(): number {
        return this.#y;
      }
    }
    expect(await travelled(new Point())).toEqual({ x: 1 });
  });

  test.each([
    ['a function', () => 1, /\(\) ?=> ?1/],
    ['a symbol', Symbol('mine'), /Symbol\(mine\)/],
    ['an object with a method', { method() {} }, /method/],
    ['a WeakMap', new WeakMap(), /WeakMap/],
    ['a promise', Promise.resolve(), /Promise/],
    ['shared memory', new SharedArrayBuffer(4), /SharedArrayBuffer/],
    ['a view of shared memory', { deep: new Int32Array(new SharedArrayBuffer(4)) }, /SharedArrayBuffer/],
    [
      'a getter that throws',
      {
        get broken(): never {
          throw new Error('on purpose');
        },
      },
      /on purpose/,
    ],
  ])('%s is refused, and what was there stays', (_, value, message) => {
    const { cache } = open();
    cache.set('a', 'before');
    expect(() => cache.set('a', value)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_CACHE_NOT_CLONEABLE',
        message: expect.stringMatching(message),
      }),
    );
    expect([cache.get('a'), cache.size, cache.getStats().sets]).toEqual(['before', 1, 1]);
    expect(cache.set('b', 1).get('b')).toBe(1);
  });

  // The key stood in the buffer that the getter's calls used.
  test('a getter in a value may use the cache while it is stored', () => {
    const { cache } = open();
    const value = {
      get one() {
        cache.set('inner', {
          get deep() {
            return cache.get('other') ?? 'none';
          },
        });
        return cache.get('missing') ?? 1;
      },
    };
    cache.set('outer', value);
    expect(new Map(cache)).toEqual(
      new Map<Key, unknown>([
        ['outer', { one: 1 }],
        ['inner', { deep: 'none' }],
      ]),
    );
  });

  test('what is got is a copy: changes of the original are not seen', () => {
    const { cache } = open();
    const value = { list: [1] };
    const bytes = Buffer.from('a');
    cache.set('a', value).set('b', bytes);
    value.list.push(2);
    bytes[0] = 0;
    expect(cache.get('a')).not.toBe(value);
    expect([cache.get('a'), cache.get('b')]).toEqual([{ list: [1] }, Buffer.from('a')]);
  });

  test('large values go through, and do not disturb small ones', async () => {
    const { cache, one } = open({ maxBytes: 200e6 });
    const sizes = [0, 1, 65_535, 65_536, 65_537, 1 << 20, (1 << 24) + 1, 10];
    for (const size of sizes) cache.set(size, Buffer.alloc(size, size));
    const right = await one(
      (there, _, all) =>
        all.map((size) => {
          const found = there.get(size) as Buffer;
          return there.has(size) && found.length === size && found.every((byte) => byte === (size & 255));
        }),
      sizes,
    );
    expect(right).toEqual(sizes.map(() => true));
  });
});

describe('keys', () => {
  const keys: Key[] = [
    1,
    '1',
    0,
    '0',
    '-0',
    -1,
    1.5,
    Infinity,
    Number.NaN,
    'NaN',
    '',
    ' ',
    '\0',
    'é',
    '\ud800',
    '\udc00',
    '\ufffd',
  ];
  const long = ['k'.repeat(1e6), `${'k'.repeat(1e6 - 1)}l`, '😀'.repeat(1e6)];

  test('each is a key of its own, in all threads', async () => {
    const { cache, one } = open();
    const all = [...keys, ...long];
    all.forEach((key, index) => cache.set(key, index));
    expect(await one((there, _, asked) => asked.map((key) => there.get(key)), all)).toEqual(
      all.map((__, index) => index),
    );
    expect(new Set(cache.keys())).toEqual(new Set(all));
    expect(all.map((key) => cache.delete(key))).toEqual(all.map(() => true));
    expect(cache.size).toBe(0);
  });

  test('0 and -0 are one key, NaN is one key', () => {
    const { cache } = open();
    cache.set(-0, 'zero').set(Number.NaN, 'not a number');
    expect([cache.get(0), cache.get(-0), cache.get(0 / 0), cache.size]).toEqual([
      'zero',
      'zero',
      'not a number',
      2,
    ]);
    expect(
      Object.is(
        [...cache.keys()].find((key) => key === 0),
        0,
      ),
    ).toBe(true);
  });

  test.each([[undefined], [null], [true], [1n], [Symbol('key')], [{}], [['a']], [() => 1]])(
    'a key that is neither string nor number is refused: %p',
    async (key) => {
      const { cache } = open();
      const any = cache as unknown as LRUCache;
      const refused = expect.objectContaining({
        ...INVALID_KEY,
        message: expect.stringContaining('string or a number'),
      });
      for (const call of [
        () => any.set(key, 1),
        () => any.get(key),
        () => any.peek(key),
        () => any.has(key),
        () => any.delete(key),
        () => any.ttl(key),
      ])
        expect(call).toThrow(refused);
      await expect(any.getOrSet(key, () => 1)).rejects.toEqual(refused);
      expect(cache.size).toBe(0);
    },
  );

  test('a key of 16 MiB is refused, and never found', async () => {
    const { cache } = open({ maxBytes: 100e6 });
    const longest = 'k'.repeat(2 ** 24 - 2);
    expect(cache.set(longest, 1).get(longest)).toBe(1);
    const error = { name: 'NoizylabError', code: 'ERR_CACHE_KEY_TOO_LARGE' };
    expect(() => cache.set(`${longest}k`, 1)).toThrow(expect.objectContaining(error));
    expect([cache.get(`${longest}k`), cache.has(`${longest}k`)]).toEqual([undefined, false]);
    await expect(cache.getOrSet(`${longest}k`, () => 1)).rejects.toMatchObject(error);
    expect(cache.size).toBe(1);
  });
});

describe('identity', () => {
  test('a repeated get in one isolate gives the same object until another thread sets the key', async () => {
    const { cache, one } = open();
    cache.set('a', { version: 1 });
    const first = cache.get('a');
    expect([cache.get('a') === first, cache.get('a') === first]).toEqual([true, true]);
    await one((there) => void there.get('a')); // a reader changes nothing
    expect(cache.get('a')).toBe(first);
    await one((there) => void there.set('a', { version: 1 })); // nor does it matter that the value is equal
    const second = cache.get('a');
    expect(second).toEqual({ version: 1 });
    expect(second).not.toBe(first);
    expect(cache.get('a')).toBe(second);
  });

  test.each<[string, (there: SharedCache) => void, unknown]>([
    ['sets it', (there) => void there.set('a', { version: 2 }), { version: 2 }],
    ['deletes it', (there) => void there.delete('a'), undefined],
    ['clears the cache', (there) => void there.clear(), undefined],
    ['deletes and sets it again', (there) => void (there.delete('a'), there.set('a', 'new')), 'new'],
    [
      'lets it be evicted',
      (there) => {
        for (let key = 0; key < 10; key++) there.set(key, key);
      },
      undefined,
    ],
    ['loads a dump', (there) => void there.load([{ key: 'a', value: 'dumped' }]), 'dumped'],
    [
      'computes it anew',
      async (there) => void (there.delete('a'), await there.getOrSet('a', () => 'new')),
      'new',
    ],
  ])('the old one is never seen once another thread has told that it %s', async (_, action, expected) => {
    const { cache, one, two } = open({ maxSize: 5 });
    cache.set('a', { version: 1 });
    const before = cache.get('a');
    expect(cache.get('a')).toBe(before);
    await two((there) => [there.get('a'), there.get('a')]);
    await one(action);
    expect([cache.get('a'), cache.peek('a'), cache.has('a')]).toEqual([
      expected,
      expected,
      expected !== undefined,
    ]);
    expect(await two((there) => there.get('a'))).toEqual(expected);
  });

  test('an entry that has come back into the same place is not taken for the old one', () => {
    const { cache } = open({ maxSize: 1 });
    let wrong = 0;
    for (let turn = 0; turn < 10_000; turn++) {
      cache.set('a', turn);
      if (cache.get('a') !== turn || cache.get('a') !== turn) wrong++;
      cache.set('b', turn);
      if (cache.get('a') !== undefined) wrong++;
    }
    expect(wrong).toBe(0);
  });

  // The writer says which version it has written; a reader that has heard of it must not see an older one, nor go back.
  test('no reader sees an older value than it was told of, however fast they change', async () => {
    const { cache, one, two } = open({ maxSize: 10 });
    const words = new Int32Array(new SharedArrayBuffer(8));
    const last = 30_000;
    const read = (there: SharedCache, _: unknown, told: Int32Array, end: number): string => {
      let seen = 0;
      for (;;) {
        const least = Atomics.load(told, 0);
        const found = there.get('a') as { version: number; text: string } | undefined;
        // Every third version is a deletion.
        if (found === undefined) {
          if (least === end) return 'deleted at the end';
          continue;
        }
        if (found.version < least || found.version < seen)
          return `saw ${found.version} after ${Math.max(least, seen)}`;
        if (found.text !== `version ${found.version}`) return `torn: ${JSON.stringify(found)}`;
        seen = found.version;
        if (seen === end) return 'saw all';
        // Often the same, so that values that were decoded before are used.
        for (let again = 0; again < 3; again++) there.get('a');
      }
    };
    const readers = [one(read, words, last), two(read, words, last)];
    for (let version = 1; version <= last; version++) {
      if (version % 3 === 0) cache.delete('a');
      cache.set('a', { version, text: `version ${version}` });
      Atomics.store(words, 0, version);
    }
    expect(await Promise.all(readers)).toEqual(['saw all', 'saw all']);
  }, 60_000);

  test('peek and the iterators give copies of their own', () => {
    const { cache } = open();
    cache.set('a', {});
    const value = cache.get('a');
    expect([cache.peek('a') === value, [...cache.values()][0] === value, cache.get('a') === value]).toEqual([
      false,
      false,
      true,
    ]);
  });

  test.each([0, 1, 3])(
    'with room for %i decoded values all is right, though more is decoded anew',
    async (decodedEntries) => {
      const { cache, one } = open({ decodedEntries });
      for (let key = 0; key < 10; key++) cache.set(key, { key, version: 1 });
      for (let turn = 0; turn < 3; turn++) {
        for (let key = 0; key < 10; key++) expect(cache.get(key)).toEqual({ key, version: 1 });
      }
      const same = cache.get(5) === cache.get(5);
      expect(same).toBe(decodedEntries > 0);
      await one((there) => {
        for (let key = 0; key < 10; key += 2) there.set(key, { key, version: 2 });
      });
      for (let key = 0; key < 10; key++) expect(cache.get(key)).toEqual({ key, version: 2 - (key % 2) });
      expect(cache.getStats()).toMatchObject({ hits: 42, misses: 0 });
    },
  );
});

describe('times', () => {
  test('an entry is gone in all threads once its time is over, also where it was got before', async () => {
    const { cache, one } = open();
    cache
      .set('short', { a: 1 }, 50)
      .set('long', { a: 1 }, 1e6)
      .set('ever', { a: 1 })
      .set('infinite', 1, Infinity)
      .set('zero', 1, 0);
    await one(
      (there, { kept }) => void (kept['values'] = ['short', 'long', 'ever'].map((key) => there.get(key))),
    );
    const gone = (): boolean => cache.get('short') === undefined;
    await until(gone);
    expect([
      gone(),
      cache.has('short'),
      cache.peek('short'),
      cache.ttl('short'),
      cache.delete('short'),
    ]).toEqual([true, false, undefined, undefined, false]);
    expect(await one((there) => [there.get('short'), new Set(there.keys()), there.size])).toEqual([
      undefined,
      new Set(['ever', 'infinite', 'long', 'zero']),
      4,
    ]);
    expect([cache.ttl('ever'), cache.ttl('infinite'), cache.ttl('zero')]).toEqual([
      Infinity,
      Infinity,
      Infinity,
    ]);
    expect(cache.getStats().expirations).toBe(1);
  });

  // The engine and the isolates went by two clocks: what the one had called expired, the other still gave.
  test('once any thread has found it expired, none gives it any more', async () => {
    const { cache, one } = open();
    const words = new Int32Array(new SharedArrayBuffer(8));
    const turns = 40;
    const watch = (there: SharedCache, _: unknown, told: Int32Array, end: number): number => {
      let wrong = 0;
      for (let turn = 1; turn <= end; turn++) {
        // It has been decoded here when it expires.
        while (Atomics.load(told, 0) < turn) there.get(turn);
        if (there.get(turn) !== undefined) wrong++;
        Atomics.store(told, 1, turn);
      }
      return wrong;
    };
    const wrong = one(watch, words, turns);
    let own = 0;
    for (let turn = 1; turn <= turns; turn++) {
      // Kept beyond its time, it stays in its place.
      await cache.getOrSet(turn, () => ({ turn }), { ttl: 5, staleIfError: 1e6 });
      cache.get(turn);
      while (cache.has(turn));
      if (cache.get(turn) !== undefined) own++;
      Atomics.store(words, 0, turn);
      while (Atomics.load(words, 1) < turn);
    }
    expect([own, await wrong]).toEqual([0, 0]);
  });

  test('ttl tells what is left, the same in all threads', async () => {
    const { cache, one } = open();
    cache.set('a', 1, 1e6);
    const before = cache.ttl('a')!;
    const there = (await one((cacheThere) => cacheThere.ttl('a')))!;
    expect(before).toBeLessThanOrEqual(1e6);
    expect(there).toBeLessThanOrEqual(before);
    expect(there).toBeGreaterThan(0);
  });

  test('maxAge is the time of what this cache object sets without a time of its own; others have theirs', async () => {
    const { name, cache, one } = open();
    const aging: SharedCache = new LRUCache({ name, shared: true, maxAge: 1e6 });
    aging.set('aging', 1).set('given', 1, 1e9).set('never', 1, 0);
    cache.set('lasting', 1);
    await aging.getOrSet('computed', () => 1);
    const left = await one((there) =>
      ['aging', 'given', 'never', 'lasting', 'computed'].map((key) => there.ttl(key)!),
    );
    expect(left.map((ms) => (ms === Infinity ? ms : Math.round(Math.log10(ms))))).toEqual([
      6,
      9,
      Infinity,
      Infinity,
      6,
    ]);
    expect([aging.maxAge, cache.maxAge]).toEqual([1e6, 0]);
  });

  test('a new value has a time of its own: shorter, longer or none', async () => {
    const { cache, one } = open();
    cache.set('a', 1, 20).set('b', 1, 1e6).set('c', 1, 20);
    await one((there) => void there.set('a', 2, 1e6).set('b', 2, 1).set('c', 2));
    await until(() => !cache.has('b'));
    cache.set('probe', 1, 30);
    await until(() => !cache.has('probe'));
    expect([cache.get('a'), cache.get('b'), cache.get('c'), cache.ttl('c')]).toEqual([
      2,
      undefined,
      2,
      Infinity,
    ]);
  });

  test('a get does not prolong an entry', async () => {
    const { cache, one } = open();
    cache.set('a', 1, 30);
    const read = (there: SharedCache): Promise<number> =>
      new Promise((end) => {
        let gets = 0;
        // It hangs where the gets keep the entry alive.
        const get = (): void => void (there.get('a') === undefined ? end(gets) : (gets++, setImmediate(get)));
        get();
      });
    await Promise.all([one(read), read(cache)]);
    expect(cache.has('a')).toBe(false);
  });

  test('expired entries leave before live ones, and their room is free', async () => {
    const { cache } = open({ maxSize: 10 });
    for (let key = 0; key < 5; key++) cache.set(key, 'lasting');
    for (let key = 5; key < 10; key++) cache.set(key, 'short', 1);
    await until(() => !cache.has(9));
    for (let key = 10; key < 15; key++) cache.set(key, 'new');
    expect([...cache.keys()].map(Number).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    expect(cache.getStats()).toMatchObject({ evictions: 0, expirations: 5, size: 10 });
  });

  test('fake timers neither move its clock nor hold up what comes from other threads', async () => {
    const { cache, one } = open();
    jest.useFakeTimers();
    try {
      cache.set('long', 1, 1e6).set('short', 1, 5);
      jest.advanceTimersByTime(1e7);
      expect(cache.has('long')).toBe(true);
      while (cache.has('short'));
      await one((there, { kept, gate }) => void (kept['k'] = there.getOrSet('k', () => gate('k'))));
      const waiting = cache.getOrSet('k', () => 'never');
      await one((_, tools) => tools.open('k', 'computed'));
      expect(await waiting).toBe('computed');
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([[-1], [Number.NaN], [-Infinity]])('a ttl of %p is refused', (ttl) => {
    const { cache } = open();
    expect(() => cache.set('a', 1, ttl)).toThrow(expect.objectContaining(OUT_OF_RANGE));
    expect(cache.has('a')).toBe(false);
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
    for (let key = 0; key < 100; key++) cache.set(key, key, 1);
    expect([told, cache.getStats().evictions + cache.getStats().expirations]).toEqual([0, 98]);
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
