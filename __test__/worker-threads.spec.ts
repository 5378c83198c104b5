/**
 * The package in worker threads: they may end at any moment and in every way, with work in flight, without a crash, a leak, or harm to
 * other threads. What runs for a thread that has ended stops; memory that it lent is not touched any more.
 */
import { join } from 'node:path';
import { startNode, toldBy } from './lib/child';

/** How many workers are started and ended mid-work. */
const COUNT = Number(process.env['NOIZYLAB_TEST_WORKERS'] ?? 1000);

/** What is freed goes back to the system at once (glibc): it is not taken for a leak, and whoever touches it crashes. */
const FREE_AT_ONCE = { MALLOC_MMAP_THRESHOLD_: '65536' };

describe(`${COUNT} workers that are ended mid-work`, () => {
  interface Figures {
    rss: number;
    threads: number;
    files: number;
  }

  const churn = async (flavour: 'package' | 'bare'): Promise<Figures[]> => {
    const file = join(__dirname, 'fixtures', 'isolates', 'churn.js');
    const { told, ...end } = await startNode([file, flavour, String(COUNT)], {
      nodeArgs: ['--expose-gc'],
      env: FREE_AT_ONCE,
      killAfter: 60_000 + COUNT * 500,
    }).ended;
    expect(end).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    return told[0] as Figures[];
  };

  /** Bytes by which the least memory in use rose from the second quarter of the run to the last. */
  const growth = (figures: Figures[]): number => {
    const quarter = Math.floor(figures.length / 4);
    const least = (from: number): number =>
      Math.min(...figures.slice(from, from + quarter).map(({ rss }) => rss));
    return least(figures.length - quarter) - least(quarter);
  };

  test(
    'do not crash, and leave no more behind than the same workers without the package',
    async () => {
      const [ours, bare] = await Promise.all([churn('package'), churn('bare')]);
      // By as much memory goes up and down within a run on Node 24. Of 1,000 workers it is 16 KB each; an isolate holds megabytes,
      // a processor with its tasks and threads hundreds of kilobytes.
      const noise = 16_000_000;
      expect(growth(ours)).toBeLessThanOrEqual(Math.max(0, growth(bare)) + noise);
      const warm = ours[Math.floor(ours.length / 4)]!;
      expect(ours.at(-1)!.threads).toBeLessThanOrEqual(warm.threads);
      expect(ours.at(-1)!.files).toBeLessThanOrEqual(warm.files);
    },
    120_000 + COUNT * 1000,
  );
});

/** In a child: `start(code)` runs code in a worker thread that has the package as `core` and speaks with `say(value)`. */
const WORKERS = `
  const { Worker } = require('node:worker_threads');
  const { once } = require('node:events');
  const head = \`
    const { parentPort, workerData } = require('node:worker_threads');
    const core = require('@noizylab/core');
    const say = (value) => parentPort.postMessage(value);
    const alive = () => setInterval(() => {}, 1e9);
  \`;
  const start = (code, options) => {
    const worker = new Worker(head + '(async () => {' + code + '})();', { eval: true, ...options });
    worker.on('error', () => {}); // who wants to know of it listens too
    return worker;
  };
  /** The error that it ended with, if any, and its exit code. */
  const endOf = (worker) =>
    new Promise((resolve) => {
      let error;
      worker.on('error', (thrown) => (error = thrown.code ?? thrown.message));
      worker.on('exit', (code) => resolve({ error, code }));
    });
  const sum = { operation: 'sum', data: [1, 2] };
  const stillWorks = async () => new core.TrillionProcessor().run(sum);
`;

/** In a worker: work of every kind that would take hours, `running` once it is under way. */
const AT_WORK = `
  const processor = new core.TrillionProcessor({ maxWorkers: 5 });
  const counter = workerData?.counter ?? new Int32Array(new SharedArrayBuffer(4));
  processor.define('count', (shared) => {
    for (;;) Atomics.add(shared, 0, 1);
  });
  const hours = { operation: 'compute', data: { iterations: 1e15 } };
  const memory = new Float64Array(4_000_000);
  const ignore = () => {};
  processor.run(hours).catch(ignore);
  processor.run(hours, { timeout: 1e9 }).catch(ignore);
  processor.run({ operation: 'count', data: counter }).catch(ignore);
  processor.addTasks(Array.from({ length: 100_000 }, () => ({ operation: 'sum', data: memory })));
  const running = (async () => {
    while (Atomics.load(counter, 0) === 0 || processor.getStats().running < 5) await new Promise((next) => setTimeout(next, 2));
  })();
`;

/** `code` as a literal in the code of a child. */
const quote = (code: string): string => JSON.stringify(code);

describe('a worker thread with work in flight', () => {
  test.each([
    ['process.exit', `${AT_WORK} await running; process.exit(5);`, { error: undefined, code: 5 }],
    ['process.exit before anything runs', `${AT_WORK} process.exit(4);`, { error: undefined, code: 4 }],
    [
      'an uncaught exception',
      `${AT_WORK} await running; setImmediate(() => { throw new Error('boom'); });`,
      { error: 'boom', code: 1 },
    ],
    [
      'an unhandled rejection of a task',
      `${AT_WORK} await running; processor.run(hours); processor.shutdown({ force: true });`,
      { error: 'ERR_PROCESSOR_SHUT_DOWN', code: 1 },
    ],
    [
      'a listener that throws',
      `${AT_WORK} await running; processor.on('taskComplete', () => { throw new Error('listener'); });`,
      { error: 'listener', code: 1 },
    ],
  ])('ends by %s as any worker does', async (_, body, end) => {
    const code = `${WORKERS}
      tell(await endOf(start(${quote(body)})));
      tell(await stillWorks());
    `;
    expect(await toldBy(code)).toEqual([end, 3]);
  });

  test('ends by running out of memory as any worker does', async () => {
    const body = `${AT_WORK}
      await running;
      const hoard = [];
      for (;;) hoard.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
    `;
    const code = `${WORKERS}
      tell(await endOf(start(${quote(body)}, { resourceLimits: { maxOldGenerationSizeMb: 24 } })));
      tell(await stillWorks());
    `;
    expect(await toldBy(code)).toEqual([{ error: 'ERR_WORKER_OUT_OF_MEMORY', code: 1 }, 3]);
  });

  test('stops all that runs for it when it is terminated, its own worker threads too', async () => {
    const code = `${WORKERS}
      const counter = new Int32Array(new SharedArrayBuffer(4));
      const worker = start(${quote(`${AT_WORK} await running; say('running');`)}, { workerData: { counter } });
      await once(worker, 'message');
      await worker.terminate();
      const count = Atomics.load(counter, 0);
      const native = { operation: 'compute', data: { iterations: 1e8 } };
      await new core.TrillionProcessor().run(native);
      tell([count > 0, Atomics.load(counter, 0) - count]);
    `;
    expect(await toldBy(code)).toEqual([[true, 0]]);
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;

  onLinux('leaves no thread of the engine at work behind', async () => {
    const code = `${WORKERS}
      const { readdirSync, readFileSync } = require('node:fs');
      const workers = () => readdirSync('/proc/self/task').filter((id) => {
        try {
          return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('noizylab-worker');
        } catch {
          return false; // it has just ended
        }
      }).length;
      const body = ${quote(`${AT_WORK} await running; say('running');`)};
      const threads = [start(body), start(body)];
      await Promise.all(threads.map((worker) => once(worker, 'message')));
      const busy = workers();
      await Promise.all(threads.map((worker) => worker.terminate()));
      // It hangs, and is killed, where one does not end.
      while (workers() > 0) await new Promise((next) => setTimeout(next, 5));
      tell(busy > 0);
    `;
    // oxlint-disable-next-line jest/no-standalone-expect -- `onLinux` is a test function under another name
    expect(await toldBy(code)).toEqual([true]);
  });
});

test('memory that a thread lent is not touched after its end, whatever reads or sorts in it', async () => {
  const body = `
    const processor = new core.TrillionProcessor({ maxWorkers: 3 });
    const numbers = new Float64Array(1 << 19).map((_, i) => (i * 7919) % 65_537);
    const bytes = Buffer.alloc(2 << 20, 'lent memory');
    const ofNumbers = ['sum', 'min', 'mean', 'histogram', 'quantiles', 'aggregate', 'transform'];
    const ofBytes = ['sha256', 'gzip', 'lines', 'json-parse-check', 'gunzip'];
    const tasks = [
      ...ofNumbers.map((operation) => ({ operation, data: numbers })),
      ...ofBytes.map((operation) => ({ operation, data: bytes })),
    ];
    processor.addTasks(Array.from({ length: 50 }, () => tasks).flat());
    // Sorting happens in place: each has an array of its own.
    const sorts = Array.from({ length: 100 }, (_, i) => ({ operation: 'sort', data: numbers.slice(0, 1 << (i % 20)) }));
    processor.addTasks(sorts);
    const ignore = () => {};
    for (const task of tasks) processor.run(task, { timeout: 1e8, retries: 2 }).catch(ignore);
    alive();
    say('at work');
    if (workerData % 4 === 1) setTimeout(() => process.exit(0), workerData % 23);
    if (workerData % 4 === 2) setTimeout(() => { throw new Error('on purpose'); }, workerData % 23);
    if (workerData % 4 === 3) setTimeout(() => processor.shutdown({ force: true }).then(() => process.exit(0)), workerData % 23);
  `;
  const code = `${WORKERS}
    const one = async (number) => {
      const worker = start(${quote(body)}, { workerData: number });
      const end = endOf(worker);
      await new Promise((resolve) => worker.on('message', resolve));
      if (number % 4 === 0) {
        await new Promise((next) => setTimeout(next, number % 23));
        await worker.terminate();
      }
      await end;
    };
    let next = 0;
    const lane = async () => {
      while (next < 64) await one(next++);
    };
    await Promise.all([lane(), lane(), lane()]);
    tell(await stillWorks());
  `;
  expect(await toldBy(code, { env: FREE_AT_ONCE, killAfter: 110_000 })).toEqual([3]);
}, 120_000);

describe('worker threads in general', () => {
  test('a thread ends by itself once what it waits for has come, with an idle processor left', async () => {
    const body = `
      const processor = new core.TrillionProcessor({ maxWorkers: 2, idleTimeout: Infinity, autoScale: false });
      const native = processor.run({ operation: 'compute', data: { iterations: 3e7 } });
      const user = processor.parallelMap([1, 2], (x) => x * 2, { thread: true });
      say([(await native).input.iterations, await user]);
    `;
    const code = `${WORKERS}
      const worker = start(${quote(body)});
      worker.on('message', tell);
      tell(await endOf(worker));
    `;
    expect(await toldBy(code)).toEqual([[3e7, [2, 4]], { error: undefined, code: 0 }]);
  });

  test('threads that work at the same time each get their own results', async () => {
    const body = `
      const processor = new core.TrillionProcessor({ maxWorkers: 2 });
      const items = Array.from({ length: 5000 }, (_, i) => workerData * 10_000 + i);
      const outcomes = await processor.results(await processor.addTasks(items.map((data) => ({ data }))));
      const runs = await processor.parallelMap(items, (data) => processor.run({ data }));
      const mapped = await processor.parallelMap(items, (x) => -x, { thread: true });
      await processor.shutdown();
      say(items.every((item, i) => outcomes[i].result === item && runs[i] === item && mapped[i] === -item));
    `;
    const code = `${WORKERS}
      const numbers = [0, 1, 2, 3, 4, 5];
      const workers = numbers.map((workerData) => start(${quote(body)}, { workerData }));
      tell((await Promise.all(workers.map((worker) => once(worker, 'message')))).flat());
    `;
    expect(await toldBy(code)).toEqual([[true, true, true, true, true, true]]);
  });

  test('the work of other threads goes on while threads end around it', async () => {
    const code = `${WORKERS}
      const processor = new core.TrillionProcessor({ maxWorkers: 2 });
      const tasks = Array.from({ length: 20_000 }, (_, i) => ({ operation: 'compute', data: { iterations: 3000, i } }));
      const running = processor.addTasks(tasks).then((ids) => processor.results(ids));
      const mapped = processor.parallelMap(tasks, ({ data }) => data.i, { thread: true });
      for (let i = 0; i < 8; i++) {
        const worker = start(${quote(`${AT_WORK} alive(); say('at work');`)});
        await once(worker, 'message');
        await worker.terminate();
      }
      const outcomes = await running;
      const all = await mapped;
      tell(tasks.every(({ data }, i) => outcomes[i].result.input.i === data.i && all[i] === data.i));
    `;
    expect(await toldBy(code)).toEqual([true]);
  });

  test('the package stays loaded when the only thread that used it has ended', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const body = \`
        const { TrillionProcessor } = require('@noizylab/core');
        const processor = new TrillionProcessor();
        processor.run({ operation: 'sum', data: [1, 2] }, { timeout: 1000 }).then((sum) => {
          require('node:worker_threads').parentPort.postMessage(sum);
        });
      \`;
      for (let i = 0; i < 5; i++) {
        const worker = new Worker(body, { eval: true });
        const exit = once(worker, 'exit');
        tell((await once(worker, 'message'))[0]);
        await exit;
      }
      tell(await new core.TrillionProcessor().run({ operation: 'sum', data: [1, 2] }));
    `;
    expect(await toldBy(code)).toEqual([3, 3, 3, 3, 3, 3]);
  });
});
