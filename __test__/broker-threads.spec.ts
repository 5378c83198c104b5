/** Several brokers in one process, brokers and clients in worker threads, and clients of one broker everywhere. */
import { Host, clientOf, hostOfAll, startBroker } from './lib/broker';
import { toldBy } from './lib/child';

describe('several brokers in one process', () => {
  test('know nothing of each other', async () => {
    const brokers = await Promise.all([1, 2, 3].map(() => startBroker()));
    const clients = brokers.map(({ pipe }) => clientOf(pipe));
    await Promise.all(clients.map((client, i) => client.set('key', i, 60_000)));
    expect(await Promise.all(clients.map((client) => client.get('key')))).toEqual([0, 1, 2]);
    expect(process.env['EPHEMERAL_PIPE']).toBe(
      brokers.find(({ pipe }) => pipe === process.env['EPHEMERAL_PIPE'])!.pipe,
    );
    brokers[1]!.stop();
    expect([await clients[0]!.get('key'), await clients[2]!.get('key')]).toEqual([0, 2]);
  });
});

/** In a child: `start(code)` runs code in a worker thread that has the package at hand and speaks with `say(value)`. */
const WORKERS = `
  const { Worker } = require('node:worker_threads');
  const { once } = require('node:events');
  const { Broker, Client, checkReadiness } = require('@noizylab/core/broker');
  const head = \`
    const { parentPort, workerData } = require('node:worker_threads');
    const { Broker, Client } = require('@noizylab/core/broker');
    const say = (value) => parentPort.postMessage(value);
  \`;
  const start = (code, workerData) => new Worker(head + '(async () => {' + code + '})();', { eval: true, workerData });
`;

describe('worker threads', () => {
  test('reach a broker of any thread of the process without its socket', async () => {
    const code = `${WORKERS}
      const broker = new Broker({ logLevel: 'error' });
      const pipe = await broker.start();
      const workers = Array.from({ length: 4 }, () =>
        start(\`
          const client = new Client(workerData, { timeout: 60_000 });
          for (let i = 0; i < 1000; i++) await client.incr('count', 1, 60_000);
          const lease = await client.lease('pool', String(process.hrtime.bigint()), 60_000);
          const computed = await client.getOrSet('computed', () => client.incr('computations', 1, 60_000), 60_000);
          say([lease, computed]);
        \`, pipe),
      );
      const said = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
      const client = new Client(pipe);
      tell([await client.get('count'), said.map(([lease]) => lease).sort(), said.map(([, computed]) => computed)]);
      const { connections } = await client.health();
      broker.stop();
    `;
    expect(await toldBy(code)).toEqual([[4000, [0, 1, 2, 3], [1, 1, 1, 1]]]);
  });

  test('a broker of a thread serves the others, and ends with its thread', async () => {
    const code = `${WORKERS}
      const owner = start(\`
        const broker = new Broker({ logLevel: 'error' });
        say(await broker.start());
      \`);
      const [pipe] = await once(owner, 'message');
      const clients = [new Client(pipe, { timeout: 1500 }), new Client(pipe, { timeout: 1500, inProcess: false })];
      for (const client of clients) tell(await client.incr('count', 1, 60_000));
      await owner.terminate();
      for (const client of clients) tell(await client.incr('count', 1, 60_000).catch(({ code }) => code));
      const next = new Broker({ pipeId: /broker-(.+?)(\\.sock)?$/.exec(pipe)[1], logLevel: 'error' });
      await next.start();
      for (const client of clients) tell(await client.incr('count', 1, 60_000));
      next.stop();
    `;
    const told = await toldBy(code);
    expect(told.slice(0, 2)).toEqual([1, 2]);
    for (const end of told.slice(2, 4))
      expect(end).toMatch(/^(ENOENT|ECONNREFUSED|ERR_BROKER_STOPPED|ERR_BROKER_CONNECTION_LOST)$/);
    expect(told.slice(4)).toEqual([1, 2]);
  });

  test('a thread that ends gives back its owned leases and its computations', async () => {
    const code = `${WORKERS}
      const broker = new Broker({ logLevel: 'error' });
      const pipe = await broker.start();
      const worker = start(\`
        const client = new Client(workerData);
        await client.acquire('pool', 'worker', { ttl: 3_600_000, max: 1 });
        void client.getOrSet('key', () => {
          say('computes');
          return new Promise(() => {});
        }, 60_000);
        setInterval(() => {}, 1e6);
      \`, pipe);
      await once(worker, 'message');
      const client = new Client(pipe, { timeout: 60_000 });
      const lease = client.acquire('pool', 'main', { ttl: 1000, max: 1, wait: true });
      const value = client.getOrSet('key', () => 'computed by the next', 60_000);
      await client.ping();
      await worker.terminate();
      tell([(await lease).value, await value]);
      broker.stop();
    `;
    expect(await toldBy(code)).toEqual([[0, 'computed by the next']]);
  });

  test('that start brokers and clients may be terminated at any moment', async () => {
    const code = `${WORKERS}
      const outer = new Broker({ logLevel: 'error', maxItems: 0 });
      const pipe = await outer.start();
      const client = new Client(pipe);
      for (let i = 0; i < 25; i++) {
        const worker = start(\`
          const broker = new Broker({ logLevel: 'error' });
          const starting = broker.start();
          const outer = new Client(workerData);
          const work = [outer.set('key', 1, 60_000), outer.lease('pool', 'a', { max: 1, wait: true, ttl: 5 })];
          void (async () => { for await (const _ of outer.watch('')); })().catch(() => {});
          say('begun');
          const own = new Client(await starting);
          for (;;) await Promise.all([own.set('key', 1, 60_000), outer.incr('count', 1, 60_000), outer.ping()]);
        \`, pipe);
        worker.on('error', ({ message }) => tell(message));
        await once(worker, 'message');
        for (let turn = 0; turn < i; turn++) await client.ping();
        await new Promise((later) => setTimeout(later, i % 4 === 0 ? 20 : 0));
        await worker.terminate();
      }
      tell((await client.get('key')) === 1);
      outer.stop();
    `;
    expect(await toldBy(code)).toEqual([true]);
  });
});

describe('a loop that awaits a client of the same process', () => {
  // Answers come within the call: such a loop went on in microtasks for ever, and no timer fired.
  test('lets timers fire, and each caller keeps its context', async () => {
    const code = `${WORKERS}
      const { AsyncLocalStorage } = require('node:async_hooks');
      const broker = new Broker({ logLevel: 'error' });
      const client = new Client(await broker.start());
      const context = new AsyncLocalStorage();
      await client.set('key', 1, 60_000);
      const ways = [
        () => client.get('key'),
        () => client.set('key', 1, 60_000),
        () => client.incr('count', 1, 60_000),
        () => client.mget(['key', 'none']),
        () => client.getOrSet('key', () => 1, 60_000),
        () => client.list(),
        () => client.ping(),
        () => client.get('none').catch(() => {}),
      ];
      const loop = async (ask, number) => {
        let fired = false;
        setTimeout(() => (fired = true), 20);
        while (!fired) {
          await ask();
          if (context.getStore() !== number) throw new Error('the context of another');
        }
      };
      for (const ask of ways) await context.run(0, () => loop(ask, 0));
      await Promise.all(ways.map((ask, number) => context.run(number, () => loop(ask, number))));
      tell('all fired');
      broker.stop();
    `;
    expect(await toldBy(code)).toEqual(['all fired']);
  });
});

describe('the end of a thread', () => {
  // It waited for its own arrays first: for a sort, or for a file that was read beside it.
  test('passes on what others wait for before it waits for anything', async () => {
    const code = `${WORKERS}
      const broker = new Broker({ logLevel: 'error' });
      const pipe = await broker.start();
      const worker = start(\`
        const { TrillionProcessor } = require('@noizylab/core');
        const client = new Client(workerData);
        client.getOrSet('key', () => new Promise(() => {}), 60_000).catch(() => {});
        await client.acquire('pool', 'theirs', { ttl: 60_000, max: 1 });
        const processor = new TrillionProcessor({ maxWorkers: 2 });
        const shared = new Float64Array(new SharedArrayBuffer(80_000_000));
        for (const data of [shared, new Float64Array(5_000_000)]) processor.run({ operation: 'sort', data }).catch(() => {});
        while (processor.getStats().running === 0) await new Promise((next) => setImmediate(next));
        say('busy');
      \`, pipe);
      await once(worker, 'message');
      const client = new Client(pipe);
      const order = [];
      const computed = client.getOrSet('key', () => 'here', 60_000).then((value) => order.push(value));
      const leased = client.lease('pool', 'mine', { ttl: 60_000, max: 1, wait: 60_000 }).then((value) => order.push(value));
      void worker.terminate();
      await Promise.all([computed, leased]);
      tell(order.sort());
      broker.stop();
      process.exit(0);
    `;
    expect(await toldBy(code)).toEqual([[0, 'here']]);
  });
});

describe('clients of one broker in several processes and threads', () => {
  const host = hostOfAll();

  test('see the same values', async () => {
    const broker = await startBroker();
    const there = await new Host('ours').ready();
    const mine = clientOf(broker.pipe);
    const overSocket = clientOf(broker.pipe, { inProcess: false });
    await mine.set('from here', 1, 60_000);
    const read = (one: Pick<Host, 'run'>) =>
      one.run(async ({ Client: Made }, pipe) => {
        const client = new Made(pipe);
        await client.incr('count', 1, 60_000);
        return client.get('from here');
      }, broker.pipe);
    expect([await read(there), await read(host), await overSocket.get('from here')]).toEqual([1, 1, 1]);
    expect([await mine.get('count'), await overSocket.get('count')]).toEqual([2, 2]);
  });
});
