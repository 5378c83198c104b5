/**
 * Several loads of the package over one environment: what a test runner makes, which evaluates the package anew for every file, in a
 * context that goes away while the environment stays.
 */
import { join } from 'node:path';
import { ROOT, startNode, toldBy } from './lib/child';

const FIXTURES = join(__dirname, 'fixtures', 'isolates');

describe('Jest with several files that use the package', () => {
  const jest = (args: string[], env?: NodeJS.ProcessEnv) => {
    const config = join(FIXTURES, 'jest', 'jest.config.js');
    const binary = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
    const killAfter = 60_000;
    return startNode([binary, '--config', config, ...args], { ...(env && { env }), killAfter }).ended;
  };
  const passed = {
    code: 0,
    signal: null,
    stderr: expect.stringMatching(/Test Suites: 3 passed, 3 total\n/),
  };

  test('in one process: what a file leaves in flight ends by itself, and so does Jest', async () => {
    expect(await jest(['--runInBand'])).toMatchObject(passed);
  }, 60_000);

  test('in one process: what a file leaves in flight for ever does not disturb the next ones', async () => {
    expect(await jest(['--runInBand', '--forceExit'], { ENDLESS: 'yes' })).toMatchObject(passed);
  }, 60_000);

  test('in worker threads', async () => {
    expect(await jest(['--workerThreads', '--maxWorkers=2'])).toMatchObject(passed);
  }, 60_000);
});

/** In a child: `loadInContext()` loads the package into a fresh context. */
const LOADER = `
  const { loadInContext: load } = require(${JSON.stringify(join(FIXTURES, 'context-loader.js'))});
  const loadInContext = () => load(${JSON.stringify(ROOT)});
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
`;

describe('contexts over one environment', () => {
  test('each gets its own results, also when they work at the same time', async () => {
    const code = `${LOADER}
      const one = async (number) => {
        const { TrillionProcessor } = loadInContext().exports;
        const processor = new TrillionProcessor({ maxWorkers: 2 });
        const seen = [];
        processor.on('taskComplete', ({ result }) => seen.push(result));
        const tasks = Array.from({ length: 2000 }, (_, i) => ({ data: number * 10_000 + i }));
        const outcomes = await processor.results(await processor.addTasks(tasks));
        const right = outcomes.every(({ result }, i) => result === tasks[i].data);
        const own = seen.every((value) => Math.floor(value / 10_000) === number);
        const user = await processor.parallelMap([number], (x) => x + 0.5, { thread: true });
        await processor.shutdown();
        return [right, own, seen.length, user[0]];
      };
      tell(await Promise.all([0, 1, 2, 3].map(one)));
    `;
    expect(await toldBy(code)).toEqual([[0, 1, 2, 3].map((number) => [true, true, 2000, number + 0.5])]);
  });

  test('errors are instances of the context that they come to', async () => {
    const code = `${LOADER}
      const { exports, run } = loadInContext();
      const names = run(\`(async ({ TrillionProcessor, NoizylabError }) => {
        const processor = new TrillionProcessor({ maxWorkers: 1 });
        processor.define('fail', () => { throw new RangeError('on purpose'); });
        const of = (error) => [error instanceof Error, error instanceof RangeError, error instanceof NoizylabError];
        const rejections = [processor.run({ operation: 'fail' }), processor.run({ operation: 'sha256' })];
        const found = await Promise.all(rejections.map((promise) => promise.catch(of)));
        await processor.shutdown();
        try { new TrillionProcessor({ maxWorkers: 0 }); } catch (error) { found.push(of(error)); }
        return found;
      })\`);
      tell(await names(exports));
    `;
    expect(await toldBy(code)).toEqual([
      [
        [true, true, false],
        [true, false, true],
        [true, true, false],
      ],
    ]);
  });

  test.each([
    ['was shut down', `await processor.shutdown();`],
    ['was never shut down', ``],
    [
      'has tasks in flight that end',
      `void processor.run({ operation: 'compute', data: { iterations: 1e6 } });`,
    ],
    ['is initialized only', `await new TrillionProcessor().initialize();`],
  ])('a context is collected when it is dropped with a processor that %s', async (_, end) => {
    const code = `${LOADER}
      const dropped = [];
      const one = async () => {
        const { context, exports: { TrillionProcessor } } = loadInContext();
        // Its worker threads would keep the context for the default of 10 s.
        const processor = new TrillionProcessor({ maxWorkers: 2, idleTimeout: 20 });
        processor.on('taskComplete', () => {});
        await processor.run({ operation: 'sum', data: [1, 2] });
        await processor.parallelMap([1], (x) => x, { thread: true });
        await processor.results(await processor.addTasks([{ data: 1 }]));
        ${end}
        dropped.push(new WeakRef(context), new WeakRef(TrillionProcessor), new WeakRef(processor));
      };
      for (let i = 0; i < 5; i++) await one();
      // This waits for collection; it hangs, and is killed, where something is never collected.
      while (dropped.some((reference) => reference.deref() !== undefined)) {
        await turn();
        gc();
      }
      tell('collected');
    `;
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual(['collected']);
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;

  onLinux('the threads of a dropped processor end when the package is loaded again', async () => {
    const code = `${LOADER}
      const { readdirSync, readFileSync } = require('node:fs');
      const workers = () => readdirSync('/proc/self/task').filter((id) => {
        try {
          return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('noizylab-worker');
        } catch {
          return false; // it has just ended
        }
      }).length;
      const dropped = [];
      const one = async () => {
        const { context, exports } = loadInContext();
        const processor = new exports.TrillionProcessor({ maxWorkers: 3, autoScale: false });
        await processor.initialize();
        dropped.push(new WeakRef(context));
        return processor.getStats().workers;
      };
      for (let i = 0; i < 5; i++) tell(await one());
      while (dropped.some((reference) => reference.deref() !== undefined)) {
        await turn();
        gc();
      }
      new (loadInContext().exports.TrillionProcessor)();
      while (workers() > 0) await turn();
    `;
    // oxlint-disable-next-line jest/no-standalone-expect -- `onLinux` is a test function under another name
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([3, 3, 3, 3, 3]);
  });

  test('a processor that is dropped with its waits settled is collected, and one that waits is not', async () => {
    const code = `
      const references = {};
      const make = async () => {
        const idle = new core.TrillionProcessor({ maxWorkers: 1 });
        await idle.run({ data: 1 });
        references.idle = new WeakRef(idle);
        const waiting = new core.TrillionProcessor({ maxWorkers: 1 });
        waiting.on('taskComplete', ({ result }) => tell(result.input.iterations));
        await waiting.addTasks([{ operation: 'compute', data: { iterations: 5e8 } }]);
        references.waiting = new WeakRef(waiting);
      };
      await make();
      while (references.idle.deref() !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        gc();
      }
    `;
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([5e8]);
  });

  // Its workers held it, and each other, for ever.
  onLinux('a processor that is dropped with idle workers is collected, and they end', async () => {
    const code = `
      const threads = () => require('node:fs').readdirSync('/proc/self/task').length;
      const make = async () => {
        const processor = new core.TrillionProcessor({ maxWorkers: 1, idleTimeout: Infinity });
        processor.define('same', (x) => x);
        await processor.run({ operation: 'same', data: 1 });
      };
      const before = threads();
      for (let i = 0; i < 4; i++) await make();
      // The one thread of the timers stays.
      while (threads() > before + 1) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        gc();
      }
    `;
    // oxlint-disable-next-line jest/no-standalone-expect -- `onLinux` is a test function under another name
    expect(await toldBy(code, { nodeArgs: ['--expose-gc'] })).toEqual([]);
  });
});

describe('the package loaded again in one context', () => {
  /** Forgets all modules; with `addon` also the native one, which Node then registers once more. */
  const RELOAD = `
    const reload = (addon) => {
      for (const file of Object.keys(require.cache)) if (addon || !file.endsWith('.node')) delete require.cache[file];
      return require('@noizylab/core');
    };
    const use = async ({ TrillionProcessor }) => {
      const processor = new TrillionProcessor({ maxWorkers: 1 });
      const user = await processor.parallelMap([4], (x) => x * 2, { thread: true });
      return [await processor.run({ operation: 'sum', data: [1, 2] }), user[0]];
    };
  `;

  test.each([
    ['its own modules', false],
    ['the addon too', true],
  ])('all loads work after a reset of %s', async (_, addon) => {
    const code = `${RELOAD}
      const loads = [core];
      for (let i = 0; i < 5; i++) loads.push(reload(${addon}));
      const told = [];
      for (const load of [...loads, ...loads]) told.push(await use(load));
      tell([new Set(loads.map(({ TrillionProcessor }) => TrillionProcessor)).size, told]);
    `;
    expect(await toldBy(code)).toEqual([[6, Array.from({ length: 12 }, () => [3, 8])]]);
  });

  test('a worker thread with many loads ends cleanly mid-work', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const body = \`
        const core = require('@noizylab/core');
        ${RELOAD}
        (async () => {
          for (let i = 0; i < 4; i++) {
            const load = reload(i % 2 === 1);
            await use(load);
            const endless = { operation: 'compute', data: { iterations: 1e15 } };
            void new load.TrillionProcessor({ maxWorkers: 1 }).run(endless);
          }
          require('node:worker_threads').parentPort.postMessage('at work');
        })();
      \`;
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(body, { eval: true });
        await once(worker, 'message');
        await worker.terminate();
      }
      tell(await new core.TrillionProcessor().run({ operation: 'sum', data: [1, 2] }));
    `;
    expect(await toldBy(code)).toEqual([3]);
  });
});
