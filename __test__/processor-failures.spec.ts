/** What users' operations throw, workers that die, and tasks that run again. */
import path from 'node:path';
import { types } from 'node:util';
import type { NoizylabError, OperationContext, TrillionProcessor } from '..';
import { toldBy } from './lib/child';
import { blocker, open, outcomesOf, rejection } from './lib/processors';

const DIED = { name: 'NoizylabError', code: 'ERR_PROCESSOR_WORKER_DIED' };
const TIMEOUT = { name: 'NoizylabError', code: 'ERR_PROCESSOR_TIMEOUT' };

let processor: TrillionProcessor;
let deaths: { workerId: number; error: Error }[];
beforeEach(() => {
  processor = open({ maxWorkers: 2 });
  deaths = [];
  processor.on('workerError', (event) => deaths.push(event));
  processor.define('same', (x: unknown) => x);
  processor.define('exit', () => process.exit(3));
  processor.define('loop', () => {
    for (;;);
  });
  processor.define('never', () => new Promise(() => {}));
});
const run = <R = unknown>(operation: string, data?: unknown): Promise<R> =>
  processor.run<R>({ operation, data });

/** What running `fn` as an operation rejects with. */
function failureOf(
  fn: (data: never, context: OperationContext) => unknown,
  data?: unknown,
): Promise<NoizylabError> {
  processor.define('failing', fn);
  return rejection(run('failing', data)) as Promise<NoizylabError>;
}

describe('what an operation throws', () => {
  test('arrives with name, message, stack, code, cause and own properties', async () => {
    const error = await failureOf(function thrower(data: number) {
      const cause = Object.assign(new RangeError('inner'), { code: 'INNER' });
      throw Object.assign(new TypeError('outer', { cause }), {
        code: 'OUTER',
        details: new Map([[data, 'x']]),
      });
    }, 5);
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ name: 'TypeError', message: 'outer', code: 'OUTER' });
    expect(error).toMatchObject({ details: new Map([[5, 'x']]) });
    expect(error.stack).toMatch(/^TypeError: outer\n.*(thrower|failing)/);
    expect(error.cause).toMatchObject({ name: 'RangeError', message: 'inner', code: 'INNER' });
    expect(Object.keys(error)).toEqual(['code', 'details']);
  });

  test('comes from a rejected promise the same way', async () => {
    const error = await failureOf(async () => {
      await null;
      throw new SyntaxError('later');
    });
    expect(error).toMatchObject({ name: 'SyntaxError', message: 'later' });
  });

  test('keeps the name of a class of its own, and what Node adds to its errors', async () => {
    const error = await failureOf(() => {
      class LateError extends Error {
        override name = 'LateError';
      }
      throw new LateError('mine');
    });
    expect(error).toMatchObject({ name: 'LateError', message: 'mine' });
    processor.define('read', () =>
      (require('node:fs') as typeof import('node:fs')).readFileSync('/not/there'),
    );
    await expect(run('read')).rejects.toMatchObject({
      code: 'ENOENT',
      syscall: 'open',
      path: path.resolve('/not/there'),
    });
  });

  test('keeps the errors of an AggregateError', async () => {
    const error = await failureOf(() => {
      throw new AggregateError([new RangeError('a'), 'b'], 'both');
    });
    expect(error).toMatchObject({ name: 'AggregateError', message: 'both' });
    expect(error).toMatchObject({ errors: [{ name: 'RangeError', message: 'a' }, 'b'] });
  });

  test('may be a DOMException, such as that of an aborted fetch', async () => {
    const error = await failureOf(() => AbortSignal.abort().throwIfAborted());
    expect(error).toMatchObject({ name: 'AbortError', message: 'This operation was aborted' });
  });

  test.each([
    'method',
    'symbol',
    'getter that throws',
    'message that cannot be read',
    'cause in a circle',
    'frozen',
  ])('arrives also with what cannot be cloned: %s', async (odd) => {
    const error = await failureOf((kind: string) => {
      const thrown = Object.assign(new Error('odd'), { kept: 1 });
      const get = (): unknown => JSON.parse('{');
      if (kind === 'method') Object.assign(thrown, { method: () => 1 });
      if (kind === 'symbol') Object.assign(thrown, { symbol: Symbol('s') });
      if (kind === 'getter that throws') Object.defineProperty(thrown, 'bad', { enumerable: true, get });
      if (kind === 'message that cannot be read') Object.defineProperty(thrown, 'message', { get });
      if (kind === 'cause in a circle') thrown.cause = thrown;
      if (kind === 'frozen') Object.freeze(thrown);
      throw thrown;
    }, odd);
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toMatchObject({ name: 'Error', kept: 1 });
    expect(deaths).toEqual([]);
  });

  test.each([['oops'], [0], [null], [undefined], [{ code: 5 }]])(
    'is the cause of an error where it is none: %p',
    async (thrown) => {
      const error = await failureOf((data: unknown) => {
        throw data;
      }, thrown);
      expect(error).toMatchObject({ name: 'NoizylabError', code: 'ERR_PROCESSOR_TASK_THREW' });
      expect(error.cause).toEqual(thrown);
    },
  );

  test('is also what a `then` of the result throws', async () => {
    const error = await failureOf(() => ({
      get then() {
        return JSON.parse('{') as unknown;
      },
    }));
    expect(error).toMatchObject({ name: 'SyntaxError' });
  });
});

describe('a worker that dies', () => {
  test('by process.exit() fails its task with a code, is told, and is replaced', async () => {
    await expect(run('exit')).rejects.toMatchObject({
      ...DIED,
      message: expect.stringContaining('code 3') as unknown,
    });
    expect(deaths).toEqual([{ workerId: expect.any(Number) as number, error: expect.any(Error) as Error }]);
    await expect(run('same', 1)).resolves.toBe(1);
  });

  test('by an error outside of the operation fails its task with the message', async () => {
    processor.define('late', () => {
      setTimeout(() => {
        throw new Error('thrown by a timer');
      });
      return new Promise(() => {});
    });
    await expect(run('late')).rejects.toMatchObject({
      ...DIED,
      message: expect.stringContaining('thrown by a timer') as unknown,
    });
    processor.define('unhandled', () => {
      void Promise.reject(new Error('that nobody handles'));
      return new Promise(() => {});
    });
    await expect(run('unhandled')).rejects.toMatchObject({
      ...DIED,
      message: expect.stringContaining('nobody handles') as unknown,
    });
  });

  test('of memory takes nobody with it', async () => {
    const small = open({ maxWorkers: 1, workerOptions: { resourceLimits: { maxOldGenerationSizeMb: 16 } } });
    small.define('hoard', () => {
      for (const all: unknown[] = []; ;) all.push(Array.from({ length: 1000 }, Math.random));
    });
    small.define('same', (x: unknown) => x);
    const outcomes = await outcomesOf(small, [
      { operation: 'same', data: 1 },
      { operation: 'hoard' },
      { operation: 'same', data: 2 },
    ]);
    expect(outcomes).toMatchObject([{ result: 1 }, { error: DIED }, { result: 2 }]);
  });

  test('loses none of the tasks that it held or that wait', async () => {
    const tasks = Array.from({ length: 2000 }, (_, data) => ({
      operation: data % 500 === 250 ? 'exit' : 'same',
      data,
    }));
    const outcomes = await outcomesOf(processor, tasks);
    outcomes.forEach((outcome, i) => {
      if (i % 500 === 250) expect(outcome).toMatchObject({ error: DIED });
      else expect(outcome).toMatchObject({ result: i });
    });
    expect(deaths).toHaveLength(4);
    await processor.shutdown();
    expect(processor.getStats()).toMatchObject({ processed: 1996, failed: 4, queueLength: 0, running: 0 });
  });

  test('runs its neighbours again, which is told as rerun and is no retry', async () => {
    const one = open({ maxWorkers: 1 });
    one.define('count', ({ memory, die }: { memory: SharedArrayBuffer; die: boolean }) => {
      if (die) process.exit(1);
      return Atomics.add(new Int32Array(memory), 0, 1);
    });
    const memory = new SharedArrayBuffer(4);
    const outcomes = await outcomesOf(
      one,
      Array.from({ length: 50 }, (_, i) => ({ operation: 'count', data: { memory, die: i === 25 } })),
    );
    expect(outcomes.filter(({ error }) => error !== undefined)).toHaveLength(1);
    expect(outcomes[25]).toMatchObject({ error: DIED });
    // At least once: those that ran before the death in the same chunk ran again.
    const { rerun, retried } = one.getStats();
    expect(new Int32Array(memory)[0]).toBeGreaterThanOrEqual(49);
    expect(new Int32Array(memory)[0]).toBeLessThanOrEqual(49 + rerun);
    expect(retried).toBe(0);
  });

  test('fails a parallelMap on workers with the code', async () => {
    const mapped = processor.parallelMap([1, 2, 3], (x) => (x === 2 ? process.exit(1) : x), { thread: true });
    await expect(mapped).rejects.toMatchObject(DIED);
  });

  test('with moved data fails that task: the data is gone', async () => {
    const data = Uint8Array.of(1);
    const task = { operation: 'exit', data, transferList: [data.buffer], retries: 5 };
    await expect(processor.run(task)).rejects.toMatchObject(DIED);
    await expect(run('same', 1)).resolves.toBe(1);
  });

  test('again and again does not stop the others', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => run(i % 2 === 0 ? 'exit' : 'same', i)),
    );
    expect(all.map(({ status }) => status)).toEqual(
      Array.from({ length: 4 }, () => ['rejected', 'fulfilled']).flat(),
    );
    expect(deaths).toHaveLength(4);
  });

  test('at its very start fails the tasks instead of starting for ever', async () => {
    const broken = open({
      maxWorkers: 2,
      workerOptions: { env: {}, execArgv: ['--require', '/does/not/exist.js'] },
    });
    broken.define('same', (x: unknown) => x);
    await expect(broken.run({ operation: 'same' })).rejects.toMatchObject(DIED);
  });
});

describe('a timeout', () => {
  test('ends an operation that never returns, and its worker is replaced at once', async () => {
    const error = await rejection(processor.run({ operation: 'loop' }, { timeout: 50 }));
    expect(error).toMatchObject(TIMEOUT);
    expect(error.message).toContain('50 ms');
    await expect(Promise.all([run('same', 1), run('same', 2)])).resolves.toEqual([1, 2]);
  });

  test('is no death: no workerError', async () => {
    await rejection(processor.run({ operation: 'loop' }, { timeout: 20 }));
    await run('same');
    expect(deaths).toEqual([]);
  });

  test('holds for a promise that never settles, and for a native operation', async () => {
    await expect(processor.run({ operation: 'never' }, { timeout: 20 })).rejects.toMatchObject(TIMEOUT);
    const long = { operation: 'compute', data: { iterations: 1e15 } };
    await expect(processor.run(long, { timeout: 20 })).rejects.toMatchObject(TIMEOUT);
    await processor.shutdown();
  });

  test('counts the time in the queue, and holds for all tries together', async () => {
    const one = open({ maxWorkers: 1 });
    const { started, work } = blocker(one);
    const controller = new AbortController();
    const first = rejection(one.run(work, { signal: controller.signal }));
    await started;
    await expect(one.run({ operation: 'compute' }, { timeout: 20, retries: 1000 })).rejects.toMatchObject(
      TIMEOUT,
    );
    controller.abort(new Error('enough'));
    await expect(first).resolves.toMatchObject({ message: 'enough' });
  });

  test('does not touch a task that finishes before, and leaves no timer behind', async () => {
    const told = await toldBy(`
      const processor = new core.TrillionProcessor();
      await tell(await processor.run({ operation: 'sum', data: [1] }, { timeout: 2 ** 31 * 4 }));
      await tell(await processor.run({ operation: 'sum', data: [2] }, { timeout: Infinity }));
    `);
    expect(told).toEqual([1, 2]);
  });
});

describe('retries', () => {
  test('run a failed task again, which can see the number of the attempt', async () => {
    processor.define('third', (_: unknown, { attempt }: OperationContext) => {
      if (attempt < 2) throw new Error(`attempt ${attempt}`);
      return attempt;
    });
    await expect(processor.run({ operation: 'third', retries: 2 })).resolves.toBe(2);
    await expect(processor.run({ operation: 'third' }, { retries: 1 })).rejects.toThrow('attempt 1');
    await expect(processor.run({ operation: 'third', retries: 5 }, { retries: 0 })).rejects.toThrow(
      'attempt 0',
    );
    expect(processor.getStats()).toMatchObject({ processed: 1, failed: 2, retried: 3 });
  });

  test('hold for tasks of addTasks and items of parallelMap', async () => {
    const second = (memory: SharedArrayBuffer): number => {
      const calls = Atomics.add(new Int32Array(memory), 0, 1) + 1;
      if (calls < 2) throw new Error('once');
      return calls;
    };
    processor.define('second', second);
    const task = { operation: 'second', data: new SharedArrayBuffer(4), retries: 1 };
    await expect(outcomesOf(processor, [task])).resolves.toMatchObject([{ result: 2 }]);
    const items = [new SharedArrayBuffer(4), new SharedArrayBuffer(4)];
    await expect(processor.parallelMap(items, second, { thread: true, retries: 1 })).resolves.toEqual([2, 2]);
  });

  test('also come after a death of the worker', async () => {
    processor.define('exitOnce', (_: unknown, { attempt }: OperationContext) =>
      attempt === 0 ? process.exit(1) : attempt,
    );
    await expect(processor.run({ operation: 'exitOnce', retries: 1 })).resolves.toBe(1);
    expect(deaths).toHaveLength(1);
  });
});
