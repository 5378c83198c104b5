/** `parallel`: the module, lists of tasks and items, and the queue of a `ParallelEngine`. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  batch,
  debounce,
  parallel,
  ParallelEngine,
  ParallelStream,
  retry,
  throttle,
  timeout,
} from '../dist/parallel';
import {
  INVALID_TYPE,
  OUT_OF_RANGE,
  QUEUE_FULL,
  NO_COUNT,
  deferred,
  nextTurn,
  rest,
  counted,
  throws,
  listeners,
  untyped,
} from './fixtures/parallel';

/** What `code`, which finds the module as `p`, prints in a process of its own; it fails if that process does. */
async function inPlainNode(code: string): Promise<string> {
  const module = JSON.stringify(join(__dirname, '../dist/parallel/index.js'));
  const { stdout } = await promisify(execFile)(process.execPath, [
    '-e',
    `const p = require(${module});${code}`,
  ]);
  return stdout.trim();
}

describe('the module', () => {
  test('loads nothing but its own few files', async () => {
    const loaded = await inPlainNode('console.log(JSON.stringify(Object.keys(require.cache)))');
    const strangers = (JSON.parse(loaded) as string[]).filter(
      (file) => !/dist[\\/](parallel[\\/][\w-]+|errors|options)\.js$/.test(file),
    );
    expect(strangers).toEqual([]);
  });

  test('gives its named exports to an import as well', async () => {
    const url = JSON.stringify(join(__dirname, '../dist/parallel/index.js'));
    const names =
      'ParallelEngine, ParallelStream, ChunkedProcessor, parallel, batch, retry, throttle, debounce, timeout';
    const code = `import { ${names} } from ${url}; console.log([${names}].every((name) => typeof name === 'function'))`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
    expect(stdout.trim()).toBe('true');
  });

  test('exports the static functions of ParallelEngine under their short names', () => {
    expect([parallel, batch, retry, throttle, debounce, timeout]).toEqual([
      ParallelEngine.all,
      ParallelEngine.batch,
      ParallelEngine.retry,
      ParallelEngine.throttle,
      ParallelEngine.debounce,
      ParallelEngine.raceWithTimeout,
    ]);
  });

  test('leaves no timer behind and no unhandled rejection once its promises have settled', async () => {
    const code = `
      const late = () => new Promise((_, reject) => setImmediate(reject, new Error('late')));
      const gone = AbortSignal.abort('gone');
      const stop = new AbortController();
      const work = [
        p.timeout(Promise.resolve(1), 60_000),
        p.timeout(late(), 60_000),
        p.timeout(late(), Number.NaN),
        p.timeout(late(), 60_000, null, { signal: gone }),
        p.timeout(() => late(), 60_000, null, { signal: stop.signal }),
        p.retry(() => { throw new Error('again') }, { delay: 60_000, signal: stop.signal }),
        p.retry(late, { signal: stop.signal }),
        p.debounce(() => 1, 60_000, { signal: stop.signal })(),
        p.parallel([late, late, () => { throw new Error('first') }], 5),
        p.batch([1, 2, 3], 3, (item) => { if (item === 3) throw new Error('third'); return late(); }),
        new p.ParallelStream([1, 2, 3]).map(late).collect(),
      ];
      setImmediate(() => stop.abort('stop'));
      Promise.allSettled(work).then(() => setImmediate(setImmediate, () => {
        console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
      }));`;
    await expect(inPlainNode(code)).resolves.toBe('0');
  });
});

const settled = () => 'done';

describe('a signal that does not fire is let go of', () => {
  const engine = new ParallelEngine(1);
  test.each<[string, (options: { signal: AbortSignal }) => Promise<unknown>]>([
    ['all', (options) => parallel([settled, settled], options)],
    ['batch', (options) => batch([1, 2], 1, settled, options)],
    ['retry', (options) => retry(settled, options)],
    ['raceWithTimeout', (options) => timeout(settled, 60_000, null, options)],
    ['a timeout', (options) => timeout(() => deferred().promise, 1, null, options)],
    ['add', (options) => Promise.all([engine.add(nextTurn), engine.add(settled, options)])],
    ['throttle', (options) => throttle(settled, 1, options)()],
    ['debounce', (options) => debounce(settled, 1, options)()],
    ['ParallelStream', (options) => new ParallelStream([1, 2], options).collect()],
    ['a rejection', (options) => parallel([throws('broken')], options).catch(String)],
  ])('%s', async (_, call) => {
    const { signal } = new AbortController();
    await call({ signal });
    expect(listeners(signal)).toBe(0);
  });
});

async function callerOfAll(task: () => Promise<void>): Promise<void> {
  await parallel([() => nextTurn().then(task)]);
}

describe('ParallelEngine.all', () => {
  test('gives the results in the order of the tasks, whatever order they end in', async () => {
    const first = deferred<string>();
    const results = ParallelEngine.all([() => first.promise, async () => 'second', () => 'third'], 2);
    await nextTurn();
    first.resolve('first');
    await expect(results).resolves.toEqual(['first', 'second', 'third']);
    await expect(ParallelEngine.all([])).resolves.toEqual([]);
  });

  test('types the results of a tuple as a tuple and of an array as an array', async () => {
    const pair: [number, string] = await parallel([() => 1, async () => 'one']);
    const tasks: (() => Promise<number>)[] = [async () => 1, async () => 2];
    const list: number[] = await parallel(tasks, { concurrency: 1 });
    expect([pair, list]).toEqual([
      [1, 'one'],
      [1, 2],
    ]);
  });

  test.each([
    ['the default of 10', undefined, 10],
    ['a number', 3, 3],
    ['an option', { concurrency: 4 }, 4],
    ['an option left undefined', { concurrency: undefined }, 10],
    ['no bound', Infinity, 50],
  ])('runs as many tasks at once as asked for, and no more: %s', async (_, concurrency, most) => {
    const { seen, run } = counted();
    await parallel(
      Array.from({ length: 50 }, (_value, index) => () => run(index)),
      concurrency,
    );
    expect(seen).toEqual({ started: 50, running: 0, most });
  });

  test('starts the next task as soon as one ends, without waiting for the slow ones', async () => {
    const slow = deferred();
    const { seen, run } = counted();
    const all = parallel([() => slow.promise, ...Array.from({ length: 20 }, () => () => run(1))], 2);
    while (seen.started < 20) await nextTurn();
    slow.resolve();
    await all;
    expect(seen.started).toBe(20);
  });

  test('calls a task without arguments', async () => {
    const lengths = await parallel([(...args: unknown[]) => args.length]);
    expect(lengths).toEqual([0]);
  });

  test.each([
    ['a rejection', () => Promise.reject(new Error('broken'))],
    ['a synchronous throw', throws('broken')],
  ])('rejects at once with the first error, and starts nothing after it: %s', async (_, broken) => {
    const { seen, run } = counted();
    const tasks = Array.from({ length: 20 }, () => () => run(1));
    const never = deferred();
    await expect(parallel([() => never.promise, () => run(1), broken, ...tasks], 3)).rejects.toThrow(
      'broken',
    );
    const { started } = seen;
    await rest();
    expect(seen.started).toBe(started);
    expect(started).toBeLessThan(3);
  });

  test.each(NO_COUNT)('refuses a concurrency of %p and starts nothing', async (concurrency, error) => {
    const { seen, run } = counted();
    const tasks = [() => run(1)];
    await expect(parallel(tasks, untyped(concurrency))).rejects.toMatchObject(error);
    await expect(parallel(tasks, untyped({ concurrency }))).rejects.toMatchObject(error);
    expect(seen.started).toBe(0);
  });

  test.each([
    [undefined],
    [null],
    ['tasks'],
    [{ length: 1 }],
    [[() => 1, 'no function']],
    [[Promise.resolve()]],
  ])('refuses tasks that are not a list of functions: %p', async (tasks) => {
    await expect(parallel(untyped(tasks))).rejects.toMatchObject(INVALID_TYPE);
  });

  test('an aborted signal starts nothing, and rejects with its reason', async () => {
    const { seen, run } = counted();
    const all = parallel([() => run(1)], { signal: AbortSignal.abort('no need') });
    await expect(all).rejects.toBe('no need');
    expect(seen.started).toBe(0);
  });

  test('a signal that fires rejects at once, starts nothing more and is let go of', async () => {
    const stop = new AbortController();
    const never = deferred();
    let started = 0;
    const task = () => {
      started++;
      if (started === 2) stop.abort('enough');
      return never.promise;
    };
    await expect(parallel([task, task, task, task], { concurrency: 3, signal: stop.signal })).rejects.toBe(
      'enough',
    );
    expect(started).toBe(2);
    expect(listeners(stop.signal)).toBe(0);
  });

  test('a signal that fires while tasks run starts none after them', async () => {
    const stop = new AbortController();
    const gate = deferred();
    const { seen, run } = counted();
    const all = parallel([() => gate.promise, () => run(1)], { concurrency: 1, signal: stop.signal });
    stop.abort('enough');
    gate.resolve();
    await expect(all).rejects.toBe('enough');
    await rest();
    expect(seen.started).toBe(0);
  });

  test.each([[{}], ['signal'], [null], [{ aborted: false }]])('refuses %p as a signal', async (signal) => {
    await expect(parallel([], untyped({ signal }))).rejects.toMatchObject(INVALID_TYPE);
  });

  test('the stack of an error leads back to the caller', async () => {
    await expect(callerOfAll(throws('deep'))).rejects.toMatchObject({
      stack: expect.stringContaining('callerOfAll') as string,
    });
  });
});

describe('ParallelEngine.batch', () => {
  test('hands over item, index within the batch, and batch, and keeps the order', async () => {
    const calls: unknown[] = [];
    const results = await ParallelEngine.batch(['a', 'b', 'c'], 2, async (...args) => {
      calls.push(args);
      return args[0].toUpperCase();
    });
    expect(results).toEqual(['A', 'B', 'C']);
    expect(calls).toEqual([
      ['a', 0, ['a', 'b']],
      ['b', 1, ['a', 'b']],
      ['c', 0, ['c']],
    ]);
  });

  test('runs a batch at once, and waits for it before the next', async () => {
    const gates = [deferred(), deferred(), deferred()];
    const started: number[] = [];
    const work = batch([0, 1, 2], 2, async (item) => {
      started.push(item);
      await gates[item]?.promise;
    });
    gates[1]?.resolve();
    await nextTurn();
    expect(started).toEqual([0, 1]);
    gates[0]?.resolve();
    await nextTurn();
    expect(started).toEqual([0, 1, 2]);
    gates[2]?.resolve();
    await work;
  });

  test('takes a batch of 300,000 items, or all of them', async () => {
    const items = Array.from({ length: 300_001 }, (_, index) => index);
    await expect(batch(items, 300_000, (item) => item)).resolves.toEqual(items);
    await expect(batch(items, Infinity, (item) => item)).resolves.toEqual(items);
  });

  test.each([...NO_COUNT, [undefined, INVALID_TYPE]])('refuses a batch size of %p', async (size, error) => {
    await expect(batch([1, 2], untyped(size), (item) => item)).rejects.toMatchObject(error);
    await expect(batch([], untyped(size), (item) => item)).rejects.toMatchObject(error);
  });

  test('refuses items that are no array and a processor that is no function', async () => {
    await expect(batch(untyped('abc'), 1, (item) => item)).rejects.toMatchObject(INVALID_TYPE);
    await expect(batch([], 1, untyped(undefined))).rejects.toMatchObject(INVALID_TYPE);
  });

  test('starts nothing after a rejection or a throw', async () => {
    const { seen, run } = counted();
    const fails = (item: number) => (item === 1 ? Promise.reject(new Error('one')) : run(item));
    await expect(batch([0, 1, 2, 3, 4], 2, fails)).rejects.toThrow('one');
    const breaks = (item: number) => {
      if (item === 1) throw new Error('one');
      return run(item);
    };
    await expect(batch([0, 1, 2, 3, 4], 5, breaks)).rejects.toThrow('one');
    await nextTurn();
    expect(seen.started).toBe(2);
  });

  test('stops at a signal', async () => {
    const stop = new AbortController();
    const started: number[] = [];
    const work = batch(
      [0, 1, 2],
      1,
      (item) => {
        started.push(item);
        if (item === 1) stop.abort('enough');
      },
      { signal: stop.signal },
    );
    await expect(work).rejects.toBe('enough');
    expect(started).toEqual([0, 1]);
    expect(listeners(stop.signal)).toBe(0);
    await expect(batch([1], 1, (item) => item, { signal: stop.signal })).rejects.toBe('enough');
  });
});

describe('a ParallelEngine', () => {
  test('runs what is added first in, first out, and tells how many run and wait', async () => {
    const engine = new ParallelEngine(2);
    const gates = [deferred<number>(), deferred<number>(), deferred<number>(), deferred<number>()];
    const started: number[] = [];
    const results = gates.map(({ promise }, index) =>
      engine.add(() => {
        started.push(index);
        return promise;
      }),
    );
    expect([engine.concurrency, engine.running, engine.queue.length, started]).toEqual([2, 2, 2, [0, 1]]);
    gates[1]?.resolve(1);
    await nextTurn();
    expect([engine.running, engine.queue.length, started]).toEqual([2, 1, [0, 1, 2]]);
    for (const [index, gate] of gates.entries()) gate.resolve(index);
    await expect(Promise.all(results)).resolves.toEqual([0, 1, 2, 3]);
    expect([engine.running, engine.queue.length]).toEqual([0, 0]);
    expect(new ParallelEngine().concurrency).toBe(10);
  });

  test('goes on after a rejection and after a throw', async () => {
    const engine = new ParallelEngine(1);
    const outcomes = await Promise.allSettled([
      engine.add(() => Promise.reject(new Error('rejected'))),
      engine.add(() => {
        throw new Error('thrown');
      }),
      engine.add(() => 'fine'),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(engine.running).toBe(0);
  });

  test('refuses a call that finds the queue full, and takes one again when there is room', async () => {
    const gate = deferred();
    const engine = new ParallelEngine(1, { maxQueue: 1 });
    const first = engine.add(() => gate.promise);
    const second = engine.add(() => 'second');
    await expect(engine.add(() => 'third')).rejects.toMatchObject(QUEUE_FULL);
    gate.resolve();
    await Promise.all([first, second]);
    await expect(engine.add(() => 'fourth')).resolves.toBe('fourth');
    await expect(new ParallelEngine(1, { maxQueue: 0 }).add(() => 'at once')).resolves.toBe('at once');
  });

  test('a signal takes a waiting call out of the queue, uncalled, and makes room for another', async () => {
    const gate = deferred();
    const engine = new ParallelEngine(1, { maxQueue: 1 });
    const stop = new AbortController();
    const fn = jest.fn();
    const first = engine.add(() => gate.promise);
    const second = engine.add(fn, { signal: stop.signal });
    stop.abort('enough');
    await expect(second).rejects.toBe('enough');
    expect([engine.queue.length, listeners(stop.signal)]).toEqual([0, 0]);
    const third = engine.add(() => 'third');
    gate.resolve();
    await first;
    await expect(third).resolves.toBe('third');
    await expect(engine.add(fn, { signal: stop.signal })).rejects.toBe('enough');
    expect(fn).not.toHaveBeenCalled();
  });

  test('a signal rejects a running call at once, whose place is free only when it has ended', async () => {
    const gate = deferred();
    const engine = new ParallelEngine(1);
    const stop = new AbortController();
    const first = engine.add(() => gate.promise, { signal: stop.signal });
    const second = engine.add(() => 'second');
    stop.abort('enough');
    await expect(first).rejects.toBe('enough');
    expect([engine.running, engine.queue.length]).toEqual([1, 1]);
    gate.resolve();
    await expect(second).resolves.toBe('second');
  });

  test('loses no place to a call that is aborted just as its turn comes', async () => {
    const gate = deferred();
    const engine = new ParallelEngine(1);
    const stop = new AbortController();
    const fn = jest.fn();
    const first = engine.add(() => gate.promise);
    // After the engine has heard of the end, and before the next call has.
    const aborting = gate.promise.then(() => stop.abort('enough'));
    const second = engine.add(fn, { signal: stop.signal });
    const third = engine.add(() => 'third');
    gate.resolve();
    await expect(second).rejects.toBe('enough');
    await expect(third).resolves.toBe('third');
    await Promise.all([first, aborting]);
    expect([engine.running, engine.queue.length]).toEqual([0, 0]);
    expect(fn).not.toHaveBeenCalled();
  });

  test('puts one listener on a signal, however many calls wait for it', async () => {
    const gate = deferred();
    const engine = new ParallelEngine(1);
    const stop = new AbortController();
    const calls = Array.from({ length: 1000 }, () => engine.add(() => gate.promise, { signal: stop.signal }));
    expect(listeners(stop.signal)).toBe(1);
    stop.abort('enough');
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === 'enough')).toBe(
      true,
    );
    gate.resolve();
  });

  test.each(NO_COUNT)('refuses a concurrency of %p', (concurrency, error) => {
    expect(() => new ParallelEngine(untyped(concurrency))).toThrow(expect.objectContaining(error));
  });

  test.each([
    [{ maxQueue: -1 }, OUT_OF_RANGE],
    [{ maxQueue: Infinity }, OUT_OF_RANGE],
    [{ maxQueue: '9' }, INVALID_TYPE],
    [null, INVALID_TYPE],
  ])('refuses the options %p', (options, error) => {
    expect(() => new ParallelEngine(1, untyped(options))).toThrow(expect.objectContaining(error));
  });

  test('refuses to add what is no function', async () => {
    const engine = new ParallelEngine(1);
    await expect(engine.add(untyped(Promise.resolve()))).rejects.toMatchObject(INVALID_TYPE);
    expect(engine.running).toBe(0);
  });
});

describe('a call that has to wait keeps the asynchronous context it was made in', () => {
  const context = new AsyncLocalStorage<string>();
  const where = async () => {
    await nextTurn();
    return context.getStore();
  };

  test.each<[string, () => () => Promise<string | undefined>]>([
    [
      'add',
      () => {
        const engine = new ParallelEngine(1);
        return () => engine.add(where);
      },
    ],
    ['throttle', () => throttle(where, 1)],
    ['debounce', () => debounce(where, 1)],
  ])('%s', async (_, make) => {
    const call = make();
    const calls = ['a', 'b', 'c'].map((name) => context.run(name, call));
    await expect(Promise.all(calls)).resolves.toEqual(['a', 'b', 'c']);
  });

  test('lists and streams run in the context of the call that started them', async () => {
    const tasks = Array.from({ length: 5 }, () => where);
    const stream = new ParallelStream(tasks, { concurrency: 2 }).map((task) => task());
    await expect(context.run('list', () => parallel(tasks, 2))).resolves.toEqual(Array(5).fill('list'));
    await expect(context.run('stream', () => stream.collect())).resolves.toEqual(Array(5).fill('stream'));
  });
});
