/**
 * Memory that tasks are given: it lives as long as the engine touches it, whatever becomes of the promise, the array or the thread, and is
 * touched by one writer or by any number of readers.
 *
 * The story: an array was kept by the promise alone. After a timeout or an abort it could be collected, while the sort went on writing where it
 * had been. Two sorts of one array left numbers that nobody had given, and a transferred buffer ended the process.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { TrillionProcessor } from '..';
import { inChild, ROOT, startNode, toldBy } from './lib/child';

const STORM = join(__dirname, 'fixtures', 'memory-storm.cjs');
const PROVE = process.env['NOIZYLAB_PROVE'] === '1';
const STORM_SECONDS = PROVE ? 180 : 3;

/** What the tests use of it; its types belong to browsers. */
declare const WebAssemblyTypes: {
  Memory: new (descriptor: { initial: number }) => { buffer: ArrayBuffer; grow(pages: number): void };
};

/** The numbers from 0 on, in no order; the length must not be divisible by 7919. */
function scattered(length: number, buffer: ArrayBufferLike = new ArrayBuffer(length * 8)): Float64Array {
  return new Float64Array(buffer).map((_, at) => (at * 7919) % length);
}

function transferAway({ buffer }: Float64Array): void {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
}

function isSorted(array: Float64Array): boolean {
  return array.every((number, at) => number === at);
}

let processor: TrillionProcessor;
beforeAll(() => {
  processor = new TrillionProcessor({ maxWorkers: 4 });
});
afterAll(() => processor.shutdown());

describe('the life of an array', () => {
  test('a storm of timeouts, aborts, transfers and collections harms nothing', async () => {
    const storm = startNode(['--expose-gc', STORM, String(STORM_SECONDS)], {
      killAfter: (STORM_SECONDS + 60) * 1000,
    });
    const { code, signal, stdout, stderr } = await storm.ended;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const { done, failed, wrong } = JSON.parse(stdout) as { done: number; failed: number; wrong: string[] };
    expect(wrong).toEqual([]);
    expect(Math.min(done, failed)).toBeGreaterThan(0);
  }, 300_000);

  test('valgrind sees no foreign access in a storm', () => {
    if (!PROVE) return;
    if (spawnSync('valgrind', ['--version']).status !== 0) {
      process.stderr.write('skipped: valgrind is missing\n');
      return;
    }
    // V8 writes code, and looks at stacks that nobody has filled: what counts is where memory is read and written.
    const checks = ['--smc-check=all-non-file', '--undef-value-errors=no', '--leak-check=no'];
    const args = [...checks, '--error-exitcode=9', process.execPath];
    const ended = spawnSync('valgrind', [...args, '--expose-gc', '--jitless', STORM, '60', '100000'], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: 1_200_000,
    });
    expect({ code: ended.status, output: ended.status === 0 ? '' : ended.stderr }).toEqual({
      code: 0,
      output: '',
    });
    expect((JSON.parse(ended.stdout) as { wrong: string[] }).wrong).toEqual([]);
  }, 1_300_000);

  test('an array lives on after its task was given up, and is given back', async () => {
    const told = await toldBy(
      `const { TrillionProcessor } = core;
       const processor = new TrillionProcessor({ maxWorkers: 1 });
       const registry = new FinalizationRegistry(() => { collected++; });
       let collected = 0;
       for (let round = 0; round < 50; round++) {
         const control = new AbortController();
         (() => {
           const array = new Float64Array(500_000).fill(round);
           registry.register(array);
           processor.run({ operation: 'sort', data: array }, { signal: control.signal }).catch(() => {});
         })();
         await new Promise((next) => setImmediate(next));
         control.abort();
       }
       while (collected < 50) { gc(); await new Promise((next) => setImmediate(next)); }
       await tell('all collected');
       await processor.shutdown();
       process.disconnect();`,
      { nodeArgs: ['--expose-gc'] },
    );
    expect(told).toEqual(['all collected']);
  });

  test.each(['sort', 'sum', 'gzip', 'histogram', 'sha256', 'transform'])(
    '%s of an array whose buffer is transferred fails with a code, or came first',
    async (operation) => {
      const array = scattered(3_000_001);
      const task = processor.run({ operation, data: array });
      const settled = task.then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      );
      await Promise.resolve();
      transferAway(array);
      expect(array.length).toBe(0);
      expect(await settled).toBe('ERR_PROCESSOR_DETACHED');
    },
  );

  test('a small array whose buffer is transferred before the turn ends is missed as well', async () => {
    const array = Float64Array.of(3, 1, 2);
    const task = processor.run({ operation: 'sort', data: array });
    transferAway(array);
    await expect(task).rejects.toMatchObject({ code: 'ERR_PROCESSOR_DETACHED' });
  });

  test('a small array that is transferred after the turn cannot be sorted any more', async () => {
    const array = Float64Array.of(3, 1, 2);
    const task = processor.run({ operation: 'sort', data: array });
    task.catch(() => {}); // looked at below
    await Promise.resolve();
    await Promise.resolve();
    transferAway(array);
    await expect(task).rejects.toMatchObject({ code: 'ERR_PROCESSOR_DETACHED' });
  });

  test('memory of WebAssembly that grows takes its arrays away', async () => {
    const { Memory } = (globalThis as unknown as { WebAssembly: typeof WebAssemblyTypes }).WebAssembly;
    const memory = new Memory({ initial: 100 });
    const before = new Float64Array(memory.buffer);
    const task = processor.run({ operation: 'sum', data: before });
    task.catch(() => {}); // looked at below
    await Promise.resolve();
    memory.grow(1);
    await expect(task).rejects.toMatchObject({ code: 'ERR_PROCESSOR_DETACHED' });
    await expect(processor.run({ operation: 'sum', data: new Float64Array(memory.buffer) })).resolves.toBe(0);
  });

  test('other tasks of the same turn are not touched by one that lost its array', async () => {
    const [lost, kept] = [scattered(100_001), scattered(100_001)];
    const tasks = [lost, kept].map((data) => processor.run({ operation: 'sum', data }));
    transferAway(lost);
    const [first, second] = await Promise.allSettled(tasks);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'ERR_PROCESSOR_DETACHED' } });
    expect(second).toEqual({ status: 'fulfilled', value: (100_001 * 100_000) / 2 });
  });

  test('without a transfer list nothing is taken from the caller', async () => {
    const array = scattered(100_001);
    const clone = structuredClone(array);
    await processor.run({ operation: 'quantiles', data: array });
    expect(array).toEqual(clone);
  });
});

describe('several tasks on one memory', () => {
  const kinds: [string, () => ArrayBufferLike][] = [
    ['an array', () => new ArrayBuffer(300_000 * 8)],
    ['shared memory', () => new SharedArrayBuffer(300_000 * 8)],
  ];

  test.each(kinds)('take turns on %s', async (_, make) => {
    for (let round = 0; round < 5; round++) {
      const array = scattered(300_000, make());
      const operations = ['sort', 'sum', 'sort', 'max', 'sort', 'histogram'];
      const results = await Promise.all(
        operations.map((operation) => processor.run({ operation, data: array })),
      );
      expect(results[1]).toBe((300_000 * 299_999) / 2);
      expect(results[3]).toBe(299_999);
      expect(isSorted(array)).toBe(true);
    }
  });

  test('overlapping views are sorted one after the other', async () => {
    const buffer = new ArrayBuffer(300_000 * 8);
    scattered(300_000, buffer);
    const all = new Float64Array(buffer);
    all.set(scattered(300_000));
    const left = new Float64Array(buffer, 0, 200_000);
    const right = new Float64Array(buffer, 100_000 * 8);
    await Promise.all([left, right, left, right].map((data) => processor.run({ operation: 'sort', data })));
    expect([...all].sort((a, b) => a - b).every((number, at) => number === at)).toBe(true);
  });

  test('threads take turns on what they share', async () => {
    const shared = new SharedArrayBuffer(200_000 * 8);
    const array = new Float64Array(shared);
    array.set(scattered(200_000));
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { TrillionProcessor } = require(${JSON.stringify(ROOT)});
      const processor = new TrillionProcessor({ maxWorkers: 2 });
      const data = new Float64Array(workerData);
      const tasks = Array.from({ length: 4 }, () => processor.run({ operation: 'sort', data }));
      Promise.all(tasks).then(() => parentPort.postMessage('sorted'));`;
    const workers = [1, 2, 3].map(() => new Worker(code, { eval: true, workerData: shared }));
    const tasks = Array.from({ length: 4 }, () => processor.run({ operation: 'sort', data: array }));
    await Promise.all([...tasks, ...workers.map((worker) => once(worker, 'message'))]);
    expect(isSorted(array)).toBe(true);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  test('a sort that is stopped leaves the array as it was', async () => {
    const array = scattered(2_000_000);
    const before = array.slice();
    for (const timeout of [1, 5, 20]) {
      const task = processor.run({ operation: 'sort', data: array }, { timeout });
      const done = await task.then(
        () => true,
        () => false,
      );
      expect(
        done ? isSorted(array) : Buffer.compare(Buffer.from(array.buffer), Buffer.from(before.buffer)) === 0,
      ).toBe(true);
      if (done) array.set(before);
    }
  });
});

describe('the end of a thread', () => {
  /** The milliseconds that `code`, run in a worker until it posts, takes to be terminated, beside `beside` in the main thread. */
  const terminated = (code: string, beside = ''): string => `
    const { Worker } = require('node:worker_threads');
    const { TrillionProcessor } = core;
    ${beside}
    const worker = new Worker(${JSON.stringify(code)}, { eval: true });
    worker.once('message', async () => {
      await worker.terminate();
      await tell('terminated');
      process.exit(0);
    });`;

  const busy = (operation: string, make: string): string => `
    const { TrillionProcessor } = require(${JSON.stringify(ROOT)});
    const processor = new TrillionProcessor({ maxWorkers: 2 });
    for (let i = 0; i < 8; i++) processor.run({ operation: '${operation}', data: ${make} }).catch(() => {});
    (async () => {
      while (processor.getStats().running === 0) await new Promise((next) => setImmediate(next));
      require('node:worker_threads').parentPort.postMessage('works');
    })();`;

  test.each([
    ['sorts', busy('sort', 'new Float64Array(3_000_000).map(Math.random)')],
    ['sorts what is shared', busy('sort', 'new Float64Array(new SharedArrayBuffer(8 * 3_000_000))')],
    ['compresses', busy('gzip', 'new Uint8Array(30_000_000)')],
    ['sums up', busy('sum', 'new Float64Array(10_000_000)')],
  ])('comes while it %s', async (_, code) => {
    const { told, signal } = await inChild(terminated(code));
    expect({ told, signal }).toEqual({ told: ['terminated'], signal: null });
  });

  test('does not wait for what another thread computes', async () => {
    // The other thread's task never ends: where its end is waited for, the child is killed.
    const beside = `new TrillionProcessor({ maxWorkers: 1 })
      .run({ operation: 'compute', data: { iterations: 1e15 } }).catch(() => {});
      const large = new Float64Array(20_000_000).map(Math.random);
      new TrillionProcessor({ maxWorkers: 1 }).run({ operation: 'sort', data: large }).catch(() => {});`;
    const { told, signal } = await inChild(terminated(busy('sum', 'new Float64Array(3_000_000)'), beside));
    expect({ told, signal }).toEqual({ told: ['terminated'], signal: null });
  });

  test('process.exit ends a program in the midst of all', async () => {
    const { code, signal } = await inChild(`
      const { TrillionProcessor } = core;
      const processor = new TrillionProcessor({ maxWorkers: 2 });
      for (const operation of ['sort', 'sum', 'gzip', 'histogram'])
        processor.run({ operation, data: new Float64Array(5_000_000).fill(1) }).catch(() => {});
      while (processor.getStats().running === 0) await new Promise((next) => setImmediate(next));
      process.exit(7);`);
    expect({ code, signal }).toEqual({ code: 7, signal: null });
  });
});

test('timers fire while large arrays are read', async () => {
  const array = new Float64Array(4_000_000).fill(1);
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  // Where they starve it goes on for ever.
  while (fired < 20)
    await Promise.all(['sum', 'max', 'mean'].map((operation) => processor.run({ operation, data: array })));
  clearInterval(timer);
  expect(fired).toBeGreaterThanOrEqual(20);
});
