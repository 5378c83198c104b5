/**
 * A shared cache answers with the same object again and again, until another thread changes the entry or its time is over; and then never with
 * the old one.
 */
import { LRUCache } from '../dist/cache';
import { OUT_OF_RANGE } from './fixtures/cache';
import { open, type SharedCache, until } from './lib/cache-threads';

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
