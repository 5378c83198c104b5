/** `parallelMap`: in the caller's isolate and on the worker threads. */
import { pathToFileURL } from 'node:url';
import { counted, deferred, listeners, nextTurn, rest } from './fixtures/parallel';
import { fixture, open, rejection } from './lib/processors';

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_PROCESSOR_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_PROCESSOR_OUT_OF_RANGE' };

describe('parallelMap', () => {
  test('gives the results in the order of the items, whatever order they come in', async () => {
    const first = deferred<string>();
    const fn = (item: string): string | Promise<string> => {
      if (item === 'a') return first.promise;
      first.resolve('A');
      return item.toUpperCase();
    };
    await expect(open().parallelMap(['a', 'b', 'c'], fn)).resolves.toEqual(['A', 'B', 'C']);
  });

  test('calls the function with the item alone', async () => {
    await expect(open().parallelMap([7], (...all: unknown[]) => all)).resolves.toEqual([[7]]);
  });

  test('takes a batch of 300,000 items without exhausting the stack', async () => {
    const items = Array.from({ length: 300_001 }, (_, i) => i);
    const results = await open().parallelMap(items, (x) => x + 1, { batchSize: 300_000 });
    expect(results.length).toBe(300_001);
    expect(results[300_000]).toBe(300_001);
  });

  test.each([{ thread: false }, { thread: true }])(
    'counts its items in the figures (%p)',
    async (options) => {
      const processor = open({ maxWorkers: 1 });
      await processor.parallelMap([1, 2, 3], (x) => x, options);
      const failing = processor.parallelMap([1], () => JSON.parse('{') as unknown, options);
      await expect(failing).rejects.toMatchObject({ name: 'SyntaxError' });
      expect(processor.getStats()).toMatchObject({ processed: 3, failed: 1 });
    },
  );

  test.each([{ thread: false }, { thread: true }])('of nothing gives nothing (%p)', async (options) => {
    await expect(open().parallelMap([], (x) => x, options)).resolves.toEqual([]);
  });

  test.each<[unknown[], object, RegExp]>([
    [[new Set([1]), (x: unknown) => x], INVALID_TYPE, /^items must be an array/],
    [['abc', (x: unknown) => x], INVALID_TYPE, /^items/],
    [[[1]], INVALID_TYPE, /^fn must be/],
    [[[1], 5], INVALID_TYPE, /^fn must be/],
    [[[1], (x: unknown) => x, null], INVALID_TYPE, /^options/],
    [[[1], (x: unknown) => x, { batchSize: 0 }], OUT_OF_RANGE, /^batchSize/],
    [[[1], (x: unknown) => x, { concurrency: 0 }], OUT_OF_RANGE, /^concurrency/],
    [[[1], (x: unknown) => x, { thread: 'yes' }], INVALID_TYPE, /^thread/],
    [[[1], (x: unknown) => x, { signal: {} }], INVALID_TYPE, /^signal/],
  ])('refuses what it cannot use: %#', async (args, expected, message) => {
    const error = await rejection(
      (open() as unknown as { parallelMap(...all: unknown[]): Promise<unknown> }).parallelMap(...args),
    );
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
  });

  test('runs no more at once than concurrency, or batchSize, allows', async () => {
    for (const options of [{ concurrency: 3 }, { batchSize: 3 }, { batchSize: 100, concurrency: 3 }]) {
      const { seen, run } = counted();
      await open().parallelMap(Array.from({ length: 20 }), run, options);
      expect(seen).toMatchObject({ started: 20, most: 3 });
    }
  });

  test('after a rejection nothing new starts', async () => {
    let started = 0;
    const fail = async (item: number): Promise<void> => {
      started++;
      await nextTurn();
      if (item === 1) throw new Error('the second');
    };
    const items = Array.from({ length: 100 }, (_, i) => i);
    await expect(open().parallelMap(items, fail, { concurrency: 2 })).rejects.toThrow('the second');
    const then = started;
    await rest();
    expect(started).toBe(then);
    expect(started).toBeLessThan(10);
  });

  test('on workers: one that fails rejects, wherever it stands, and what waits does not run', async () => {
    const processor = open({ maxWorkers: 1 });
    const memory = new SharedArrayBuffer(4);
    const fail = ({ shared, i, bad }: { shared: SharedArrayBuffer; i: number; bad: number }): number => {
      if (i === bad) throw new TypeError(`item ${i}`);
      return Atomics.add(new Int32Array(shared), 0, 1);
    };
    for (const bad of [0, 5, 9]) {
      const items = Array.from({ length: 10 }, (_, i) => ({ shared: memory, i, bad }));
      await expect(processor.parallelMap(items, fail, { thread: true })).rejects.toMatchObject({
        name: 'TypeError',
        message: `item ${bad}`,
      });
    }
    await processor.shutdown();
    expect(processor.getStats()).toMatchObject({ queueLength: 0, running: 0 });
  });

  test('on workers: many items keep their order, and are told by batchComplete', async () => {
    const processor = open({ maxWorkers: 2 });
    const told: { completed: number; total: number }[] = [];
    processor.on('batchComplete', (event) => told.push(event));
    const items = Array.from({ length: 100_000 }, (_, i) => i);
    const results = await processor.parallelMap(items, (x) => x * 2, { thread: true, batchSize: 30_000 });
    expect(results).toEqual(items.map((x) => x * 2));
    const total = 100_000;
    expect(told).toEqual([30_000, 60_000, 90_000, total].map((completed) => ({ completed, total })));
  });

  test('takes the path or the URL of a module', async () => {
    const path = fixture('operations.mjs');
    await expect(open().parallelMap([1, 2], path)).resolves.toEqual([2, 4]);
    await expect(open().parallelMap([3], pathToFileURL(path))).resolves.toEqual([6]);
    await expect(open().parallelMap([3], `${path}#square`, { thread: true })).resolves.toEqual([9]);
  });

  test('on workers: the function gets the item alone, and may be async', async () => {
    const all = await open().parallelMap([7], (...given: unknown[]) => Promise.resolve(given), {
      thread: true,
    });
    expect(all).toEqual([[7]]);
  });

  test('refuses a closure for workers before anything runs, and runs the same function here', async () => {
    const factor = 3;
    const processor = open();
    const times = (x: number): number => x * factor;
    const refused = processor.parallelMap([1], times, { thread: true });
    await expect(refused).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_PROCESSOR_CLOSURE' });
    await expect(refused).rejects.toThrow(/'factor'.*leave out 'thread'/);
    await expect(processor.parallelMap([1], times)).resolves.toEqual([3]);
    expect(processor.getStats().hosts).toBe(0);
  });

  test.each([{ thread: false }, { thread: true }])(
    'a signal ends it with its reason (%p)',
    async (options) => {
      const processor = open({ maxWorkers: 1 });
      const before = AbortSignal.abort(new Error('before'));
      await expect(processor.parallelMap([1], (x) => x, { ...options, signal: before })).rejects.toThrow(
        'before',
      );
      const controller = new AbortController();
      const endless = processor.parallelMap([1, 2], () => new Promise(() => {}), {
        ...options,
        signal: controller.signal,
      });
      await rest();
      controller.abort(new Error('meanwhile'));
      await expect(endless).rejects.toThrow('meanwhile');
      expect(listeners(controller.signal)).toBe(0);
      await expect(processor.run({ data: 'still there' })).resolves.toBe('still there');
    },
  );

  test('leaves the items as they were, and takes holes and undefined for items', async () => {
    const items = Object.freeze([1, undefined, , 4]); // oxlint-disable-line no-sparse-arrays -- the point of it
    const expected = ['number', 'undefined', 'undefined', 'number'];
    await expect(open().parallelMap(items, (x) => typeof x)).resolves.toEqual(expected);
    await expect(open().parallelMap(items, (x) => typeof x, { thread: true })).resolves.toEqual(expected);
  });
});

test('any number of functions can be mapped with: those of long ago are forgotten, and known again when they come back', async () => {
  const processor = open({ maxWorkers: 1 });
  const functions = Array.from(
    { length: 600 },
    // oxlint-disable-next-line typescript/no-implied-eval -- functions of different text, as a program that generates them has
    (_, number) => new Function('x', `return x + ${number}`) as (x: number) => number,
  );
  for (const [number, add] of functions.entries()) {
    expect(await processor.parallelMap([1], add, { thread: true })).toEqual([1 + number]);
  }
  expect(await processor.parallelMap([1, 2], functions[0]!, { thread: true })).toEqual([1, 2]);
  // Those that are in use are not.
  const together = functions.map((add) => processor.parallelMap([1], add, { thread: true }));
  expect((await Promise.all(together)).flat()).toEqual(functions.map((_, number) => 1 + number));
});
