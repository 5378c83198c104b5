/** Pools of bounded size whose waits are fair, and leases that are renewed, owned or open. */
import type { BrokerOptions } from '../dist/broker';
import { untyped } from './fixtures/parallel';
import { eventually, ways } from './lib/broker';
import { rejection } from './lib/processors';

const refused = (message: string) => ({
  name: 'BrokerError',
  message,
  code: `ERR_BROKER_${message.toUpperCase()}`,
});

describe.each(ways())('%s', (_way, start) => {
  const open = async (options?: BrokerOptions) => (await start(options)).client();

  describe('pools of bounded size', () => {
    const one = { ttl: 60_000, max: 1 };

    test('have no more values than max', async () => {
      const client = await open();
      const pool = { ttl: 60_000, max: 2 };
      expect([await client.lease('pool', 'a', pool), await client.lease('pool', 'b', pool)]).toEqual([0, 1]);
      expect(await rejection(client.lease('pool', 'c', pool))).toMatchObject(refused('pool_exhausted'));
      expect(await client.lease('pool', 'a', pool)).toBe(0); // its own
      await client.release('a');
      expect(await client.lease('pool', 'c', pool)).toBe(0);
    });

    test('a wait is served when a value becomes free, whoever came first is first', async () => {
      const { client: connect } = await start();
      await connect().lease('pool', 'holder', one);
      const order: string[] = [];
      const clients = Array.from({ length: 5 }, () => connect());
      const waits: Promise<unknown>[] = [];
      for (const [i, client] of clients.entries()) {
        const worker = `worker ${i}`;
        waits.push(
          client.lease('pool', worker, { ...one, wait: true }).then(async (value) => {
            order.push(`${worker} has ${value}`);
            await client.release(worker);
          }),
        );
        await client.ping(); // it stands in line
      }
      const impatient = connect().lease('pool', 'impatient', one);
      expect(await rejection(impatient)).toMatchObject(refused('pool_exhausted'));
      await connect().release('holder');
      await Promise.all(waits);
      expect(order).toEqual([0, 1, 2, 3, 4].map((i) => `worker ${i} has 0`));
    });

    test('a wait is served when a lease expires', async () => {
      const client = await open();
      await client.lease('pool', 'a', { ttl: 20, max: 1 });
      expect(await client.lease('pool', 'b', { ...one, wait: true })).toBe(0);
    });

    test('a wait has an end', async () => {
      const client = await open();
      await client.lease('pool', 'a', one);
      const timedOut = refused('lease_timeout');
      expect(await rejection(client.lease('pool', 'b', { ...one, wait: 5 }))).toMatchObject(timedOut);
      await client.release('a');
      expect(await client.lease('pool', 'c', { ...one, wait: 5 })).toBe(0);
    });

    test('a wait of one pool does not hold up another, nor other requests', async () => {
      const client = await open();
      await client.lease('pool', 'a', one);
      const waiting = client.lease('pool', 'b', { ...one, wait: true });
      expect(await client.lease('other', 'c', { ...one, wait: true })).toBe(0);
      await client.set('key', 1, 1000);
      await client.release('a');
      expect(await waiting).toBe(0);
    });

    test('a wait ends with the client that waits, and the next is served', async () => {
      const { client: connect } = await start();
      const client = connect();
      await client.lease('pool', 'a', one);
      const gone = connect();
      // Owned: it may be granted before the broker notices that nobody is there.
      const lost = rejection(gone.acquire('pool', 'gone', { ...one, wait: true }));
      await gone.ping();
      const waiting = client.lease('pool', 'b', { ...one, wait: true });
      await gone.close();
      await lost;
      await client.release('a');
      expect(await waiting).toBe(0);
    });

    test.each<object>([
      { max: 0 },
      { max: -1 },
      { max: 1.5 },
      { max: '1' },
      { max: Number.NaN },
      { max: 2 ** 32 },
      { wait: -1 },
      { wait: Number.NaN },
      { wait: 'long' },
      { wait: null },
    ])('refuse %j', async (given) => {
      const client = await open();
      const lease = client.lease('pool', 'a', untyped({ ttl: 1000, ...given }));
      expect(await rejection(lease)).toMatchObject({
        code: expect.stringMatching(/^ERR_BROKER_(INVALID_TYPE|OUT_OF_RANGE)$/),
      });
    });
  });

  describe('leases that are renewed', () => {
    test('open ones by anybody who knows the worker', async () => {
      const { client: connect } = await start();
      await connect().lease('pool', 'a', 40);
      await connect().renew('a', 60_000);
      await connect().lease('pool', 'b', 60);
      await eventually(async () => (await connect().stats()).leases === 1); // that of b has ended
      await connect().renew('a', 60_000, { key: 'pool' });
      expect(await rejection(connect().renew('a', 1000, { key: 'other' }))).toMatchObject(
        refused('no_lease'),
      );
      expect(await rejection(connect().renew('nobody', 1000))).toMatchObject(refused('no_lease'));
      await connect().renew('a', 2);
      await eventually(async () => (await connect().stats()).leases === 0);
      expect(await rejection(connect().renew('a', 1000))).toMatchObject(refused('no_lease'));
    });

    test('owned ones by their owner alone', async () => {
      const { client: connect } = await start();
      const client = connect();
      const lease = await client.acquire('pool', 'a', { ttl: 60_000 });
      expect([lease.key, lease.workerId, lease.value]).toEqual(['pool', 'a', 0]);
      const stranger = connect();
      expect(await rejection(stranger.renew('a', 1000))).toMatchObject(refused('not_owner'));
      expect(await rejection(stranger.release('a'))).toMatchObject(refused('not_owner'));
      expect(await rejection(stranger.lease('pool', 'a', 1000))).toMatchObject(
        refused('worker_already_has_lease'),
      );
      expect(await rejection(stranger.acquire('pool', 'a', { ttl: 1000 }))).toMatchObject(
        refused('worker_already_has_lease'),
      );
      await lease.renew(60_000);
      await lease.renew();
      expect(await lease.release()).toBe(true);
      expect(await lease.release()).toBe(false);
      expect(await rejection(lease.renew())).toMatchObject(refused('no_lease'));
      expect(await stranger.lease('pool', 'a', 1000)).toBe(0);
    });

    test('an owned one that has expired cannot be renewed, nor touch its successor', async () => {
      const client = await open();
      const lease = await client.acquire('pool', 'a', { ttl: 3 });
      await eventually(async () => (await client.stats()).leases === 0);
      const next = await client.acquire('pool', 'a', { ttl: 60_000 });
      expect(await rejection(lease.renew())).toMatchObject({
        message: expect.stringMatching(/^(no_lease|not_owner)$/),
      });
      await lease.release().catch(() => {});
      await next.renew();
      expect((await client.stats()).leases).toBe(1);
    });

    test("an owned one that was taken again after its end is still its client's own", async () => {
      const { client: connect } = await start();
      const client = connect();
      await client.acquire('pool', 'a', { ttl: 3, max: 1 });
      await eventually(async () => (await client.stats()).leases === 0);
      await client.acquire('pool', 'a', { ttl: 60_000, max: 1 });
      await client.close();
      const other = connect();
      await eventually(async () => (await other.stats()).leases === 0);
      expect((await other.acquire('pool', 'b', { ttl: 60_000, max: 1 })).value).toBe(0);
    });

    test('an owned one ends with its client', async () => {
      const { client: connect } = await start();
      const client = connect();
      await client.acquire('pool', 'a', { ttl: 600_000, max: 1 });
      const next = connect().acquire('pool', 'b', { ttl: 600_000, max: 1, wait: true });
      await connect().ping();
      await client.close();
      expect((await next).value).toBe(0);
    });

    test('await using releases it', async () => {
      const client = await open();
      const lease = await client.acquire('pool', 'a', { ttl: 60_000 });
      await lease[Symbol.asyncDispose]();
      expect((await client.stats()).leases).toBe(0);
      await lease[Symbol.asyncDispose]();
    });

    test('acquire waits as lease does', async () => {
      const client = await open();
      const options = { ttl: 60_000, max: 1 };
      const lease = await client.acquire('pool', 'a', options);
      expect(await rejection(client.acquire('pool', 'b', options))).toMatchObject(refused('pool_exhausted'));
      expect(await rejection(client.acquire('pool', 'b', { ...options, wait: 5 }))).toMatchObject(
        refused('lease_timeout'),
      );
      const signal = AbortSignal.timeout(5);
      const aborted = client.acquire('pool', 'b', { ...options, wait: true, signal });
      expect((await rejection(aborted)).name).toBe('TimeoutError');
      const waiting = client.acquire('pool', 'b', { ...options, wait: true });
      await lease.release();
      expect((await waiting).value).toBe(0);
    });
  });
});
