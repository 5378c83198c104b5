/**
 * The bounds of a shared cache hold at every moment, whatever several threads write at once; and threads that die while they write leave
 * whole entries and true figures behind.
 */
import type { LRUCacheOptions } from '../dist/cache';
import { TOO_LARGE } from './fixtures/cache';
import { type Key, open, type SharedCache, start, type Tools, until } from './lib/cache-threads';

/** What a thread saw of the figures while it wrote. */
interface Most {
  size: number;
  bytes: number;
  refused: number;
}

/** In a thread: writes of all kinds, of values from nothing to more than the cache takes, with a look at the figures after each few. */
async function hammer(
  there: SharedCache,
  _: Tools | undefined,
  turns: number,
  largest: number,
  seed: number,
): Promise<Most> {
  const most: Most = { size: 0, bytes: 0, refused: 0 };
  let random = seed;
  const draw = (below: number): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((random / 2 ** 32) * below);
  };
  for (let turn = 0; turn < turns; turn++) {
    const key = draw(5000);
    const value = 'v'.repeat(draw(8) === 0 ? draw(largest) : draw(100));
    try {
      if (turn % 50 === 0) await there.getOrSet(key, () => value, { ttl: 5, staleIfError: draw(20) });
      else if (turn % 20 === 0) there.delete(key);
      else if (turn % 7 === 0) there.set(key, value, 1 + draw(20));
      else there.set(key, value);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_CACHE_ENTRY_TOO_LARGE') throw error;
      most.refused++;
    }
    there.get(draw(5000));
    if (turn % 4 === 0) {
      const { size, bytes } = there.getStats();
      most.size = Math.max(most.size, size, there.size);
      most.bytes = Math.max(most.bytes, bytes, there.bytes);
    }
  }
  return most;
}

describe('bounds hold at every moment while several threads write', () => {
  test.each<[LRUCacheOptions<Key>]>([
    [{ maxSize: 1 }],
    [{ maxSize: 100 }],
    [{ maxBytes: 20_000 }],
    [{ maxBytes: 20_000, policy: 'tinylfu' }],
    [{ maxSize: 100, policy: 'tinylfu' }],
    [{ maxSize: 50, maxBytes: 10_000 }],
    [{ maxBytes: 100_000, maxEntryBytes: 2000 }],
    [{ maxBytes: 10_000_000 }], // in several parts
    [{ maxSize: 40_000, maxBytes: 1_000_000 }],
  ])('%p', async (options) => {
    const { cache, one, two } = open(options);
    const { maxSize, maxBytes } = cache;
    const largest = Math.min(2 * maxBytes, 30_000);
    const turns = 8000;
    let busy = 2;
    const done = (most: Most): Most => (busy--, most);
    const threads = [one(hammer, turns, largest, 1).then(done), two(hammer, turns, largest, 2).then(done)];
    const most: Most[] = [];
    for (let seed = 3; busy > 0; seed++) {
      most.push(await hammer(cache, undefined, 100, largest, seed));
      await new Promise(setImmediate);
    }
    most.push(...(await Promise.all(threads)));
    expect(Math.max(...most.map(({ size }) => size))).toBeLessThanOrEqual(maxSize);
    expect(Math.max(...most.map(({ bytes }) => bytes))).toBeLessThanOrEqual(maxBytes);
    // They were reached, too.
    for (let key = 0; key < 5000; key++) cache.set(key, 'v'.repeat(50));
    const { size, bytes } = cache.getStats();
    expect(size).toBe([...cache.keys()].length);
    const isFull = size === maxSize || bytes > 0.8 * maxBytes || size === 5000;
    expect(isFull).toBe(true);
    // Not one byte has been lost on the way.
    for (const key of [...cache.keys()]) cache.delete(key);
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });

  test('a clear in the midst of it leaves no more than what came after it', async () => {
    const { cache, one, two } = open({ maxBytes: 100_000 });
    let busy = 2;
    const done = (): number => busy--;
    const threads = [one(hammer, 10_000, 1000, 1).then(done), two(hammer, 10_000, 1000, 2).then(done)];
    while (busy > 0) {
      cache.clear();
      await new Promise(setImmediate);
    }
    await Promise.all(threads);
    cache.clear();
    expect([cache.size, cache.bytes, [...cache.keys()]]).toEqual([0, 0, []]);
  });
});

describe('an entry that is too large', () => {
  test('is refused, with sizes and limits in the message, and what was there stays', () => {
    const { cache } = open({ maxBytes: 10_000, maxEntryBytes: 1000 });
    cache.set('a', 'before').set('b', 1);
    const { bytes } = cache;
    const message: unknown = expect.stringMatching(/\d+ bytes.* 1000 /);
    expect(() => cache.set('a', 'x'.repeat(1000))).toThrow(
      expect.objectContaining({ ...TOO_LARGE, message }),
    );
    expect([cache.get('a'), cache.get('b'), cache.bytes, cache.getStats().evictions]).toEqual([
      'before',
      1,
      bytes,
      0,
    ]);
  });

  test('is so by its key as well, and one that just fits is taken', () => {
    const { cache } = open({ maxBytes: 300 });
    cache.set('k', '');
    const beside = cache.bytes - 1;
    cache.clear();
    expect(() => cache.set('k'.repeat(300 - beside + 1), '')).toThrow(expect.objectContaining(TOO_LARGE));
    cache.set('k'.repeat(300 - beside), '');
    expect([cache.size, cache.bytes]).toEqual([1, 300]);
    cache.set('l', 'x'.repeat(299 - beside));
    expect([[...cache.keys()], cache.bytes]).toEqual([['l'], 300]);
  });

  test('makes room for itself at the cost of others, not of itself, when an entry grows', () => {
    const { cache } = open({ maxBytes: 1000 });
    for (let key = 0; key < 10; key++) cache.set(key, 'x');
    cache.set(5, 'x'.repeat(800));
    expect([(cache.get(5) as string).length, cache.size < 10, cache.bytes <= 1000]).toEqual([
      800,
      true,
      true,
    ]);
    cache.set(5, 'y');
    expect([cache.get(5), cache.bytes < 400]).toEqual(['y', true]);
  });
});

describe('threads that die while they write', () => {
  /** In a thread: writes without end entries that say themselves whether they are whole. */
  function write(there: SharedCache, _: Tools, shared: Int32Array, seed: number): void {
    let random = seed;
    const draw = (below: number): number => {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((random / 2 ** 32) * below);
    };
    const next = (): void => {
      for (let turn = 0; turn < 50; turn++) {
        const key = draw(300);
        const fill = draw(256);
        const length = draw(5) === 0 ? draw(50_000) : draw(200);
        switch (draw(5)) {
          case 0:
            there.set(`b${key}`, Buffer.alloc(length, fill));
            break;
          case 1:
            there.set(`o${key}`, { key, length, text: String.fromCharCode(fill).repeat(length), fill });
            break;
          case 2:
            there.set(`t${key}`, `${length} ${'t'.repeat(length)}`, 1 + draw(30));
            break;
          case 3:
            there.delete(`o${key}`);
            there.get(`b${key}`);
            break;
          default:
            void there.getOrSet(`c${key}`, () => Promise.resolve({ key, by: seed })).catch(() => {});
            there.get(`o${key}`);
        }
        Atomics.add(shared, 0, 1);
      }
      setImmediate(next);
    };
    next();
  }

  /** What is wrong with an entry. */
  function flaw(key: string, value: unknown): string | undefined {
    const number = Number(key.slice(1));
    if (key.startsWith('b')) {
      const bytes = value as Buffer;
      return bytes.every((byte) => byte === bytes[0]) ? undefined : `${key}: torn bytes`;
    }
    if (key.startsWith('t')) {
      const [length, text] = (value as string).split(' ');
      return Number(length) === text!.length ? undefined : `${key}: torn text`;
    }
    const object = value as { key: number; length?: number; text?: string; fill?: number };
    if (object.key !== number) return `${key}: the value of ${object.key}`;
    const { text, length, fill } = object;
    if (text === undefined) return undefined;
    return text === String.fromCharCode(fill!).repeat(length!) ? undefined : `${key}: torn object`;
  }

  test.each<[LRUCacheOptions<Key>]>([
    [{ maxBytes: 500_000 }],
    [{ maxSize: 500, policy: 'tinylfu' }],
    [{ maxBytes: 9_000_000 }],
  ])(
    'leave whole entries and true figures behind: %p',
    async (options) => {
      const { name, cache } = open(options);
      const flaws: string[] = [];
      const check = (): void => {
        for (const [key, value] of cache) {
          const found = flaw(String(key), value) ?? flaw(String(key), cache.get(key) ?? value);
          if (found !== undefined) flaws.push(found);
        }
      };
      let seed = 1;
      const lane = async (count: number): Promise<void> => {
        for (let turn = 0; turn < count; turn++) {
          const thread = start();
          const shared = new Int32Array(new SharedArrayBuffer(4));
          await thread.at(name)(write, shared, seed++);
          await until(() => Atomics.load(shared, 0) > 300);
          check();
          await thread.end();
          await thread.ended;
        }
      };
      await Promise.all([lane(8), lane(8)]);
      check();
      await until(() => ![...cache.keys()].some((key) => String(key).startsWith('t')));
      expect(flaws).toEqual([]);
      const { size, bytes } = cache.getStats();
      expect(size).toBeLessThanOrEqual(cache.maxSize);
      expect(bytes).toBeLessThanOrEqual(cache.maxBytes);
      expect([...cache.keys()].length).toBe(cache.size);
      // What they were computing can be computed.
      for (let key = 0; key < 300; key++)
        expect(await cache.getOrSet(`c${key}`, () => ({ key }))).toMatchObject({ key });
      for (const key of [...cache.keys()]) cache.delete(key);
      expect([cache.size, cache.bytes, cache.set('a', 1).get('a')]).toEqual([0, 0, 1]);
    },
    60_000,
  );
});
