/** TrillionProcessor: the documented interface, its options, and what the figures tell. */
import os from 'node:os';
import { runParallel, TaskResults, TRILLION_CONFIG, TrillionProcessor } from '..';
import type { ProcessorOptions, ProcessorStats, Task } from '..';
import { untyped } from './fixtures/parallel';
import { toldBy } from './lib/child';
import { blocker, open, outcomesOf, rejection } from './lib/processors';

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_PROCESSOR_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_PROCESSOR_OUT_OF_RANGE' };
const SHUT_DOWN = { name: 'NoizylabError', code: 'ERR_PROCESSOR_SHUT_DOWN' };

function thrownBy(act: () => unknown): Error & { code?: string } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not throw');
}

function resizable(length: number): ArrayBuffer {
  // Absent from the typings of this language level.
  const options = { maxByteLength: 2 * length };
  return new (ArrayBuffer as unknown as new (length: number, given: object) => ArrayBuffer)(length, options);
}

describe('the documented example', () => {
  test('runs from the first line to the last', async () => {
    const processor = new TrillionProcessor({ maxWorkers: 2 });
    const events: [string, unknown][] = [];
    for (const name of ['initialized', 'taskComplete', 'taskError', 'batchComplete', 'shutdown'] as const) {
      processor.on(name, (payload: unknown) => events.push([name, payload]));
    }
    await processor.initialize();
    const ids = await processor.addTasks([
      { operation: 'compute', data: { iterations: 100 } },
      { operation: 'transform', data: [1, 2, 3] },
      { operation: 'aggregate', data: [1, 'two'] },
    ]);
    const results = await processor.parallelMap([1, 2, 3], async (item) => Promise.resolve(item * 2), {
      batchSize: 2,
    });
    await processor.shutdown();

    expect(results).toEqual([2, 4, 6]);
    const said = (name: string): unknown[] =>
      events.filter(([one]) => one === name).map(([, payload]) => payload);
    expect(said('initialized')).toEqual([{ workers: 2 }]);
    expect(said('taskComplete')).toEqual(
      expect.arrayContaining([
        { taskId: ids[0], result: { computed: expect.any(Number), input: { iterations: 100 } } },
        { taskId: ids[1], result: [2, 4, 6] },
      ]),
    );
    expect(said('taskComplete')).toHaveLength(2);
    const message = expect.stringContaining('"two" at index 1') as string;
    expect(said('taskError')).toEqual([
      { taskId: ids[2], error: expect.objectContaining({ code: 'ERR_PROCESSOR_INVALID_DATA' }), message },
    ]);
    expect(said('batchComplete')).toEqual([
      { completed: 2, total: 3 },
      { completed: 3, total: 3 },
    ]);
    const [stats] = said('shutdown') as ProcessorStats[];
    expect(stats).toMatchObject({ processed: 5, failed: 1, workers: 0, hosts: 0, queueLength: 0 });
    expect(events.at(-1)![0]).toBe('shutdown');
  });

  test('works from an ES module as well', async () => {
    const [results] = await toldBy(`
      const { TrillionProcessor, runParallel, TRILLION_CONFIG, TaskResults } = await import('@noizylab/core');
      const processor = new TrillionProcessor();
      await tell([await processor.run({ operation: 'sum', data: [1, 2] }), typeof runParallel, typeof TRILLION_CONFIG, typeof TaskResults]);
      await processor.shutdown();
    `);
    expect(results).toEqual([3, 'function', 'object', 'function']);
  });
});

describe('options', () => {
  test('have the documented defaults, which TRILLION_CONFIG tells', () => {
    expect(open().config).toEqual(TRILLION_CONFIG);
    expect(TRILLION_CONFIG).toMatchObject({
      maxWorkers: os.availableParallelism(),
      taskQueueSize: 1_000_000,
      batchSize: 10_000,
      memoryThreshold: 0.9,
      autoScale: true,
      overflow: 'wait',
    });
    expect(Object.isFrozen(TRILLION_CONFIG)).toBe(true);
  });

  test('that are undefined mean the default', () => {
    const unset = Object.fromEntries(Object.keys(TRILLION_CONFIG).map((name) => [name, undefined]));
    expect(open(unset).config).toEqual(TRILLION_CONFIG);
    expect(open(undefined).config).toEqual(TRILLION_CONFIG);
  });

  test('false and 0 are values where they are allowed', () => {
    expect(open({ autoScale: false, minWorkers: 0, resultLimit: 0, resultBytes: 0 }).config).toMatchObject({
      autoScale: false,
      minWorkers: 0,
      resultLimit: 0,
      resultBytes: 0,
    });
  });

  test('are read once: the config in force cannot change', () => {
    const options: ProcessorOptions = { maxWorkers: 1 };
    const processor = open(options);
    options.maxWorkers = 5;
    expect(processor.config.maxWorkers).toBe(1);
    expect(Object.isFrozen(processor.config)).toBe(true);
  });

  test.each<[keyof ProcessorOptions, unknown, object]>([
    ['maxWorkers', 0, OUT_OF_RANGE],
    ['maxWorkers', -1, OUT_OF_RANGE],
    ['maxWorkers', Number.NaN, OUT_OF_RANGE],
    ['maxWorkers', 1.5, OUT_OF_RANGE],
    ['maxWorkers', Infinity, OUT_OF_RANGE],
    ['maxWorkers', 1e9, OUT_OF_RANGE],
    ['maxWorkers', '2', INVALID_TYPE],
    ['maxWorkers', null, INVALID_TYPE],
    ['maxWorkers', 2n, INVALID_TYPE],
    ['minWorkers', -1, OUT_OF_RANGE],
    ['minWorkers', 5000, OUT_OF_RANGE],
    ['taskQueueSize', 0, OUT_OF_RANGE],
    ['taskQueueSize', -5, OUT_OF_RANGE],
    ['taskQueueSize', '', INVALID_TYPE],
    ['batchSize', 0, OUT_OF_RANGE],
    ['batchSize', 0.5, OUT_OF_RANGE],
    ['memoryThreshold', 0, OUT_OF_RANGE],
    ['memoryThreshold', -0.1, OUT_OF_RANGE],
    ['memoryThreshold', 1.01, OUT_OF_RANGE],
    ['memoryThreshold', Number.NaN, OUT_OF_RANGE],
    ['autoScale', 1, INVALID_TYPE],
    ['autoScale', 'yes', INVALID_TYPE],
    ['overflow', 'drop', OUT_OF_RANGE],
    ['overflow', true, INVALID_TYPE],
    ['idleTimeout', 0, OUT_OF_RANGE],
    ['resultLimit', -1, OUT_OF_RANGE],
    ['resultBytes', Number.NaN, OUT_OF_RANGE],
    ['workerOptions', 5, INVALID_TYPE],
  ])('%s: %p is refused by name, with what was given and what is allowed', (name, value, expected) => {
    const error = thrownBy(() => new TrillionProcessor({ [name]: value }));
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(new RegExp(`^${name} must be .+; given: `));
  });

  test.each([null, [], 'fast', 5, () => ({})])('%p instead of an object of options is refused', (value) => {
    expect(thrownBy(() => new TrillionProcessor(untyped(value)))).toMatchObject(INVALID_TYPE);
  });

  test('a getter that throws is heard', () => {
    const options = {
      get maxWorkers(): number {
        throw new Error('from the getter');
      },
    };
    expect(thrownBy(() => new TrillionProcessor(options)).message).toBe('from the getter');
  });
});

describe('initialize', () => {
  test('resolves to the processor itself, when initialized has been emitted', async () => {
    const processor = open({ maxWorkers: 2 });
    let told: unknown;
    processor.once('initialized', (payload) => {
      told = payload;
    });
    await expect(processor.initialize()).resolves.toBe(processor);
    expect(told).toEqual({ workers: 2 });
    expect(processor.getStats().workers).toBe(2);
  });

  test('called again changes nothing: one event, no thread more', async () => {
    const processor = open({ maxWorkers: 2 });
    let events = 0;
    processor.on('initialized', () => events++);
    await Promise.all([processor.initialize(), processor.initialize()]);
    await processor.initialize();
    expect(events).toBe(1);
    expect(processor.getStats().workers).toBe(2);
  });

  test('need not be called', async () => {
    await expect(open().run({ operation: 'sum', data: [1, 2] })).resolves.toBe(3);
  });

  test('is refused after a shutdown', async () => {
    const processor = open();
    await processor.shutdown();
    await expect(processor.initialize()).rejects.toMatchObject(SHUT_DOWN);
  });
});

describe('addTasks', () => {
  test('gives the ids of the tasks in order, all different', async () => {
    const processor = open({ maxWorkers: 2 });
    const first = await processor.addTasks(Array.from({ length: 60_000 }, (_, data) => ({ data })));
    const second = await processor.addTasks(Array.from({ length: 60_000 }, (_, data) => ({ data })));
    expect(new Set([...first, ...second]).size).toBe(120_000);
    const outcomes = await processor.results([second[59_999]!, first[7]!]);
    expect(outcomes.map(({ result }) => result)).toEqual([59_999, 7]);
  });

  test('keeps an id that the task brings: in what it returns, in events and in results', async () => {
    const processor = open();
    const finished = new Promise((resolve) => processor.once('taskComplete', resolve));
    await expect(processor.addTasks([{ id: 'mine', data: 5 }])).resolves.toEqual(['mine']);
    await expect(finished).resolves.toEqual({ taskId: 'mine', result: 5 });
    await expect(processor.results(['mine'])).resolves.toEqual([{ taskId: 'mine', result: 5 }]);
  });

  test.each<[string, unknown[]]>([
    ['an id that is in use', [{ id: 'used' }]],
    ['one id twice in a call', [{ id: 'twice' }, { id: 'twice' }]],
  ])('refuses %s', async (_what, tasks) => {
    const processor = open();
    await processor.addTasks([{ id: 'used' }]);
    await expect(processor.addTasks(untyped(tasks))).rejects.toMatchObject({
      code: 'ERR_PROCESSOR_DUPLICATE_ID',
    });
  });

  // Those that had not got in were told of as failed, and their ids were in use for ever.
  test('knows nothing of tasks that were called off before they were accepted', async () => {
    const processor = open({ maxWorkers: 1, taskQueueSize: 2 });
    const { work, started, release } = blocker(processor);
    const [holding] = await processor.addTasks([work]);
    await started;
    const errors: unknown[] = [];
    processor.on('taskError', ({ taskId }) => errors.push(taskId));
    const controller = new AbortController();
    const tasks = ['a', 'b', 'c', 'd'].map((id) => ({ id, data: id }));
    const adding = rejection(processor.addTasks(tasks, { signal: controller.signal }));
    const asked = processor.results(['b', 'd']);
    const outcomes = Promise.resolve(asked);
    controller.abort(new Error('called off'));
    await expect(adding).resolves.toMatchObject({ message: 'called off' });
    await expect(rejection(processor.results(['c']))).resolves.toMatchObject({
      code: 'ERR_PROCESSOR_UNKNOWN_TASK',
    });
    release();
    await expect(outcomes).resolves.toMatchObject([
      { taskId: 'b', result: 'b' },
      { taskId: 'd', error: { message: 'called off' } },
    ]);
    await expect(outcomesOf(processor, tasks.slice(2))).resolves.toMatchObject([
      { taskId: 'c', result: 'c' },
      { taskId: 'd', result: 'd' },
    ]);
    await processor.results([holding!, 'a']);
    expect(errors).toEqual([]);
  });

  // The first task was accepted, and the message did not say which one was wrong.
  test.each<[string, Task]>([
    [
      'memory beside what cannot be cloned',
      { operation: 'any', data: { data: new Uint8Array(1), not: () => 0 } },
    ],
    [
      'options that JSON cannot carry',
      { operation: 'histogram', data: { values: new Uint8Array(1), bins: 1n } },
    ],
    ['memory that may move', { operation: 'sort', data: untyped(new Uint8Array(resizable(8))) }],
  ])('adds none where one has %s', async (_what, wrong) => {
    const processor = open({ maxWorkers: 1 }).define('any', (x: unknown) => x);
    const told: unknown[] = [];
    processor.on('taskComplete', ({ taskId }) => told.push(taskId));
    processor.on('taskError', ({ taskId }) => told.push(taskId));
    const right: Task = { operation: wrong.operation!, data: [1] };
    await expect(processor.addTasks([right, wrong])).rejects.toMatchObject({ message: /^tasks\[1\]: / });
    await processor.shutdown();
    expect(told).toEqual([]);
  });

  test('never makes an id that a user chose before', async () => {
    const processor = open();
    const [made] = await processor.addTasks([{}]);
    const next = made!.replace(/\d+$/, (digits) => String(Number(digits) + 2));
    await processor.addTasks([{ id: next, data: 'chosen' }]);
    const [other] = await processor.addTasks([{ data: 'made' }]);
    expect(other).not.toBe(next);
    await expect(processor.results([next])).resolves.toMatchObject([{ result: 'chosen' }]);
  });

  test('of no tasks gives no ids', async () => {
    await expect(open().addTasks([])).resolves.toEqual([]);
  });

  test('takes a task without operation or data, frozen tasks and tasks without a prototype', async () => {
    const bare = Object.assign(Object.create(null) as Task, { operation: 'sum', data: [1] });
    const outcomes = await outcomesOf(open(), [{}, Object.freeze({ data: 1 }), bare]);
    expect(outcomes.map(({ result }) => result)).toEqual([undefined, 1, 1]);
  });

  test.each<[string, unknown, object, RegExp]>([
    ['no array', { 0: {}, length: 1 }, INVALID_TYPE, /tasks must be an array/],
    ['undefined', undefined, INVALID_TYPE, /tasks must be an array/],
    ['null for a task', [{}, null], INVALID_TYPE, /tasks\[1\]/],
    ['a hole', Array.from<unknown>({ length: 1 }).concat(1).slice(0, 1), INVALID_TYPE, /tasks\[0\]/],
    ['a number for a task', [{}, {}, 5], INVALID_TYPE, /tasks\[2\]/],
    [
      'an operation that is none',
      [{ operation: 'nope' }],
      { code: 'ERR_PROCESSOR_UNKNOWN_OPERATION' },
      /'nope'.*sum/,
    ],
    [
      'the name of an inherited property',
      [{ operation: 'toString' }],
      { code: 'ERR_PROCESSOR_UNKNOWN_OPERATION' },
      /toString/,
    ],
    [
      'an operation that is no string',
      [{ operation: 5 }],
      INVALID_TYPE,
      /operation must be a string; given: 5/,
    ],
    ['an empty id', [{ id: '' }], OUT_OF_RANGE, /id must be/],
    ['an id that is no string', [{ id: 7 }], INVALID_TYPE, /id must be/],
    ['half a priority', [{ priority: 0.5 }], OUT_OF_RANGE, /priority must be/],
    ['a negative number of retries', [{ retries: -1 }], OUT_OF_RANGE, /retries must be/],
    [
      'data that is a function',
      [{ data: () => 1 }],
      { code: 'ERR_PROCESSOR_NOT_CLONEABLE' },
      /could not be cloned/,
    ],
    [
      'data with a symbol in it',
      [{ data: [Symbol('s')] }],
      { code: 'ERR_PROCESSOR_NOT_CLONEABLE' },
      /Symbol\(s\)/,
    ],
  ])('refuses %s', async (_what, tasks, expected, message) => {
    const error = await rejection(open().addTasks(untyped(tasks)));
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
  });

  test('takes all tasks or none: one that is wrong keeps out the thousand before it', async () => {
    const processor = open({ maxWorkers: 2 });
    const tasks: Task[] = Array.from({ length: 1000 }, () => ({ id: undefined, data: 1 }));
    await expect(processor.addTasks([...tasks, { id: 'late', data: () => 1 }])).rejects.toThrow();
    await processor.addTasks([{ id: 'late' }]);
    await processor.shutdown();
    expect(processor.getStats()).toMatchObject({ processed: 1, failed: 0 });
  });

  test('loses no task and no worker to data that cannot be cloned', async () => {
    const processor = open({ maxWorkers: 1 });
    processor.define('same', (x: unknown) => x);
    const before = processor.addTasks([{ operation: 'same', data: 'before' }]);
    await expect(processor.addTasks([{ operation: 'same', data: { fn() {} } }])).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_PROCESSOR_NOT_CLONEABLE',
    });
    await expect(processor.run({ operation: 'same', data: 'after' })).resolves.toBe('after');
    await expect(processor.results(await before)).resolves.toMatchObject([{ result: 'before' }]);
    expect(processor.getStats()).toMatchObject({ running: 0, queueLength: 0 });
  });

  test('reads the data when it is called: what changes later changes nothing', async () => {
    const processor = open({ maxWorkers: 1 });
    const data: Record<string, unknown> = { a: 1 };
    const adding = processor.addTasks([{ data }]);
    data['a'] = new Map();
    await expect(processor.results(await adding)).resolves.toMatchObject([{ result: { a: 1 } }]);
  });
});

describe('getStats', () => {
  test('before anything began tells of no time and no work', () => {
    const stats = open().getStats();
    expect(stats).toMatchObject({
      processed: 0,
      failed: 0,
      startTime: null,
      endTime: null,
      workers: 0,
      queueLength: 0,
    });
    expect(stats).toMatchObject({ elapsed: '0.00s', rate: '0.00/s', elapsedMs: 0, ratePerSecond: 0 });
    expect(stats.memoryUsage).toMatchObject({ rss: expect.any(Number), heapUsed: expect.any(Number) });
  });

  test('tells elapsed and rate as text and as numbers, and stops the clock with the shutdown', async () => {
    const processor = open();
    const before = Date.now();
    await processor.run({ data: 1 });
    await processor.shutdown();
    const stats = processor.getStats();
    expect(stats.elapsed).toBe(`${(stats.elapsedMs / 1000).toFixed(2)}s`);
    expect(stats.rate).toBe(`${stats.ratePerSecond.toFixed(2)}/s`);
    expect(stats.elapsedMs).toBe(stats.endTime! - stats.startTime!);
    expect(stats.startTime).toBeGreaterThanOrEqual(before);
    expect(processor.getStats()).toEqual({ ...stats, memoryUsage: expect.anything() as unknown });
  });
});

describe('runParallel', () => {
  test('maps and leaves nothing behind, also when it fails', async () => {
    await expect(runParallel([1, 2], (x) => x * 2, { maxWorkers: 1 })).resolves.toEqual([2, 4]);
    const told = await toldBy(`
      const failing = core.runParallel([1], (x) => { throw new RangeError('no') }, { thread: true, maxWorkers: 2 });
      await failing.catch((error) => tell([error.name, error.message]));
    `);
    expect(told).toEqual([['RangeError', 'no']]);
  });
});

test('TaskResults is what results() gives', () => {
  expect(open().results([])).toBeInstanceOf(TaskResults);
});
