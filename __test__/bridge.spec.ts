/**
 * What reaches JavaScript from the engine behaves as what Node itself calls back: the async context of the caller is kept, a rejection
 * that nobody handles is an unhandled rejection, an exception of a callback an uncaught one, and a flood leaves the event loop its turns.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { TrillionProcessor } from '..';
import { inChild, toldBy } from './lib/child';
import { open } from './lib/processors';

const sum = { operation: 'sum', data: [1, 2] };

describe('the async context', () => {
  const storage = new AsyncLocalStorage<string>();
  let processor: TrillionProcessor;

  beforeEach(() => {
    processor = open({ maxWorkers: 2 });
  });

  test('of a call is there when its promise has settled', async () => {
    const one = (name: string): Promise<string | undefined> =>
      storage.run(name, () => processor.run(sum).then(() => storage.getStore()));
    expect(await Promise.all([one('a'), one('b'), one('c')])).toEqual(['a', 'b', 'c']);
  });

  test('of addTasks is there in the listeners of its outcomes, whoever added what before', async () => {
    const seen: [unknown, string | undefined][] = [];
    processor.on('taskComplete', ({ result }) => seen.push([result, storage.getStore()]));
    processor.on('taskError', ({ taskId }) => seen.push([taskId, storage.getStore()]));
    const add = (name: string, tasks: Parameters<typeof processor.addTasks>[0]) =>
      storage.run(name, async () => processor.results(await processor.addTasks(tasks)));
    await Promise.all([
      add('a', [{ data: 1 }, { data: 2 }]),
      add('b', [{ data: 3 }, { id: 'wrong', operation: 'sha256', data: 4 }]),
    ]);
    expect(new Map(seen)).toEqual(
      new Map<unknown, string>([
        [1, 'a'],
        [2, 'a'],
        [3, 'b'],
        ['wrong', 'b'],
      ]),
    );
  });

  test('of parallelMap is there in the closure, after it, and in batchComplete', async () => {
    const inBatch: unknown[] = [];
    processor.on('batchComplete', () => inBatch.push(storage.getStore()));
    await storage.run('a', async () => {
      const stores = await processor.parallelMap([1, 2, 3], () => storage.getStore(), { batchSize: 2 });
      expect(stores).toEqual(['a', 'a', 'a']);
      await processor.parallelMap([1, 2], (x) => x, { thread: true });
      expect(storage.getStore()).toBe('a');
    });
    expect(inBatch.length).toBeGreaterThan(0);
    expect(inBatch.slice(0, 2)).toEqual(['a', 'a']);
  });

  test('of a call that is iterated is there with each outcome', async () => {
    await storage.run('a', async () => {
      const ids = await processor.addTasks([sum, sum]);
      const stores: unknown[] = [];
      for await (const { result } of processor.results(ids)) stores.push([result, storage.getStore()]);
      expect(stores).toEqual([
        [3, 'a'],
        [3, 'a'],
      ]);
    });
  });

  test('of whoever waits for room is there when it gets in', async () => {
    const narrow = open({ maxWorkers: 1, taskQueueSize: 1 });
    const one = (name: string) =>
      storage.run(name, async () => {
        await narrow.addTasks(Array.from({ length: 5 }, () => sum));
        return storage.getStore();
      });
    expect(await Promise.all([one('a'), one('b')])).toEqual(['a', 'b']);
  });

  test('of the caller is not that of an abort listener elsewhere', async () => {
    const controller = new AbortController();
    const hours = { operation: 'compute', data: { iterations: 1e15 } };
    const waiting = storage.run('caller', () =>
      processor.run(hours, { signal: controller.signal }).catch(() => storage.getStore()),
    );
    storage.run('aborter', () => controller.abort());
    expect(await waiting).toBe('caller');
  });
});

describe('failures that nobody handles', () => {
  const COUNTS = `
    const counts = { unhandled: [], uncaught: [] };
    process.on('unhandledRejection', (error) => counts.unhandled.push(error.code ?? error.message));
    process.on('uncaughtException', (error) => counts.uncaught.push(error.code ?? error.message));
    process.on('exit', () => tell(counts));
    const processor = new core.TrillionProcessor({ maxWorkers: 2 });
    const wrong = { operation: 'sha256' };
    processor.define('fail', () => { throw new Error('on purpose'); });
  `;

  test.each([
    ['run', `processor.run(wrong);`, ['ERR_PROCESSOR_INVALID_DATA']],
    ['run of a user operation', `processor.run({ operation: 'fail' });`, ['on purpose']],
    [
      'parallelMap on workers',
      `processor.parallelMap([1, 2, 3], () => { throw new Error('on purpose'); }, { thread: true });`,
      ['on purpose'],
    ],
    [
      'parallelMap of a closure over runs',
      `processor.parallelMap([1, 2, 3], () => processor.run(wrong));`,
      ['ERR_PROCESSOR_INVALID_DATA'],
    ],
    [
      'addTasks that is refused',
      `processor.addTasks([{ operation: '?' }]);`,
      ['ERR_PROCESSOR_UNKNOWN_OPERATION'],
    ],
    [
      'addTasks that waits for room and gets none',
      `const narrow = new core.TrillionProcessor({ maxWorkers: 1, taskQueueSize: 1 });
       const hours = { operation: 'compute', data: { iterations: 1e15 } };
       narrow.addTasks([hours, hours, hours, hours]);
       setTimeout(() => narrow.shutdown({ force: true }), 50);`,
      ['ERR_PROCESSOR_SHUT_DOWN'],
    ],
    [
      'run that is aborted',
      `processor.run({ operation: 'compute', data: { iterations: 1e15 } }, { signal: AbortSignal.timeout(20) });
       setTimeout(() => {}, 200);`,
      [23],
    ],
  ])('of %s are one unhandled rejection', async (_, code, unhandled) => {
    expect(await toldBy(COUNTS + code)).toEqual([{ unhandled, uncaught: [] }]);
  });

  test.each([
    ['without a listener', `processor.addTasks([wrong, { operation: 'fail' }]);`],
    [
      'with a listener',
      `processor.on('taskError', () => {}); processor.addTasks([wrong, { operation: 'fail' }]);`,
    ],
    [
      'told as outcomes',
      `const ids = await processor.addTasks([wrong, { operation: 'fail' }]);
       if ((await processor.results(ids)).some(({ error }) => error === undefined)) throw new Error('no failure');`,
    ],
  ])('of added tasks %s are none', async (_, code) => {
    expect(await toldBy(COUNTS + code)).toEqual([{ unhandled: [], uncaught: [] }]);
  });

  test('end the process by default, as in Node', async () => {
    const { code, stderr } = await inChild(`new core.TrillionProcessor().run({ operation: 'sha256' });`);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('ERR_PROCESSOR_INVALID_DATA'),
    });
  });
});

describe('a flood of results', () => {
  test('leaves timers their turns', async () => {
    const processor = open({ maxWorkers: 2 });
    let [turns, complete] = [0, 0];
    processor.on('taskComplete', () => complete++);
    const between: number[] = [];
    const timer = setInterval(() => {
      turns++;
      between.push(complete);
    }, 1);
    const tasks = Array.from({ length: 300_000 }, (_, i) => ({ data: i }));
    const ids = await processor.addTasks(tasks);
    await processor.results(ids);
    clearInterval(timer);
    expect(complete).toBe(tasks.length);
    // The timer ran while the results were coming in, and not only before and after.
    expect(between.filter((count) => count > 0 && count < tasks.length).length).toBeGreaterThan(2);
    expect(turns).toBeGreaterThan(2);
  });

  test('larger than any buffer comes whole', async () => {
    const processor = open({ maxWorkers: 2 });
    const text = 'x'.repeat(3_000_000);
    const results = await Promise.all([1, 2, 3, 4].map((n) => processor.run({ data: text + n })));
    expect(results).toEqual([1, 2, 3, 4].map((n) => text + n));
    expect(await processor.run(sum)).toBe(3);
  });
});
