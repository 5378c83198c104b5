/** What lets tasks in, in which order they run, on how many workers, and what a signal ends. */
import { once } from 'node:events';
import type { ProcessorOptions } from '..';
import { listeners, rest } from './fixtures/parallel';
import { toldBy } from './lib/child';
import { blocker, open, rejection } from './lib/processors';

const QUEUE_FULL = { name: 'NoizylabError', code: 'ERR_PROCESSOR_QUEUE_FULL' };
const SHUT_DOWN = { name: 'NoizylabError', code: 'ERR_PROCESSOR_SHUT_DOWN' };

/** A processor whose only place is taken until `release`: what is added meanwhile waits. */
async function held(options: ProcessorOptions = {}) {
  const processor = open({ maxWorkers: 1, ...options });
  const { work, started, release } = blocker(processor);
  const holding = processor.run(work);
  holding.catch(() => {});
  await started;
  return { processor, release, holding };
}

function tasks(count: number, from = 0): { data: number }[] {
  return Array.from({ length: count }, (_, i) => ({ data: from + i }));
}

describe('one turn of the event loop', () => {
  // They were joined to one text, which was too long: nothing of them settled, and the process ended with the error.
  test('may bring more than fits into one text', async () => {
    const processor = open({ resultLimit: 0 });
    const data = Array.from({ length: 10_000 }, () => 'x'.repeat(100));
    const runs = Array.from({ length: 530 }, () => rejection(processor.run({ operation: 'sum', data })));
    const codes = (await Promise.all(runs)).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['ERR_PROCESSOR_INVALID_DATA']));
  });

  test('may bring a list that is too long for one text', async () => {
    const processor = open({ resultLimit: 0 });
    const data = Array.from({ length: 10_000 }, () => 'x'.repeat(100));
    const list = Array.from({ length: 530 }, () => ({ operation: 'sum', data }));
    await expect(processor.addTasks(list)).resolves.toHaveLength(530);
    await processor.shutdown();
    expect(processor.getStats().failed).toBe(530);
  });
});

describe('taskQueueSize', () => {
  test('makes addTasks wait until there is room for all of them', async () => {
    const { processor, release } = await held({ taskQueueSize: 10 });
    const first = await processor.addTasks(tasks(6));
    let accepted = false;
    const second = processor.addTasks(tasks(100, 6)).finally(() => {
      accepted = true;
    });
    await rest();
    expect(accepted).toBe(false);
    expect(processor.getStats().queueLength).toBeLessThanOrEqual(10);
    release();
    const outcomes = await processor.results([...first, ...(await second)]);
    expect(outcomes.map(({ result }) => result)).toEqual(tasks(106).map(({ data }) => data));
  });

  test("with overflow: 'reject' keeps out what does not fit as a whole, and says how much would", async () => {
    const { processor, release } = await held({ taskQueueSize: 10, overflow: 'reject' });
    await processor.addTasks(tasks(8));
    const error = await rejection(processor.addTasks(tasks(3)));
    expect(error).toMatchObject(QUEUE_FULL);
    expect(error.message).toMatch(/3 tasks .* 2 of 10/);
    await processor.addTasks(tasks(2));
    await expect(processor.run({ data: 1 })).rejects.toMatchObject(QUEUE_FULL);
    expect(processor.getStats().queueLength).toBe(10);
    release();
    await processor.shutdown();
    expect(processor.getStats()).toMatchObject({ processed: 11, failed: 0 });
  });

  test('lets in those that wait in the order of their coming, and keeps the order within a call', async () => {
    const { processor, release } = await held({ taskQueueSize: 2 });
    const order: number[] = [];
    processor.on('taskComplete', ({ result }) => order.push(result as number));
    const calls = [tasks(5), tasks(5, 5), tasks(5, 10)].map((some) => processor.addTasks(some));
    release();
    await processor.results((await Promise.all(calls)).flat());
    expect(order.filter((n) => n % 5 === 0)).toEqual([0, 5, 10]);
    for (const from of [0, 5, 10]) {
      expect(order.filter((n) => n >= from && n < from + 5)).toEqual(tasks(5, from).map(({ data }) => data));
    }
  });

  test('of one is enough for everything', async () => {
    const processor = open({ maxWorkers: 2, taskQueueSize: 1 });
    const ids = await processor.addTasks(tasks(200));
    await expect(processor.results(ids)).resolves.toHaveLength(200);
    await expect(processor.parallelMap([1, 2, 3], (x) => x + 1, { thread: true })).resolves.toEqual([
      2, 3, 4,
    ]);
  });

  test('a signal ends the wait for room; what was let in still runs', async () => {
    const { processor, release } = await held({ taskQueueSize: 4 });
    const controller = new AbortController();
    const adding = processor.addTasks(tasks(10), { signal: controller.signal });
    await rest();
    controller.abort(new Error('no more patience'));
    await expect(adding).rejects.toThrow('no more patience');
    expect(listeners(controller.signal)).toBe(0);
    release();
    await processor.shutdown();
    expect(processor.getStats()).toMatchObject({ processed: 5 });
  });

  test('a shutdown refuses those that wait for room', async () => {
    const { processor, release } = await held({ taskQueueSize: 1 });
    const waiting = processor.addTasks(tasks(3));
    const refused = rejection(waiting);
    await rest();
    const end = processor.shutdown();
    release();
    await expect(refused).resolves.toMatchObject(SHUT_DOWN);
    await end;
  });
});

describe('a stream of addTasks', () => {
  test('lets the event loop turn while it goes on, long before the queue is full', async () => {
    const processor = open();
    let turns = 0;
    let immediate = setImmediate(function again() {
      turns++;
      immediate = setImmediate(again);
    });
    for (let block = 0; block < 20; block++) await processor.addTasks(tasks(10_000));
    clearImmediate(immediate);
    expect(turns).toBeGreaterThanOrEqual(19);
    // Few tasks at a time do not wait for one each.
    const before = turns;
    for (let call = 0; call < 20; call++) await processor.addTasks(tasks(10));
    expect(turns).toBe(before);
    await processor.shutdown();
    expect(processor.getStats().processed).toBe(200_200);
  });
});

describe('memoryThreshold', () => {
  test("above it intake stands still, which is told; with overflow: 'reject' it is refused", async () => {
    const processor = open({ memoryThreshold: 1e-6 });
    const paused = once(processor, 'paused');
    const controller = new AbortController();
    const adding = processor.addTasks(tasks(1), { signal: controller.signal });
    const [event] = (await paused) as [{ reason: string; used: number; limit: number }];
    expect(event.reason).toBe('memory');
    expect(event.used).toBeGreaterThan(event.limit);
    expect(processor.getStats().paused).toBe(true);
    controller.abort();
    await expect(adding).rejects.toMatchObject({ name: 'AbortError' });
    const strict = open({ memoryThreshold: 1e-6, overflow: 'reject' });
    await expect(strict.addTasks(tasks(1))).rejects.toMatchObject({ code: 'ERR_PROCESSOR_MEMORY' });
    await expect(strict.run({})).rejects.toMatchObject({ code: 'ERR_PROCESSOR_MEMORY' });
  });

  test('below it again intake resumes, which is told', async () => {
    const told = await toldBy(
      `
      const { totalmem } = require('node:os');
      const limit = process.constrainedMemory();
      const usable = limit > 0 && limit < totalmem() ? limit : totalmem();
      const large = Buffer.alloc(300 * 2 ** 20, 1);
      const processor = new core.TrillionProcessor({ memoryThreshold: (process.memoryUsage.rss() - 100 * 2 ** 20) / usable });
      processor.on('paused', () => { void tell('paused'); release(); });
      processor.on('resumed', () => void tell('resumed'));
      function release() { setImmediate(() => { structuredClone(large.buffer, { transfer: [large.buffer] }); gc(); }); }
      const ids = await processor.addTasks([{ data: 'in' }]);
      await tell((await processor.results(ids))[0].result);
      await processor.shutdown();
    `,
      { nodeArgs: ['--expose-gc'] },
    );
    expect(told).toEqual(['paused', 'resumed', 'in']);
  });
});

describe('memory that is short for reasons that are not tasks', () => {
  // Intake waited for the memory of the process to fall, which nothing was going to make it do: all calls waited for ever.
  test('lets tasks in again whenever none is left', async () => {
    const processor = open({ memoryThreshold: 1e-6 });
    let paused = 0;
    processor.on('paused', () => paused++);
    const results = [];
    for (let i = 0; i < 3; i++) results.push(await processor.run({ operation: 'sum', data: [i, 1] }));
    expect(results).toEqual([1, 2, 3]);
    expect(paused).toBeGreaterThan(0);
    // Many at once too.
    await expect(
      Promise.all(Array.from({ length: 5 }, (_, i) => processor.run({ operation: 'sum', data: [i] }))),
    ).resolves.toEqual([0, 1, 2, 3, 4]);
    await processor.shutdown();
  });
});

describe('order and workers', () => {
  test('more urgent tasks start first, equal ones in the order of their coming', async () => {
    const { processor, release } = await held();
    const order: unknown[] = [];
    processor.on('taskComplete', ({ result }) => order.push(result));
    const priorities = [0, -5, 7, 0, 2 ** 31 - 1, -(2 ** 31), 7];
    const ids = await processor.addTasks(priorities.map((priority, i) => ({ priority, data: i })));
    release();
    await processor.results(ids);
    expect(order).toEqual([4, 2, 6, 0, 3, 1, 5]);
  });

  test('a run with priority overtakes what waits', async () => {
    const { processor, release } = await held();
    const order: string[] = [];
    const late = processor.run({ data: 1 }).then(() => order.push('late'));
    const urgent = processor.run({ data: 2 }, { priority: 1 }).then(() => order.push('urgent'));
    release();
    await Promise.all([late, urgent]);
    expect(order).toEqual(['urgent', 'late']);
  });

  test('autoScale adds native workers with the load and ends idle ones, told by scale', async () => {
    const processor = open({ maxWorkers: 2, minWorkers: 0, idleTimeout: 10 });
    const seen: number[] = [];
    const gone = new Promise<void>((resolve) => {
      processor.on('scale', ({ workers }) => {
        seen.push(workers);
        if (workers === 0) resolve();
      });
    });
    await processor.addTasks(
      Array.from({ length: 20 }, () => ({ operation: 'compute', data: { iterations: 1e6 } })),
    );
    await gone;
    expect(Math.max(...seen)).toBe(2);
    expect(processor.getStats()).toMatchObject({ processed: 20, workers: 0 });
    await expect(processor.run({ data: 'again' })).resolves.toBe('again');
  });

  test('without autoScale the workers stay', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor({ maxWorkers: 2, minWorkers: 0, autoScale: false, idleTimeout: 1 });
      const counts = [];
      processor.on('scale', ({ workers }) => counts.push(workers));
      await processor.initialize();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await tell({ counts, workers: processor.getStats().workers });
    `);
    const [{ counts, workers }] = told as [{ counts: number[]; workers: number }];
    expect(workers).toBe(2);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  });
});

describe('run with a signal', () => {
  test('that is aborted before does nothing', async () => {
    const processor = open();
    const reason = { any: 'value' };
    await expect(processor.run({ data: 1 }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(processor.getStats()).toMatchObject({ processed: 0, queueLength: 0 });
  });

  test('ends what runs and what waits with its reason, at once', async () => {
    const { processor, holding, release } = await held();
    const controller = new AbortController();
    const waiting = processor.run({ data: 1 }, { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toThrow('changed my mind');
    expect(processor.getStats().processed).toBe(0);
    release();
    await expect(holding).resolves.toBe('released');
  });

  test('leaves no listener at the signal, however the task ends', async () => {
    const processor = open();
    const { signal } = new AbortController();
    await processor.run({ data: 1 }, { signal });
    await processor.run({ operation: 'sum' }, { signal }).catch(() => {});
    expect(listeners(signal)).toBe(0);
  });

  test.each([
    [{ timeout: 0 }, 'RangeError'],
    [{ timeout: -1 }, 'RangeError'],
    [{ timeout: Number.NaN }, 'RangeError'],
    [{ timeout: '5' }, 'TypeError'],
    [{ signal: {} }, 'TypeError'],
    [{ signal: null }, 'TypeError'],
    [{ priority: null }, 'TypeError'],
    [{ retries: null }, 'TypeError'],
    [{ transferList: null }, 'TypeError'],
    [{ priority: 2 ** 31 }, 'RangeError'],
    [{ retries: Infinity }, 'RangeError'],
    [null, 'TypeError'],
  ])('refuses options that are none: %p', async (options, name) => {
    await expect(open().run({}, options as never)).rejects.toMatchObject({ name, code: /^ERR_PROCESSOR_/ });
  });

  test.each([[undefined], [null], ['task'], [[]]])('refuses %p as a task', async (task) => {
    await expect(open().run(task as never)).rejects.toMatchObject({ code: 'ERR_PROCESSOR_INVALID_TYPE' });
  });
});
