/** Results of tasks by id, events, streams, and the end of a processor. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { EOL } from 'node:os';
import type { TaskOutcome } from '..';
import { deferred, rest } from './fixtures/parallel';
import { inChild, toldBy } from './lib/child';
import { blocker, open, rejection } from './lib/processors';

const SHUT_DOWN = { name: 'NoizylabError', code: 'ERR_PROCESSOR_SHUT_DOWN' };

describe('results', () => {
  test('awaited: all outcomes in the order of the ids, results and errors', async () => {
    const processor = open({ maxWorkers: 2 });
    const [a, b, c] = await processor.addTasks([{ data: 1 }, { operation: 'sum' }, { data: 3 }]);
    const outcomes = await processor.results([c!, b!, a!, c!]);
    expect(outcomes).toMatchObject([
      { taskId: c, result: 3 },
      { taskId: b, error: { code: 'ERR_PROCESSOR_INVALID_DATA' } },
      { taskId: a, result: 1 },
      { taskId: c, result: 3 },
    ]);
    await expect(processor.results([])).resolves.toEqual([]);
  });

  test('iterated: each as it comes', async () => {
    const processor = open({ maxWorkers: 2 });
    const { work, started, release } = blocker(processor);
    const [slow] = await processor.addTasks([work]);
    await started;
    const [fast] = await processor.addTasks([{ data: 'fast' }]);
    const seen: unknown[] = [];
    for await (const { taskId, result } of processor.results([slow!, fast!])) {
      seen.push(taskId === slow ? 'slow' : result);
      release();
    }
    expect(seen).toEqual(['fast', 'slow']);
  });

  test('may be left before the end, and asked for again', async () => {
    const processor = open({ maxWorkers: 1 });
    const ids = await processor.addTasks(Array.from({ length: 1000 }, (_, data) => ({ data })));
    for await (const { result } of processor.results(ids)) if (result === 5) break;
    const outcomes: TaskOutcome[] = [];
    for await (const outcome of processor.results(ids)) outcomes.push(outcome);
    expect(new Set(outcomes.map(({ taskId }) => taskId))).toEqual(new Set(ids));
    await expect(processor.results(ids)).resolves.toHaveLength(1000);
  });

  test.each(['never', '', 'task_1_1_1', '__proto__', 'constructor'])(
    'of an id that is none of ours (%j) is an error',
    async (id) => {
      const processor = open();
      await processor.addTasks([{ id: 'ours' }, {}]);
      const unknown = { name: 'NoizylabError', code: 'ERR_PROCESSOR_UNKNOWN_TASK' };
      await expect(processor.results([id])).rejects.toMatchObject(unknown);
      await expect(processor.results(['ours', id])).rejects.toMatchObject(unknown);
      await expect(processor.results([id])[Symbol.asyncIterator]().next()).rejects.toMatchObject(unknown);
    },
  );

  test('ids that are no list of texts are refused', () => {
    const { results } = { results: (ids: unknown) => open().results(ids as never) };
    for (const ids of ['abc', undefined, [5], [undefined]]) {
      expect(() => results(ids)).toThrow(
        expect.objectContaining({ code: 'ERR_PROCESSOR_INVALID_TYPE' }) as Error,
      );
    }
  });

  test('are kept up to resultLimit: the oldest are dropped, and say so', async () => {
    const processor = open({ maxWorkers: 1, resultLimit: 100 });
    const ids: string[] = [];
    for (let i = 0; i < 50; i++) {
      const some = await processor.addTasks(Array.from({ length: 10 }, () => ({ data: i })));
      await processor.results(some);
      ids.push(...some);
    }
    const { resultsHeld, resultsDropped } = processor.getStats();
    expect(resultsHeld).toBeLessThanOrEqual(100);
    expect(resultsHeld + resultsDropped).toBe(500);
    await expect(processor.results(ids.slice(-10))).resolves.toMatchObject(
      Array.from({ length: 10 }, () => ({ result: 49 })),
    );
    const gone = await processor.results(ids.slice(0, 1)).then(
      ([outcome]) => outcome!.error,
      (error: unknown) => error,
    );
    expect((gone as { code: string }).code).toMatch(/^ERR_PROCESSOR_(RESULT_DROPPED|UNKNOWN_TASK)$/);
  });

  test('are kept up to resultBytes', async () => {
    const processor = open({ maxWorkers: 1, resultBytes: 100_000 });
    for (let i = 0; i < 20; i++) {
      await processor.results(await processor.addTasks([{ data: 'x'.repeat(30_000) }]));
    }
    expect(processor.getStats().resultsHeld).toBeLessThanOrEqual(3);
    expect(processor.getStats().resultsDropped).toBeGreaterThanOrEqual(17);
  });

  // They were kept as a number of the buffer, which was gone when they were asked for.
  test('are kept with the shared memory that they show', async () => {
    const code = `
      const processor = new core.TrillionProcessor({ maxWorkers: 1 });
      processor.define('same', (x) => x);
      const add = async () => {
        const buffer = new SharedArrayBuffer(2);
        return processor.addTasks([{ operation: 'same', data: { view: new Uint8Array(buffer).fill(7) } }]);
      };
      const ids = await add();
      while (processor.getStats().resultsHeld < 1) await new Promise((resolve) => setTimeout(resolve, 1));
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        gc();
      }
      const [{ result, error }] = await processor.results(ids);
      await tell(error?.message ?? [...result.view]);
      await processor.shutdown();
    `;
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([[7, 7]]);
  });

  test('a million finished tasks leave no more than the limits allow', async () => {
    const told = await toldBy(
      `const processor = new core.TrillionProcessor({ resultLimit: 1000 });
      const round = async () => {
        const tasks = Array.from({ length: 50_000 }, (_, data) => ({ operation: 'sum', data: [data] }));
        await processor.results(await processor.addTasks(tasks).then((ids) => ids.slice(-1)));
      };
      const used = () => { gc(); const { heapUsed, external } = process.memoryUsage(); return heapUsed + external; };
      for (let i = 0; i < 4; i++) await round();
      const before = used();
      for (let i = 0; i < 16; i++) await round();
      await tell(used() - before);
      await processor.shutdown();`,
      { nodeArgs: ['--expose-gc'] },
    );
    expect(told[0]).toBeLessThan(10 * 2 ** 20);
  });
});

describe('events', () => {
  test('a task that fails is told as the error and, as the original did, as its message', async () => {
    const processor = open();
    const failed = once(processor, 'taskError');
    const [taskId] = await processor.addTasks([{ operation: 'sum', data: 'x' }]);
    const [event] = (await failed) as [{ taskId: string; error: Error; message: string }];
    expect(event).toMatchObject({ taskId, error: { code: 'ERR_PROCESSOR_INVALID_DATA' } });
    expect(event.message).toBe(event.error.message);
  });

  test('come once per task, also for those of a large call', async () => {
    const processor = open({ maxWorkers: 2 });
    const seen = new Map<string, number>();
    processor.on('taskComplete', ({ taskId }) => seen.set(taskId, (seen.get(taskId) ?? 0) + 1));
    const ids = await processor.addTasks(Array.from({ length: 20_000 }, (_, data) => ({ data })));
    await processor.shutdown();
    expect([...seen.keys()].toSorted()).toEqual(ids.toSorted());
    expect(Math.max(...seen.values())).toBe(1);
  });

  test('a listener that throws is an uncaught exception, and the other tasks are told all the same', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor({ maxWorkers: 1 });
      const uncaught = [];
      const both = new Promise((resolve) => {
        process.on('uncaughtException', (error) => { if (uncaught.push(error.message) === 2) resolve(); });
      });
      let events = 0;
      processor.on('taskComplete', ({ result }) => { events++; if (result % 2 === 0) throw new Error('listener ' + result) });
      const ids = await processor.addTasks([1, 2, 3, 4, 5].map((data) => ({ data })));
      await processor.shutdown();
      await both;
      await tell([events, uncaught, (await processor.results(ids)).map(({ result }) => result)]);
    `);
    expect(told).toEqual([[5, ['listener 2', 'listener 4'], [1, 2, 3, 4, 5]]]);
  });

  // A map never settled, and a shutdown rejected with what the listener had thrown.
  test('whatever a listener throws, what the event is about goes on', async () => {
    const code = `
      const uncaught = [];
      process.on('uncaughtException', (error) => uncaught.push(error.message));
      const processor = new core.TrillionProcessor({ batchSize: 1, maxWorkers: 1 });
      for (const event of ['initialized', 'batchComplete', 'workerError', 'shutdown'])
        processor.on(event, () => { throw new Error(event); });
      await processor.initialize();
      await tell(await processor.parallelMap([1], (x) => x + 1, { thread: true }));
      await tell(await processor.parallelMap([2], (x) => x + 1));
      processor.define('exit', () => process.exit());
      const bytes = new ArrayBuffer(1);
      const task = { operation: 'exit', data: bytes, transferList: [bytes] };
      await processor.run(task).catch(({ code }) => tell(code));
      await processor.shutdown();
      while (uncaught.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
      await tell(uncaught.sort());
    `;
    expect(await toldBy(code)).toEqual([
      [2],
      [3],
      'ERR_PROCESSOR_WORKER_DIED',
      ['batchComplete', 'batchComplete', 'initialized', 'shutdown', 'workerError'],
    ]);
  });

  test('a task that fails without listeners is nothing uncaught', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor();
      processor.define('exit', () => process.exit(1));
      const ids = await processor.addTasks([{ operation: 'sum', data: 'x' }, { operation: 'exit' }]);
      await processor.shutdown();
      await tell((await processor.results(ids)).map(({ error }) => error.code));
    `);
    expect(told).toEqual([['ERR_PROCESSOR_INVALID_DATA', 'ERR_PROCESSOR_WORKER_DIED']]);
  });
});

test('the AsyncLocalStorage context of the caller is kept in functions and after awaits', async () => {
  const storage = new AsyncLocalStorage<string>();
  const processor = open({ maxWorkers: 2 });
  processor.define('same', (x: unknown) => x);
  const seen = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      storage.run(name, async () => {
        const inside = await processor.parallelMap([1, 2], () => storage.getStore());
        await processor.run({ operation: 'same' });
        const streamed: unknown[] = [];
        for await (const one of processor.streamProcess([1], () => storage.getStore())) streamed.push(one);
        return [...inside, ...streamed, storage.getStore()];
      }),
    ),
  );
  expect(seen).toEqual(['a', 'b', 'c'].map((name) => [name, name, name, name]));
});

describe('streamProcess', () => {
  test('takes no more of the source than concurrency allows, and gives results in order', async () => {
    const processor = open();
    let taken = 0;
    let most = 0;
    let given = 0;
    function* source(): Generator<number> {
      for (let i = 0; ; i++) {
        taken++;
        most = Math.max(most, taken - given);
        yield i;
      }
    }
    const seen: number[] = [];
    for await (const value of processor.streamProcess(source(), (x) => x * 2, { concurrency: 4 })) {
      given++;
      seen.push(value);
      if (seen.length === 500) break;
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i * 2));
    expect(most).toBeLessThanOrEqual(2 * 4 + 1);
    // All that were done are counted, whether their results were asked for or not.
    expect(processor.getStats().processed).toBeGreaterThanOrEqual(500);
  });

  test('closes its source when it is left, when fn fails, and when the signal says so', async () => {
    const processor = open();
    let closed = 0;
    async function* source(): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i++) yield await Promise.resolve(i);
      } finally {
        closed++;
      }
    }
    for await (const value of processor.streamProcess(source(), (x) => x)) if (value === 3) break;
    expect(closed).toBe(1);
    const failing = processor.streamProcess(source(), (x) => (x < 2 ? x : JSON.parse('{')) as unknown);
    await expect(drain(failing)).rejects.toMatchObject({ name: 'SyntaxError' });
    expect(closed).toBe(2);
    const controller = new AbortController();
    const stopped = processor.streamProcess(source(), (x) => (x === 3 ? controller.abort() : x), {
      signal: controller.signal,
    });
    await expect(drain(stopped)).rejects.toMatchObject({ name: 'AbortError' });
    expect(closed).toBe(3);
  });

  async function drain(source: AsyncIterable<unknown>): Promise<void> {
    for await (const value of source) void value;
  }

  test('refuses what it cannot use', () => {
    const processor = open();
    const invalid = expect.objectContaining({ code: 'ERR_PROCESSOR_INVALID_TYPE' }) as Error;
    expect(() => processor.streamProcess(5 as never, (x) => x)).toThrow(invalid);
    expect(() => processor.streamProcess([], 5 as never)).toThrow(invalid);
    const range = expect.objectContaining({ code: 'ERR_PROCESSOR_OUT_OF_RANGE' }) as Error;
    expect(() => processor.streamProcess([], (x) => x, { concurrency: 0 })).toThrow(range);
  });
});

describe('shutdown', () => {
  test('finishes what runs and what waits, native and users, before it resolves', async () => {
    const processor = open({ maxWorkers: 2 });
    processor.define('later', async (x: unknown) => {
      await new Promise((resolve) => setImmediate(resolve));
      return x;
    });
    const ids = await processor.addTasks(
      Array.from({ length: 300 }, (_, data) => ({ operation: data % 2 === 0 ? 'later' : 'echo', data })),
    );
    const single = processor.run({ operation: 'later', data: 'single' });
    const mapped = processor.parallelMap([1, 2], (x) => x * 2, { thread: true });
    await processor.shutdown();
    await expect(processor.results(ids)).resolves.toMatchObject(ids.map((_, result) => ({ result })));
    await expect(Promise.all([single, mapped])).resolves.toEqual(['single', [2, 4]]);
    expect(processor.getStats()).toMatchObject({
      processed: 303,
      failed: 0,
      queueLength: 0,
      running: 0,
      workers: 0,
      hosts: 0,
    });
  });

  test('takes in nothing from the call on', async () => {
    const processor = open();
    const end = processor.shutdown();
    await expect(processor.addTasks([{}])).rejects.toMatchObject(SHUT_DOWN);
    await expect(processor.addTasks([])).rejects.toMatchObject(SHUT_DOWN);
    await expect(processor.run({})).rejects.toMatchObject(SHUT_DOWN);
    await expect(processor.parallelMap([1], (x) => x)).rejects.toMatchObject(SHUT_DOWN);
    expect(() => processor.streamProcess([1], (x) => x)).toThrow(expect.objectContaining(SHUT_DOWN) as Error);
    await end;
  });

  test.each([{ timeout: 20 }, { timeout: 0 }, { force: true }])(
    '%p fails what is left with a code',
    async (options) => {
      const processor = open({ maxWorkers: 1 });
      const { work, started } = blocker(processor);
      const [running] = await processor.addTasks([work]);
      await started;
      const waiting = rejection(processor.run({ data: 1 }));
      const [queued] = await processor.addTasks([{ data: 2 }]);
      await processor.shutdown(options);
      await expect(waiting).resolves.toMatchObject(SHUT_DOWN);
      await expect(processor.results([running!, queued!])).resolves.toMatchObject([
        { error: SHUT_DOWN },
        { error: SHUT_DOWN },
      ]);
    },
  );

  test('emits shutdown once, with the figures; calling it again waits for the same end', async () => {
    const processor = open();
    const events: unknown[] = [];
    processor.on('shutdown', (stats) => events.push(stats));
    await processor.run({});
    await Promise.all([processor.shutdown(), processor.shutdown({ timeout: 5 }), processor.shutdown()]);
    await processor.shutdown();
    expect(events).toMatchObject([{ processed: 1, workers: 0, endTime: expect.any(Number) as number }]);
  });

  test('that is under way can be hurried with force', async () => {
    const processor = open({ maxWorkers: 1 });
    const { work, started } = blocker(processor);
    const stuck = rejection(processor.run(work));
    await started;
    const patient = processor.shutdown();
    await rest();
    await processor.shutdown({ force: true });
    await patient;
    await expect(stuck).resolves.toMatchObject(SHUT_DOWN);
  });

  test('of a processor that never did anything, and by await using', async () => {
    const processor = open();
    await processor[Symbol.asyncDispose]();
    expect(processor.getStats()).toMatchObject({ elapsedMs: 0, processed: 0 });
  });

  test.each([
    [{ timeout: -1 }, 'RangeError'],
    [{ timeout: Number.NaN }, 'RangeError'],
    [{ force: 1 }, 'TypeError'],
    [null, 'TypeError'],
  ])('refuses %p, and shuts nothing down', async (options, name) => {
    const processor = open();
    await expect(processor.shutdown(options as never)).rejects.toMatchObject({ name });
    await expect(processor.run({ data: 1 })).resolves.toBe(1);
  });
});

describe('the process', () => {
  test('ends by itself when nothing is pending, without shutdown and without a word', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor({ maxWorkers: 2 });
      await processor.initialize();
      processor.define('twice', (x) => x * 2);
      await tell(await processor.run({ operation: 'twice', data: 4 }));
      await tell(await processor.run({ operation: 'sum', data: [1, 2] }));
    `);
    expect(told).toEqual([8, 3]);
  });

  test('says nothing, whatever happens: exits, failures, timeouts, shutdowns', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor({ maxWorkers: 2 });
      processor.define('exit', () => process.exit(1)).define('loop', () => { for (;;); }).define('throw', () => { throw new Error('x') });
      processor.define('import', async () => (await import('node:os')).EOL.length);
      const tasks = ['exit', 'loop', 'throw', 'sum', 'import'].map((operation) => processor.run({ operation }, { timeout: 500 }));
      await tell((await Promise.allSettled(tasks)).map(({ reason, value }) => reason?.code ?? reason?.message ?? value));
      await processor.shutdown();
    `);
    expect(told[0]).toEqual([
      'ERR_PROCESSOR_WORKER_DIED',
      'ERR_PROCESSOR_TIMEOUT',
      'x',
      'ERR_PROCESSOR_INVALID_DATA',
      EOL.length,
    ]);
  });

  test('a pending promise keeps it alive until it settles', async () => {
    const { told, code } = await inChild(`
      const processor = new core.TrillionProcessor();
      processor.define('later', () => new Promise((resolve) => setTimeout(resolve, 100, 'settled')));
      processor.run({ operation: 'later' }).then(tell);
    `);
    expect({ told, code }).toEqual({ told: ['settled'], code: 0 });
  });
});

describe('with fake timers', () => {
  afterEach(() => jest.useRealTimers());

  test('tasks, users operations and shutdown go on', async () => {
    jest.useFakeTimers();
    const processor = open({ maxWorkers: 1 });
    processor.define('same', (x: unknown) => x);
    const gate = deferred<string>();
    const mapped = processor.parallelMap([1], () => gate.promise);
    gate.resolve('through');
    await expect(processor.run({ operation: 'same', data: 1 }, { timeout: 60_000 })).resolves.toBe(1);
    await expect(mapped).resolves.toEqual(['through']);
    const ids = await processor.addTasks([{ data: 2 }]);
    await expect(processor.results(ids)).resolves.toMatchObject([{ result: 2 }]);
    await processor.shutdown();
  });
});
