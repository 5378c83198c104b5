/**
 * How a process ends that uses the package: `process.exit` with work in flight, signals, uncaught exceptions, and the question
 * what keeps a process alive. Each test is a process of its own; its work would take hours if the end waited for it.
 */
import { type Ended, inChild, startChild, toldBy } from './lib/child';

/**
 * Work of every kind in flight: native without and with a deadline, native over borrowed memory, a user's operation, an item on a
 * worker. `running` resolves once all of it runs.
 */
const IN_FLIGHT = `
  const processor = new core.TrillionProcessor({ maxWorkers: 5 });
  const started = new Int32Array(new SharedArrayBuffer(4));
  processor.define('endless', (counter) => {
    Atomics.add(counter, 0, 1);
    for (;;);
  });
  const memory = new Float64Array(4_000_000);
  const hours = { operation: 'compute', data: { iterations: 1e15 } };
  const mapped = (counter) => {
    Atomics.add(counter, 0, 1);
    for (;;);
  };
  const sums = Array.from({ length: 100_000 }, () => ({ operation: 'sum', data: memory }));
  const work = [
    processor.run(hours),
    processor.run(hours, { timeout: 1e9 }),
    processor.run({ operation: 'endless', data: started }),
    processor.parallelMap([started], mapped, { thread: true }),
    processor.addTasks(sums),
  ];
  const running = (async () => {
    const all = () => Atomics.load(started, 0) === 2 && processor.getStats().running === 5;
    while (!all()) await new Promise((next) => setTimeout(next, 5));
  })();
`;

describe('process.exit with work in flight', () => {
  test.each([
    ['from the main program', `running.then(() => process.exit(7));`, 7],
    ['with the exit code set before', `running.then(() => { process.exitCode = 9; process.exit(); });`, 9],
    [
      "from a listener of 'exit'",
      `process.on('exit', () => process.exit(8)); running.then(() => process.exit(7));`,
      8,
    ],
    ['from a timer', `running.then(() => setTimeout(() => process.exit(3), 1));`, 3],
    [
      'from a listener of a processor',
      `processor.on('taskError', () => process.exit(4));
       running.then(() => processor.addTasks([{ operation: 'sha256', priority: 2 }]));`,
      4,
    ],
    ['by an uncaught exception', `running.then(() => setImmediate(() => { throw new Error('boom'); }));`, 1],
    ['by an unhandled rejection', `running.then(() => { throw new Error('boom'); });`, 1],
  ])('%s ends the process at once with its code', async (_, end, code) => {
    expect(await inChild(IN_FLIGHT + end)).toMatchObject({ code, signal: null });
  });

  test('ends the process at any moment of a flood of results', async () => {
    const flood = (moment: number): string => `
      const processor = new core.TrillionProcessor();
      processor.define('twice', (x) => x * 2);
      let seen = 0;
      processor.on('taskComplete', () => {
        if (++seen === ${moment} * 1500) process.exit(21);
      });
      const tasks = Array.from({ length: 50_000 }, (_, i) => ({ operation: i % 5 ? 'echo' : 'twice', data: i }));
      processor.addTasks(tasks);
      processor.parallelMap(tasks, (task) => task.data, { thread: true });
      if (${moment} === 0) process.exit(21);
      if (${moment} === 1) setImmediate(() => process.exit(21));
    `;
    const moments = Array.from({ length: 24 }, (_, moment) => moment);
    const ends: Ended[] = [];
    const lane = async (): Promise<void> => {
      for (let moment = moments.shift(); moment !== undefined; moment = moments.shift()) {
        ends.push(await inChild(flood(moment)));
      }
    };
    await Promise.all([lane(), lane()]);
    for (const end of ends) expect(end).toMatchObject({ code: 21, signal: null, stderr: '' });
  }, 120_000);

  test('ends a process whose worker threads are at work too', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const body = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const core = require(workerData);
        ${IN_FLIGHT.replaceAll(/[`\\$]/g, '\\$&')}
        running.then(() => parentPort.postMessage('at work'));
      \`;
      let left = 3;
      for (let i = left; i > 0; i--) {
        const worker = new Worker(body, { eval: true, workerData: process.cwd() });
        worker.on('message', () => {
          if (--left === 0) process.exit(6);
        });
      }
    `;
    expect(await inChild(code)).toMatchObject({ code: 6, signal: null, stderr: '' });
  });
});

const onPosix = process.platform === 'win32' ? describe.skip : describe;

onPosix('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends a process with work in flight', async (signal) => {
    const child = startChild(`${IN_FLIGHT} running.then(() => tell('at work'));`);
    await child.firstTold;
    child.process.kill(signal);
    expect(await child.ended).toMatchObject({ code: null, signal });
  });

  test('a handler that shuts down by force lets the process end by itself', async () => {
    const child = startChild(`${IN_FLIGHT}
      const settled = Promise.allSettled(work);
      process.once('SIGTERM', async () => {
        await processor.shutdown({ force: true });
        await tell((await settled).map(({ reason }) => reason?.code));
        process.disconnect();
      });
      running.then(() => tell('at work'));
    `);
    await child.firstTold;
    child.process.kill('SIGTERM');
    const lost = 'ERR_PROCESSOR_SHUT_DOWN';
    expect(await child.ended).toMatchObject({
      code: 0,
      signal: null,
      stderr: '',
      told: ['at work', [lost, lost, lost, lost, undefined]],
    });
  });
});

describe('what keeps a process alive', () => {
  /** Neither kind of worker ends by itself here. */
  const PROCESSOR = `
    const processor = new core.TrillionProcessor({ maxWorkers: 2, idleTimeout: Infinity, autoScale: false });
    const native = { operation: 'compute', data: { iterations: 3e7 } };
    processor.define('rest', (milliseconds) => new Promise((end) => setTimeout(end, milliseconds, 'rested')));
    const rest = { operation: 'rest', data: 200 };
    const user = (item) => new Promise((end) => setTimeout(end, 200, item));
  `;

  test.each([
    ['run of a native operation', `tell((await processor.run(native)).input.iterations);`, 3e7],
    ['run of a user operation', `tell(await processor.run(rest));`, 'rested'],
    ['parallelMap on workers', `tell(await processor.parallelMap([1, 2], user, { thread: true }));`, [1, 2]],
    [
      'parallelMap of a closure that waits for runs',
      `tell(await processor.parallelMap([1, 2], () => processor.run(rest)));`,
      ['rested', 'rested'],
    ],
    [
      'a wait for results',
      `tell((await processor.results(await processor.addTasks([rest]))).map(({ result }) => result));`,
      ['rested'],
    ],
    [
      'an iteration of results',
      `let count = 0;
       for await (const { result } of processor.results(await processor.addTasks([rest, native]))) count += result !== undefined;
       tell(count);`,
      2,
    ],
    [
      'a shutdown that drains',
      `await processor.addTasks([native, rest]); await processor.shutdown(); tell(processor.getStats().processed);`,
      2,
    ],
  ])('%s does until it settles, and then the process ends by itself', async (_, code, told) => {
    expect(await toldBy(PROCESSOR + code)).toEqual([told]);
  });

  test('added tasks do, though only a listener waits for them', async () => {
    const code = `${PROCESSOR}
      let complete = 0;
      processor.on('taskComplete', () => complete++);
      process.on('exit', () => tell(complete));
      processor.addTasks([native, native, rest]);
    `;
    expect(await toldBy(code)).toEqual([3]);
  });

  test('addTasks that waits for room in the queue does, and gets in', async () => {
    const code = `
      const processor = new core.TrillionProcessor({ maxWorkers: 1, taskQueueSize: 1 });
      const tasks = Array.from({ length: 20 }, () => ({ operation: 'compute', data: { iterations: 1e6 } }));
      tell((await processor.addTasks(tasks)).length);
    `;
    expect(await toldBy(code)).toEqual([20]);
  });

  test('a wait for memory does, so that the signal that ends it is heard', async () => {
    // The timer of the signal alone would not keep the process alive.
    const code = `
      const processor = new core.TrillionProcessor({ memoryThreshold: 1e-9 });
      await processor.addTasks([{ data: 1 }], { signal: AbortSignal.timeout(200) }).catch(({ name }) => tell(name));
    `;
    expect(await toldBy(code)).toEqual(['TimeoutError']);
  });

  test('what is begun when the process is about to end is finished', async () => {
    const code = `${PROCESSOR}
      process.once('beforeExit', async () => {
        await processor.run(native);
        tell(await processor.run(rest));
      });
    `;
    expect(await toldBy(code)).toEqual(['rested']);
  });

  test.each([
    ['has only been made', ''],
    ['was initialized', `processor.initialize();`],
    [
      'has done work of both kinds',
      `await Promise.all([processor.run(native), processor.run(rest), processor.initialize()]);`,
    ],
    ['was shut down', `await processor.run(rest); await processor.shutdown();`],
  ])('a processor that %s does not', async (_, code) => {
    expect(await toldBy(PROCESSOR + code)).toEqual([]);
  });

  test('a run that was aborted does not', async () => {
    const code = `
      const processor = new core.TrillionProcessor();
      const hours = { operation: 'compute', data: { iterations: 1e15 } };
      await processor.run(hours, { signal: AbortSignal.timeout(100) }).catch(({ name }) => tell(name));
    `;
    expect(await toldBy(code)).toEqual(['TimeoutError']);
  });
});

describe('a listener that throws', () => {
  const THROWING = `
    const processor = new core.TrillionProcessor();
    let complete = 0;
    processor.on('taskComplete', ({ result }) => {
      complete++;
      if (result === 3) throw new Error('the listener');
    });
    processor.addTasks(Array.from({ length: 10 }, (_, i) => ({ data: i })));
  `;

  test('is an uncaught exception, which ends the process with 1', async () => {
    const { code, stderr } = await inChild(THROWING);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('Error: the listener') });
  });

  test('does not keep the other outcomes back where uncaught exceptions are handled', async () => {
    const code = `
      const caught = [];
      process.on('uncaughtException', ({ message }) => caught.push(message));
      process.on('exit', () => tell({ caught, complete }));
      ${THROWING}
    `;
    expect(await toldBy(code)).toEqual([{ caught: ['the listener'], complete: 10 }]);
  });
});
