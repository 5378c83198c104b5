/**
 * Where V8 refuses memory that is not its own (its sandbox, as in Electron), nothing of the engine can be mapped into an isolate: each system works all the
 * same, by calls.
 *
 * The story: the door answered with `null` there and the face looked for `undefined`. Figures were NaN, `addTasks` never settled, each worker ended with its
 * first chunk, and no actor could start.
 */
import { toldBy } from './lib/child';
import { shimEnv } from './lib/shims';

const env = shimEnv('foreign-memory');
const each = env === undefined ? describe.skip : describe;

/** What `code` tells where foreign memory is refused. */
async function told(code: string): Promise<unknown> {
  const values = await toldBy(code, { env: env! });
  expect(values).toHaveLength(1);
  return values[0];
}

each('where foreign memory is refused', () => {
  test('nothing is mapped, and that is said by undefined alone', async () => {
    const code = `
      const native = require('./native.js');
      const load = native.register(() => {});
      const cache = native.cacheOpen(load, 'mapped', 10, Infinity, Infinity, 0, false);
      native.cacheSet(cache, Buffer.from('key1'), 3, 1, 0, Infinity, 0);
      const processor = native.processorCreate(load, 1, 0, true, 1000);
      const [office] = native.actorOpen(load);
      native.actorAdd(office, 'mapped');
      await tell([
        native.clockWords(), native.outboxMail(load), native.cacheTick(cache), native.cacheHits(cache),
        native.cacheSegment(cache, 0), native.processorWords(processor), native.actorSegment(0), native.hostWords(load),
      ]);`;
    expect(await told(code)).toEqual(Array.from({ length: 8 }, () => undefined));
  });

  test('a processor runs native operations and those of users, and counts them', async () => {
    const code = `
      const processor = new core.TrillionProcessor({ maxWorkers: 2 });
      processor.define('double', (x) => 2 * x);
      const sum = await processor.run({ operation: 'sum', data: new Float64Array([1, 2, 3]) });
      const ids = await processor.addTasks(Array.from({ length: 1000 }, (_, i) => ({ operation: 'double', data: i })));
      const doubled = await processor.results(ids);
      // More than a worker has room for: it gets an array of its own.
      const text = 'x'.repeat(2_000_000);
      const long = await processor.parallelMap([text], (value) => value.length, { thread: true });
      const { processed, failed, queueLength } = processor.getStats();
      await processor.shutdown();
      await tell({ sum, last: doubled.at(-1).result, long, processed, failed, queueLength });`;
    expect(await told(code)).toEqual({
      sum: 6,
      last: 1998,
      long: [2_000_000],
      processed: 1002,
      failed: 0,
      queueLength: 0,
    });
  });

  test('the task that ends its worker is blamed, and not the others of its chunk', async () => {
    const code = `
      const processor = new core.TrillionProcessor({ maxWorkers: 1 });
      processor.define('mortal', (i) => (i === 'end' ? process.exit(3) : i));
      // Quick ones first, so that the next ones come in one chunk.
      await Promise.all(Array.from({ length: 2000 }, (_, i) => processor.run({ operation: 'mortal', data: i })));
      const data = Array.from({ length: 50 }, (_, i) => (i === 30 ? 'end' : i));
      const settled = await Promise.allSettled(data.map((one) => processor.run({ operation: 'mortal', data: one })));
      await processor.shutdown();
      await tell(settled.flatMap(({ reason }, i) => (reason === undefined ? [] : [[i, reason.code]])));`;
    expect(await told(code)).toEqual([[30, 'ERR_PROCESSOR_WORKER_DIED']]);
  });

  test('entries of caches expire, and each thread sees what others have changed', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const gone = async (cache, key) => {
        while (cache.get(key) !== undefined) await new Promise((next) => setTimeout(next, 5));
      };
      const local = new core.LRUCache({ maxSize: 2 });
      const shared = new core.LRUCache({ shared: true, name: 'refused', maxSize: 2 });
      for (const cache of [local, shared]) {
        cache.set('brief', 1, 20);
        await gone(cache, 'brief');
        cache.set('a', 1);
        cache.set('b', 2);
        cache.get('a');
        cache.set('c', 3);
      }
      const there = new Worker(\`
        const core = require('./index.js');
        const cache = new core.LRUCache({ shared: true, name: 'refused', maxSize: 2 });
        const before = cache.get('a');
        cache.set('a', 'of the worker');
        require('node:worker_threads').parentPort.postMessage(before);
      \`, { eval: true });
      const [[before]] = await Promise.all([once(there, 'message'), once(there, 'exit')]);
      const { hits, expirations } = shared.getStats();
      await tell({
        local: [...local.keys()].sort(),
        shared: [...shared.keys()].sort(),
        before,
        after: [shared.get('a'), shared.get('a')],
        hits: hits >= 2,
        expirations,
      });`;
    expect(await told(code)).toEqual({
      local: ['a', 'c'],
      shared: ['a', 'c'],
      before: 1,
      after: ['of the worker', 'of the worker'],
      hits: true,
      expirations: 1,
    });
  });

  test('actors of one thread and of several talk and end', async () => {
    const code = `
      const { GenServer } = require('./dist/actor');
      const behaviour = {
        init: () => 0,
        handleCall: (by, state) => [state + by, state + by],
        handleCast: (by, state) => state + by,
      };
      // Slots that were used before are cleared for those that come after.
      for (let i = 0; i < 3; i++) await GenServer.stop(await GenServer.start(behaviour));
      const here = await GenServer.start(behaviour);
      GenServer.cast(here, 2);
      const far = await GenServer.start({ module: require('node:path').resolve('__test__/fixtures/actor-remote.cjs') }, { thread: true });
      GenServer.cast(far, 'cast');
      const answers = [await GenServer.call(here, 1), await GenServer.call(far, 'anything')];
      const running = [GenServer.isRunning(here), GenServer.isRunning(far)];
      await Promise.all([GenServer.stop(here), GenServer.stop(far)]);
      await tell({ answers, running, after: [GenServer.isRunning(here), GenServer.isRunning(far)] });`;
    expect(await told(code)).toEqual({
      answers: [3, 'cast'],
      running: [true, true],
      after: [false, false],
    });
  });

  test('a broker serves its own process and others', async () => {
    const code = `
      const { Broker, Client } = require('./dist/broker');
      const { execFileSync, spawn } = require('node:child_process');
      const { once } = require('node:events');
      const broker = new Broker({ logLevel: 'error' });
      await broker.start();
      const client = new Client(broker.pipe);
      const large = 'x'.repeat(200_000);
      await client.set('large', large, 60_000);
      const other = spawn(process.execPath, ['-e', \`
        const { Client } = require('./dist/broker');
        const client = new Client(process.argv[1]);
        client.get('large').then((value) => client.set('length', value.length, 60_000)).then(() => client.disconnect?.());
      \`, broker.pipe], { stdio: 'ignore' });
      const [code] = await once(other, 'exit');
      const length = await client.get('length');
      const whole = (await client.get('large')) === large;
      broker.stop();
      await tell({ code, length, whole });`;
    expect(await told(code)).toEqual({ code: 0, length: 200_000, whole: true });
  });
});
