/**
 * `getOrSet` of a shared cache: one computation of a missing value for all threads, whatever becomes of the thread that computes, of the key,
 * and of those who wait.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { TOO_LARGE } from './fixtures/cache';
import { type Key, open, type Seat, type SharedCache, start, type Tools, until } from './lib/cache-threads';

/** In a thread: begins a computation of `key` that ends when the gate of that name opens. Returns when it has begun. */
function begin(there: SharedCache, { kept, gate }: Tools, key: Key): void {
  const flight = there.getOrSet(key, () => gate(`${key}`));
  flight.catch(() => {});
  kept[key] = flight;
}

/** In a thread: asks for `key` as a waiter; what it would compute itself is counted and named. Returns when it waits. */
function wait(there: SharedCache, { kept }: Tools, key: Key, counter: Int32Array, mine: unknown): void {
  const flight = there.getOrSet(key, () => {
    Atomics.add(counter, 0, 1);
    return mine;
  });
  flight.catch(() => {});
  kept[key] = flight;
}

/** In a thread: what it waits for. */
const result = (_: SharedCache, { kept }: Tools, key: Key): unknown => kept[key];

const openGate = (_: SharedCache, tools: Tools, key: Key, value: unknown): void =>
  tools.open(`${key}`, value);

const newCounter = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

describe('one computation for all threads', () => {
  test('whoever asks meanwhile waits for it, and all have its value', async () => {
    const { cache, one, two } = open();
    const counter = newCounter();
    await one(begin, 'k');
    await two(wait, 'k', counter, 'of two');
    const here = [cache.getOrSet('k', () => 'mine'), cache.getOrSet('k', () => 'mine')];
    expect(cache.has('k')).toBe(false);
    await one(openGate, 'k', { value: 'of one' });
    expect(await Promise.all(here)).toEqual([{ value: 'of one' }, { value: 'of one' }]);
    expect([await two(result, 'k'), cache.get('k'), counter[0]]).toEqual([
      { value: 'of one' },
      { value: 'of one' },
      0,
    ]);
    expect(cache.getStats()).toMatchObject({ sets: 1, size: 1 });
  });

  test('a thread that finds the value computes nothing, and promises it at once', async () => {
    const { cache, one } = open();
    cache.set('k', { a: 1 });
    const counter = newCounter();
    await one(wait, 'k', counter, 'never');
    expect([await one(result, 'k'), counter[0]]).toEqual([{ a: 1 }, 0]);
    expect(await cache.getOrSet('k', () => 'never')).toBe(cache.get('k'));
  });

  test('many keys, many askers: each is computed once', async () => {
    const { cache, one, two } = open({ maxSize: 10_000 });
    const counters = new Int32Array(new SharedArrayBuffer(4000));
    const ask = async (there: SharedCache, _: unknown, counts: Int32Array): Promise<boolean> => {
      const all = await Promise.all(
        Array.from({ length: 5000 }, (__, index) =>
          there.getOrSet(index % 1000, async () => {
            Atomics.add(counts, index % 1000, 1);
            await new Promise(setImmediate);
            return { key: index % 1000 };
          }),
        ),
      );
      return all.every((value, index) => (value as { key: number }).key === index % 1000);
    };
    expect(
      await Promise.all([one(ask, counters), two(ask, counters), ask(cache, undefined, counters)]),
    ).toEqual([true, true, true]);
    expect(counters.every((count) => count === 1)).toBe(true);
    expect(cache.getStats()).toMatchObject({ sets: 1000, size: 1000 });
  });

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['an empty string', ''],
    ['a Buffer', Buffer.from('bytes')],
    ['a Map', new Map([[1, { a: 1 }]])],
    ['a lone surrogate', '\ud800'],
  ])('%s reaches all who wait and is kept', async (_, value) => {
    const { cache, one, two } = open();
    const counter = newCounter();
    await one(begin, 'k');
    await two(wait, 'k', counter, 'of two');
    const here = cache.getOrSet('k', () => 'mine');
    await one(openGate, 'k', value);
    expect(await Promise.all([here, one(result, 'k'), two(result, 'k')])).toEqual([value, value, value]);
    expect([cache.has('k'), cache.get('k'), counter[0]]).toEqual([true, value, 0]);
    expect(await cache.getOrSet('k', () => 'again')).toEqual(value);
  });

  test('the ttl is that of the computation, the default the maxAge of the cache object that computes', async () => {
    const { name, cache, one } = open();
    await one(async (_, { LRUCache }, shared) => {
      const aging = new LRUCache({ name: shared, shared: true, maxAge: 1e6 });
      await aging.getOrSet('default', () => 1);
      await aging.getOrSet('given', () => 1, 1e9);
      await aging.getOrSet('never', () => 1, { ttl: 0 });
    }, name);
    expect(cache.ttl('default')).toBeLessThanOrEqual(1e6);
    expect(cache.ttl('given')).toBeGreaterThan(1e6);
    expect(cache.ttl('never')).toBe(Infinity);
  });
});

describe('a computation that fails', () => {
  /** Fails in `one`, is waited for in `two` and here. */
  async function failures(fail: (there: SharedCache, tools: Tools) => void) {
    const { cache, one, two } = open();
    const counter = newCounter();
    await one(fail);
    await two(wait, 'k', counter, 'of two');
    const here = cache.getOrSet('k', () => 'mine');
    here.catch(() => {});
    await one(openGate, 'k', undefined);
    const reason: unknown = await here.then(
      () => 'it was fulfilled',
      (error: unknown) => error,
    );
    const others = await Promise.allSettled([one(result, 'k'), two(result, 'k')]);
    const codes = others.map(
      (other) => (other as { reason: { name: string; message: string; code?: string } }).reason,
    );
    return { cache, one, two, reason, codes, computed: counter[0] };
  }

  test('rejects for all with its error, and nothing is kept: the next one computes', async () => {
    const { cache, reason, codes, computed } = await failures((there, { kept, gate }) => {
      const flight = there.getOrSet('k', async () => {
        await gate('k');
        throw Object.assign(new RangeError('too far', { cause: new Error('why') }), {
          code: 'ERR_MINE',
          extra: { a: 1 },
        });
      });
      flight.catch(() => {});
      kept['k'] = flight;
    });
    expect(reason).toMatchObject({
      name: 'RangeError',
      message: 'too far',
      code: 'ERR_MINE',
      extra: { a: 1 },
      cause: expect.objectContaining({ message: 'why' }),
    });
    const error: unknown = expect.objectContaining({
      name: 'RangeError',
      message: 'too far',
      code: 'ERR_MINE',
    });
    expect([codes, computed, cache.size]).toEqual([[error, error], 0, 0]);
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  test.each([['text'], [5], [null], [undefined], [{ a: 1 }]])(
    'with %p, which is no error, rejects for all with that',
    async (thrown) => {
      const { cache, one } = open();
      await one((there, { kept, gate }, reason) => {
        const flight = there.getOrSet('k', async () => {
          await gate('k');
          // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- what others may do
          throw reason;
        });
        kept['k'] = flight.then(
          () => 'it was fulfilled',
          (error: unknown) => error,
        );
      }, thrown);
      const here = cache
        .getOrSet('k', () => 'mine')
        .then(
          () => 'it was fulfilled',
          (error: unknown) => error,
        );
      await one(openGate, 'k', undefined);
      expect([await here, await one(result, 'k')]).toEqual([thrown, thrown]);
    },
  );

  test('with what is no error and cannot leave its thread, rejects for the others with an error that says so', async () => {
    const { reason, codes } = await failures((there, { kept, gate }) => {
      const flight = there.getOrSet('k', async () => {
        await gate('k');
        // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- what others may do
        throw () => 1;
      });
      flight.catch(() => {});
      kept['k'] = flight.catch((thrown: unknown) => Promise.reject(new Error(typeof thrown)));
      (kept['k'] as Promise<unknown>).catch(() => {});
    });
    const error: unknown = expect.objectContaining({ name: 'NoizylabError', code: 'ERR_CACHE_THREW' });
    expect([reason, codes[0]!.message, codes[1]]).toEqual([error, 'function', error]);
  });

  test('because its value cannot be cloned is told to all, and the next one computes', async () => {
    const { cache, reason, codes } = await failures((there, { kept, gate }) => {
      const flight = there.getOrSet('k', async () => {
        await gate('k');
        return () => 1;
      });
      flight.catch(() => {});
      kept['k'] = flight;
    });
    const error: unknown = expect.objectContaining({ name: 'TypeError', code: 'ERR_CACHE_NOT_CLONEABLE' });
    expect([reason, ...codes]).toEqual([error, error, error]);
    expect(cache.has('k')).toBe(false);
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  test('by a throw before its first await does so too, in the caller as a rejection', async () => {
    const { cache } = open();
    const failing = cache.getOrSet('k', () => {
      throw new Error('at once');
    });
    await expect(failing).rejects.toThrow('at once');
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  test('a value that is too large reaches all who wait and is not kept', async () => {
    const { cache, one, two } = open({ maxBytes: 10_000, maxEntryBytes: 500 });
    const counter = newCounter();
    const large = 'x'.repeat(600);
    await one(begin, 'k');
    await two(wait, 'k', counter, 'of two');
    const here = cache.getOrSet('k', () => 'mine');
    await one(openGate, 'k', large);
    expect(await Promise.all([here, one(result, 'k'), two(result, 'k')])).toEqual([large, large, large]);
    expect([cache.has('k'), counter[0], await one((there) => there.getStats().tooLarge)]).toEqual([
      false,
      0,
      1,
    ]);
    expect(() => cache.set('k', large)).toThrow(expect.objectContaining(TOO_LARGE));
    expect(await cache.getOrSet('k', () => 'small')).toBe('small');
  });
});

describe('when the key changes during a computation', () => {
  test.each<[string, (there: SharedCache) => void, unknown]>([
    ['set', (there) => void there.set('k', 'written'), 'written'],
    ['deleted', (there) => void there.delete('k'), undefined],
    ['set and deleted', (there) => void there.set('k', 'written').delete('k'), undefined],
    ['cleared', (there) => void there.clear(), undefined],
    ['loaded', (there) => void there.load([{ key: 'k', value: 'dumped' }]), 'dumped'],
  ])(
    '%s by any thread, that holds: the computed value only answers those who waited',
    async (_, change, expected) => {
      for (const who of ['computing', 'waiting', 'other'] as const) {
        const { cache, one, two } = open();
        await one(begin, 'k');
        const here = cache.getOrSet('k', () => 'mine');
        if (who === 'computing') await one(change);
        else if (who === 'other') await two(change);
        else change(cache);
        await one(openGate, 'k', 'computed');
        expect([await here, await one(result, 'k')]).toEqual(['computed', 'computed']);
        expect([cache.get('k'), await two((there) => there.get('k'))]).toEqual([expected, expected]);
      }
    },
  );

  test.each(['computing', 'waiting', 'other'] as const)(
    'who asks after a delete (by the %s thread) is not answered with what was computed before it',
    async (who) => {
      const { cache, one, two } = open();
      const counter = newCounter();
      await one(begin, 'k');
      const here = cache.getOrSet('k', () => 'mine');
      if (who === 'computing') await one((there) => there.delete('k'));
      else if (who === 'other') await two((there) => there.delete('k'));
      else cache.delete('k');
      await two(wait, 'k', counter, 'new');
      expect(await two(result, 'k')).toBe('new');
      expect(await cache.getOrSet('k', () => 'never')).toBe('new');
      await one(openGate, 'k', 'old');
      expect([await here, await one(result, 'k')]).toEqual(['old', 'old']);
      expect([cache.get('k'), counter[0]]).toEqual(['new', 1]);
    },
  );

  test('a computation that writes its own key has written last', async () => {
    const { cache } = open();
    const computed = await cache.getOrSet('k', () => {
      cache.set('k', 'written inside');
      return 'computed';
    });
    expect([computed, cache.get('k')]).toEqual(['computed', 'written inside']);
  });

  test('other keys are not concerned', async () => {
    const { cache, one } = open();
    await one(begin, 'k');
    const here = cache.getOrSet('k', () => 'mine');
    cache.set('l', 1).delete('l');
    cache.delete('K');
    await one(openGate, 'k', 'computed');
    expect([await here, cache.get('k')]).toEqual(['computed', 'computed']);
  });
});

describe('when the thread that computes ends', () => {
  const ends: [string, (seat: Seat) => Promise<unknown>][] = [
    ['is terminated', () => Promise.resolve()],
    ['calls process.exit', (seat) => seat(() => process.exit(3))],
    [
      'ends by an uncaught error',
      (seat) =>
        seat(() => {
          setImmediate(() => {
            throw new Error('on purpose');
          });
        }),
    ],
  ];

  test.each(ends)('(it %s) the one who waits takes over', async (_, end) => {
    const { name, cache } = open();
    const thread = start();
    const seat = thread.at(name);
    await seat(begin, 'k');
    let computed = 0;
    const here = cache.getOrSet('k', () => ++computed);
    expect(computed).toBe(0);
    void end(seat);
    if (end.length === 0) await thread.end();
    await thread.ended;
    expect([await here, cache.get('k'), computed]).toEqual([1, 1, 1]);
  });

  test('of several who wait, one takes over and the others wait on', async () => {
    const { name, cache, one, two } = open();
    const thread = start();
    const counter = newCounter();
    await thread.at(name)(begin, 'k');
    await one(wait, 'k', counter, 'of one');
    await two(wait, 'k', counter, 'of two');
    const here = cache.getOrSet('k', () => {
      Atomics.add(counter, 0, 1);
      return 'of this one';
    });
    await thread.end();
    const all = await Promise.all([here, one(result, 'k'), two(result, 'k')]);
    expect(all).toEqual(['of one', 'of one', 'of one']);
    expect([counter[0], cache.get('k')]).toEqual([1, 'of one']);
  });

  test('those who take over may end too, one after another', async () => {
    const { name, cache } = open();
    const threads = [start(), start(), start(), start()];
    const begun = newCounter();
    for (const [index, thread] of threads.entries()) {
      await thread.at(name)(
        (there, { gate }, count, number) => {
          void there.getOrSet('k', () => {
            Atomics.store(count, 0, number + 1);
            return gate('k');
          });
        },
        begun,
        index,
      );
    }
    const here = cache.getOrSet('k', () => 'at last');
    for (const [index, thread] of threads.entries()) {
      await until(() => Atomics.load(begun, 0) === index + 1);
      await thread.end();
    }
    expect([await here, cache.get('k')]).toEqual(['at last', 'at last']);
  });

  test('a take-over that fails rejects for the rest who wait', async () => {
    const { name, cache, one } = open();
    const thread = start();
    await thread.at(name)(begin, 'k');
    await one((there, { kept }) => {
      const flight = there.getOrSet('k', () => Promise.reject(new RangeError('taken over in vain')));
      flight.catch(() => {});
      kept['k'] = flight;
    });
    const here = cache.getOrSet('k', () => 'mine');
    await Promise.all([expect(here).rejects.toThrow(new RangeError('taken over in vain')), thread.end()]);
    expect(cache.has('k')).toBe(false);
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  test('what was set before holds: who takes over keeps nothing', async () => {
    const { name, cache, one } = open();
    const thread = start();
    const counter = newCounter();
    await thread.at(name)(begin, 'k');
    await one(wait, 'k', counter, 'taken over');
    cache.set('k', 'written');
    await thread.end();
    expect(['written', 'taken over']).toContain(await one(result, 'k'));
    expect(cache.get('k')).toBe('written');
  });

  test('with nobody waiting, the next who asks computes', async () => {
    const { name, cache, one } = open();
    const thread = start();
    await thread.at(name)(begin, 'k');
    await thread.end();
    await thread.ended;
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
    expect(await one((there) => there.get('k'))).toBe('next');
  });

  test('all its computations pass on, also when they are many', async () => {
    const { name, cache, one } = open({ maxSize: 10_000 });
    const thread = start();
    await thread.at(name)((there, { gate }) => {
      for (let key = 0; key < 1000; key++) void there.getOrSet(key, () => gate('never'));
    });
    await one((there, { kept }) => {
      kept['all'] = Promise.all(
        Array.from({ length: 1000 }, (_, key) => there.getOrSet(key, () => `one ${key}`)),
      );
    });
    const here = Promise.all(
      Array.from({ length: 1000 }, (_, key) => cache.getOrSet(key, () => `main ${key}`)),
    );
    await thread.end();
    const ones = Array.from({ length: 1000 }, (_, key) => `one ${key}`);
    expect(await here).toEqual(ones);
    expect(await one(result, 'all')).toEqual(ones);
    expect(cache.size).toBe(1000);
  });

  test('an event loop without work ends the thread that computes; that passes it on as well', async () => {
    const { name, cache } = open();
    const body = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { LRUCache } = require(workerData.path);
      const cache = new LRUCache({ name: workerData.name, shared: true });
      void cache.getOrSet('k', () => new Promise(() => {}));
      parentPort.postMessage('begun');
    `;
    const worker = new Worker(body, {
      eval: true,
      workerData: { name, path: require.resolve('../dist/cache') },
    });
    await once(worker, 'message');
    expect(await cache.getOrSet('k', () => 'mine')).toBe('mine');
  });
});

describe('when those who wait end', () => {
  test('the computation goes on, and its value is kept', async () => {
    const { name, cache } = open();
    const threads = [start(), start()];
    const counter = newCounter();
    let land!: (value: unknown) => void;
    const here = cache.getOrSet('k', () => new Promise((resolve) => (land = resolve)));
    for (const thread of threads) await thread.at(name)(wait, 'k', counter, 'never');
    await Promise.all(threads.map((thread) => thread.end()));
    land('computed');
    expect([await here, cache.get('k'), counter[0]]).toEqual(['computed', 'computed', 0]);
  });

  test('and so does the one who computes, the next who asks computes', async () => {
    const { name, cache } = open();
    const threads = [start(), start(), start()];
    const counter = newCounter();
    await threads[0]!.at(name)(begin, 'k');
    for (const thread of threads.slice(1)) {
      await thread.at(name)((there, { gate }, key) => void there.getOrSet(key, () => gate('never')), 'k');
    }
    await Promise.all(threads.map((thread) => thread.end()));
    expect([await cache.getOrSet('k', () => 'mine'), cache.get('k'), counter[0]]).toEqual([
      'mine',
      'mine',
      0,
    ]);
  });

  test('a signal ends the wait of its caller alone, in whatever thread', async () => {
    const { cache, one, two } = open();
    const counter = newCounter();
    await one(begin, 'k');
    await two(wait, 'k', counter, 'never');
    const controller = new AbortController();
    const aborted = cache.getOrSet('k', () => 'mine', { signal: controller.signal });
    const patient = cache.getOrSet('k', () => 'mine');
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await one(openGate, 'k', 'computed');
    expect([await patient, await two(result, 'k'), cache.get('k')]).toEqual([
      'computed',
      'computed',
      'computed',
    ]);
  });
});

describe('expired values', () => {
  /** A cache whose entry 'k' has expired and is kept for stale answers. */
  async function expired(options: { staleWhileRevalidate?: number; staleIfError?: number }) {
    const opened = open();
    await opened.cache.getOrSet('k', () => ({ version: 1 }), { ttl: 1, ...options });
    opened.cache.get('k');
    await until(() => !opened.cache.has('k'));
    return opened;
  }

  test('answer at once in all threads while one renews them', async () => {
    const manner = { staleWhileRevalidate: 1e6 };
    const { cache, one, two } = await expired(manner);
    expect([cache.get('k'), cache.peek('k'), cache.size, [...cache.keys()]]).toEqual([
      undefined,
      undefined,
      0,
      [],
    ]);
    const renew = (there: SharedCache, { gate }: Tools, options: object): Promise<unknown> =>
      there.getOrSet('k', () => gate('k'), options);
    const counter = newCounter();
    expect(await one(renew, manner)).toEqual({ version: 1 });
    const ask = (there: SharedCache, _: unknown, options: object, count: Int32Array): Promise<unknown> =>
      there.getOrSet('k', () => Atomics.add(count, 0, 1), options);
    expect(await two(ask, manner, counter)).toEqual({ version: 1 });
    expect(await ask(cache, undefined, manner, counter)).toEqual({ version: 1 });
    await one(openGate, 'k', { version: 2 });
    await until(() => cache.has('k'));
    expect([cache.get('k'), await two(ask, manner, counter), counter[0]]).toEqual([
      { version: 2 },
      { version: 2 },
      0,
    ]);
  });

  test('do not answer who did not ask for them: that one waits', async () => {
    const { cache, one } = await expired({ staleWhileRevalidate: 1e6 });
    await one(begin, 'k');
    const here = cache.getOrSet('k', () => 'never');
    await one(openGate, 'k', 'new');
    expect(await here).toBe('new');
  });

  test('answer where the computation fails, for those who allow it', async () => {
    const { cache, one, two } = await expired({ staleIfError: 1e6 });
    await one((there, { kept, gate }) => {
      const flight = there.getOrSet('k', () => gate('k').then(() => Promise.reject(new Error('down'))), {
        staleIfError: 1e6,
      });
      kept['k'] = flight;
    });
    await two((there, { kept }) => {
      const flight = there.getOrSet('k', () => 'never');
      flight.catch(() => {});
      kept['k'] = flight;
    });
    const here = cache.getOrSet('k', () => 'never', { staleIfError: 1e6 });
    await one(openGate, 'k', undefined);
    expect([await here, await one(result, 'k')]).toEqual([{ version: 1 }, { version: 1 }]);
    await expect(two(result, 'k')).rejects.toThrow('down');
    expect(cache.getStats()).toMatchObject({ staleHits: 1, refreshErrors: 1, size: 0 });
  });

  test('a renewal that fails in the background is counted, and the old value goes on answering', async () => {
    const manner = { staleWhileRevalidate: 1e6 };
    const { cache } = await expired(manner);
    const failing = (): Promise<unknown> =>
      cache.getOrSet('k', () => Promise.reject(new Error('down')), manner);
    expect(await failing()).toEqual({ version: 1 });
    await until(() => cache.getStats().refreshErrors === 1);
    expect(await failing()).toEqual({ version: 1 });
  });

  test('are gone after a set, delete or clear by any thread', async () => {
    for (const change of [
      (there: SharedCache) => void there.delete('k'),
      (there: SharedCache) => void there.clear(),
      (there: SharedCache) => void there.set('k', 'written'),
    ]) {
      const { cache, one } = await expired({ staleWhileRevalidate: 1e6 });
      await one(change);
      const expected = cache.get('k') ?? 'new';
      expect(await cache.getOrSet('k', () => 'new', { staleWhileRevalidate: 1e6 })).toBe(expected);
    }
  });

  test('make room for live ones', async () => {
    const { cache } = open({ maxSize: 10 });
    for (let key = 0; key < 10; key++) await cache.getOrSet(key, () => 'old', { ttl: 1, staleIfError: 1e6 });
    await until(() => !cache.has(9));
    expect(cache.size).toBe(0);
    for (let key = 10; key < 20; key++) cache.set(key, 'new');
    expect([cache.size, cache.getStats().size]).toEqual([10, 10]);
  });
});
