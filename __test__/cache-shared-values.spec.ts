/** What travels through a shared cache: values and keys of all kinds, each as itself. */
import type { LRUCache } from '../dist/cache';
import { INVALID_KEY } from './fixtures/cache';
import { type Key, open } from './lib/cache-threads';

/** A value after it went through another isolate. */
async function travelled(value: unknown): Promise<unknown> {
  const { cache, one } = open();
  cache.set('there', value);
  await one((there) => void there.set('back', there.get('there')));
  expect(cache.has('back')).toBe(true);
  return cache.get('back');
}

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
