/** `getOrSet`: one computation among all clients, in threads and processes. */
import type { BrokerOptions, Client } from '../dist/broker';
import { deferred, untyped } from './fixtures/parallel';
import { Host, SECRET, clientOf, eventually, newId, startBroker, ways } from './lib/broker';
import { rejection } from './lib/processors';

const refused = (message: string) => ({
  name: 'BrokerError',
  message,
  code: `ERR_BROKER_${message.toUpperCase()}`,
});

describe.each(ways())('%s', (_way, start) => {
  const open = async (options?: BrokerOptions) => (await start(options)).client();

  describe('getOrSet', () => {
    test('computes once for all who want the value', async () => {
      const { client: connect } = await start();
      const gate = deferred();
      let computed = 0;
      const compute = async () => {
        computed++;
        await gate.promise;
        return { computed };
      };
      const all = Array.from({ length: 20 }, () => connect().getOrSet('key', compute, 60_000));
      await eventually(() => computed > 0);
      await connect().ping();
      gate.resolve();
      expect(await Promise.all(all)).toEqual(Array.from({ length: 20 }, () => ({ computed: 1 })));
      expect(await connect().getOrSet('key', compute, 60_000)).toEqual({ computed: 1 });
      expect(await connect().get('key')).toEqual({ computed: 1 });
      expect(computed).toBe(1);
    });

    test.each([0, '', false, null, Buffer.of(1)])('%p is a value', async (value) => {
      const client = await open();
      expect(await client.getOrSet('key', () => value, 60_000)).toEqual(value);
      expect(await client.getOrSet('key', () => 'again', 60_000)).toEqual(value);
    });

    test('what a computation throws reaches all who wait, and nothing is kept', async () => {
      const { client: connect } = await start();
      const gate = deferred();
      let computed = 0;
      const fail = async (): Promise<never> => {
        computed++;
        await gate.promise;
        throw Object.assign(new RangeError('out of luck'), { code: 'ELUCK', cause: new Error('the cause') });
      };
      const all = Array.from({ length: 3 }, () => rejection(connect().getOrSet('key', fail, 60_000)));
      await eventually(() => computed > 0);
      await Promise.all([connect().ping(), connect().ping()]);
      gate.resolve();
      for (const error of await Promise.all(all))
        expect(error).toMatchObject({ name: 'RangeError', message: 'out of luck', code: 'ELUCK' });
      expect(await connect().getOrSet('key', () => 'found', 60_000)).toBe('found');
    });

    test('a large value reaches a thousand who wait', async () => {
      const client = await open();
      const value = 'x'.repeat(200_000);
      const all = Array.from({ length: 1000 }, () => client.getOrSet('key', () => value, 60_000));
      const lengths = (await Promise.all(all)).map(({ length }) => length);
      expect(new Set(lengths)).toEqual(new Set([200_000]));
      expect(lengths).toHaveLength(1000);
    });

    test('a value that the broker does not take rejects all who wait, and the next one computes', async () => {
      const { client: connect } = await start({ maxRequestSize: 10_000 });
      const gate = deferred();
      const tooLarge = async () => {
        await gate.promise;
        return Buffer.alloc(20_000);
      };
      const all = Array.from({ length: 3 }, () => rejection(connect().getOrSet('key', tooLarge, 60_000)));
      await Promise.all([connect().ping(), connect().ping()]);
      gate.resolve();
      for (const error of await Promise.all(all)) expect(error).toMatchObject(refused('too_large'));
      expect(await connect().getOrSet('key', () => 'small', 60_000)).toBe('small');
    });

    test('an error that is too long is told in short to those who wait', async () => {
      const { client: connect } = await start({ maxRequestSize: 10_000 });
      const gate = deferred();
      const message = 'no luck '.repeat(5000);
      const fail = async (): Promise<never> => {
        await gate.promise;
        throw new Error(message);
      };
      const first = rejection(connect().getOrSet('key', fail, 60_000));
      await connect().ping();
      const second = rejection(connect().getOrSet('key', fail, 60_000));
      await connect().ping();
      gate.resolve();
      for (const error of [await first, await second])
        expect((error as Error).message.startsWith('no luck no luck')).toBe(true);
    });

    test('a computation that asks for its own key is told so', async () => {
      const client = await open();
      const error = await rejection(
        client.getOrSet(
          'key',
          () => client.getOrSet('other', () => client.getOrSet('key', () => 1, 1000), 1000),
          1000,
        ),
      );
      expect(error).toMatchObject({ code: 'ERR_BROKER_RECURSION' });
      expect(await client.getOrSet('key', () => client.getOrSet('other', () => 2, 1000), 1000)).toBe(2);
    });

    test('what is thrown at once is as what is rejected', async () => {
      const client = await open();
      const fail = (): never => {
        throw new TypeError('at once');
      };
      expect(await rejection(client.getOrSet('key', fail, 60_000))).toMatchObject({
        name: 'TypeError',
        message: 'at once',
      });
    });

    test('one whose value cannot be stored has it all the same, or is told', async () => {
      const client = await open({ maxValueSize: 100, maxItems: 1 });
      const error = await rejection(client.getOrSet('key', () => Buffer.alloc(101), 60_000));
      expect(error).toMatchObject(refused('too_large'));
      await client.set('other', 1, 60_000);
      expect(await rejection(client.getOrSet('key', () => 1, 60_000))).toMatchObject(refused('max_items'));
      await client.del('other');
      expect(await client.getOrSet('key', () => 1, 60_000)).toBe(1);
    });

    test('a wait that is aborted does not end the computation', async () => {
      const { client: connect } = await start();
      const gate = deferred<string>();
      const first = connect().getOrSet('key', () => gate.promise, 60_000);
      const controller = new AbortController();
      const other = connect();
      await eventually(async () => (await other.metrics()).requests['total'] > 0);
      const waiting = other.getOrSet('key', () => 'other', { ttl: 60_000, signal: controller.signal });
      await other.ping();
      controller.abort();
      const outcome = await waiting.catch((error: Error) => error.name);
      expect(outcome).toBe('AbortError');
      gate.resolve('computed');
      expect(await first).toBe('computed');
    });

    test('refuses what is no function, and needs a ttl', async () => {
      const client = await open();
      for (const compute of [undefined, null, 'value', 5])
        expect(await rejection(client.getOrSet('key', untyped(compute), 1000))).toMatchObject({
          name: 'TypeError',
          code: 'ERR_BROKER_INVALID_TYPE',
        });
      expect(await rejection(client.getOrSet('key', () => 1))).toMatchObject({
        code: 'ERR_BROKER_TTL_REQUIRED',
      });
    });
  });
});

describe('among processes', () => {
  test('getOrSet computes once for all of them', async () => {
    const broker = await startBroker({ secret: SECRET });
    const hosts = await Promise.all([1, 2, 3].map(() => new Host('ours').ready()));
    const ask = (host: Host) =>
      host.run(
        ({ Client: Made, kept }, pipe, secret) => {
          const client = (kept['client'] ??= new Made(pipe, { secret })) as Client;
          const compute = async () => {
            await client.incr('computed', 1, 60_000);
            while (!(await client.list()).includes('go'));
            return process.pid;
          };
          return Promise.all(Array.from({ length: 10 }, () => client.getOrSet('key', compute, 60_000)));
        },
        broker.pipe,
        SECRET,
      );
    const client = clientOf(broker.pipe, { secret: SECRET });
    const asked = hosts.map(ask);
    const mine = client.getOrSet('key', () => 'mine', 60_000);
    const raced = await Promise.race([
      eventually(async () => (await client.list()).includes('computed')),
      mine,
    ]);
    await client.set('go', true, 60_000);
    const values = new Set([...(await Promise.all(asked)).flat(), await mine]);
    expect(values.size).toBe(1);
    if (raced === undefined) expect(await client.get('computed')).toBe(1);
    else expect([...values]).toEqual(['mine']);
  });

  test('what was computed for a broker that is gone does not replace a newer value of the next one', async () => {
    const pipeId = newId();
    const first = await startBroker({ pipeId });
    const owner = clientOf(first.pipe, { inProcess: false });
    const gate = deferred();
    let computing = false;
    const computed = owner.getOrSet(
      'key',
      async () => {
        computing = true;
        await gate.promise;
        return 'old';
      },
      60_000,
    );
    await eventually(() => computing);
    first.stop();
    const second = await startBroker({ pipeId });
    const other = clientOf(second.pipe);
    await other.set('key', 'new', 60_000);
    await owner.ping(); // it has noticed
    gate.resolve();
    expect(await computed).toBe('old');
    expect(await other.get('key')).toBe('new');
  });

  test('an error of a computation arrives in other processes as what it was', async () => {
    const broker = await startBroker();
    const host = await new Host('ours').ready();
    const client = clientOf(broker.pipe);
    const gate = deferred();
    const failing = rejection(
      client.getOrSet(
        'key',
        async () => {
          await gate.promise;
          throw Object.assign(new SyntaxError('bad'), { code: 'EBAD', detail: { line: 5 } });
        },
        60_000,
      ),
    );
    const remote = host.run(async ({ Client: Made, tell }, pipe) => {
      const there = new Made(pipe);
      const waiting = there.getOrSet('key', () => 'computed there', 60_000);
      await there.ping();
      tell('waits');
      return waiting.catch((error: Error & { code: string; detail: unknown }) => ({
        name: error.name,
        message: error.message,
        code: error.code,
        detail: error.detail,
        isSyntaxError: error instanceof SyntaxError,
      }));
    }, broker.pipe);
    await client.ping();
    await host.told();
    gate.resolve();
    expect(await failing).toMatchObject({ name: 'SyntaxError', code: 'EBAD' });
    expect(await remote).toEqual({
      name: 'SyntaxError',
      message: 'bad',
      code: 'EBAD',
      detail: { line: 5 },
      isSyntaxError: true,
    });
  });
});
