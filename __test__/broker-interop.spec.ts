/** Both ends with the original's other end: an original client at our broker, our client at an original broker. */
import type { BrokerOptions } from '../dist/broker';
import { Host, SECRET, clientOf, eventually, hostOfAll, newId } from './lib/broker';
import { rejection } from './lib/processors';

/** The client of the original, as far as it differs from ours. */
interface OriginalClient {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttl?: number): Promise<true>;
  del(key: string): Promise<true>;
  list(): Promise<Record<string, { expires: number; hasValue: boolean }>>;
  ping(): Promise<number>;
  stats(): Promise<Record<string, unknown>>;
  health(): Promise<Record<string, unknown>>;
  metrics(): Promise<string>;
  lease(key: string, worker: string, ttl?: number): Promise<number>;
  release(worker: string): Promise<boolean>;
}

const ours = hostOfAll('ours');
const original = hostOfAll('original');

/** Runs a method of an original client. */
function asked<M extends keyof OriginalClient>(
  pipe: string,
  options: object,
  method: M,
  ...args: Parameters<OriginalClient[M]>
): Promise<Awaited<ReturnType<OriginalClient[M]>>> {
  const call = original.run(
    ({ Client }, path, given, name, list) =>
      (new Client(path, given) as unknown as Record<string, (...all: unknown[]) => unknown>)[name]!(...list),
    pipe,
    options,
    method,
    args as unknown[],
  );
  return call as Promise<Awaited<ReturnType<OriginalClient[M]>>>;
}

const SECRETS: [string, string | null][] = [
  ['without a secret', null],
  ['with a secret', SECRET],
];

describe.each(SECRETS)('an original client at our broker %s', (_way, secret) => {
  const open = async (options?: BrokerOptions) => {
    const pipe = await ours.start({ secret, ...options });
    const client = <M extends keyof OriginalClient>(method: M, ...args: Parameters<OriginalClient[M]>) =>
      asked(pipe, { secret }, method, ...args);
    return { pipe, client, own: clientOf(pipe, { secret }) };
  };

  test('keeps values', async () => {
    const { client } = await open();
    for (const value of ['text', 0, false, null, '', { a: [1, 'ü😀\ud800'] }, 'x'.repeat(100_000)]) {
      expect(await client('set', 'key', value, 60_000)).toBe(true);
      expect(await client('get', 'key')).toEqual(value);
    }
    expect(await client('list')).toEqual({ key: { expires: expect.any(Number), hasValue: true } });
    expect(await client('del', 'key')).toBe(true);
    expect(await client('del', 'key')).toBe(true);
    expect(await rejection(client('get', 'key'))).toMatchObject({ message: 'not_found' });
  });

  test('gets the errors that it knows', async () => {
    const { client } = await open({ maxItems: 1, maxValueSize: 2000 });
    await client('set', 'key', 1, 2);
    await eventually(async () => Object.keys(await client('list')).length === 0);
    expect(await rejection(client('get', 'key'))).toMatchObject({ message: 'expired' });
    expect(await rejection(client('get', 'key'))).toMatchObject({ message: 'not_found' });
    await client('set', 'key', 1, 60_000);
    expect(await rejection(client('set', 'other', 1, 60_000))).toMatchObject({ message: 'max_items' });
    expect(await rejection(client('set', 'key', 1, -1))).toMatchObject({ message: 'invalid_ttl' });
    expect(await rejection(client('set', 'key', 1, 0))).toMatchObject({ message: 'invalid_ttl' });
    const noise = Array.from({ length: 2000 }, (_, i) => (i * 2_654_435_761) % 4_294_967_296);
    expect(await rejection(client('set', 'key', noise, 60_000))).toMatchObject({ message: 'too_large' });
  });

  test('gets a clear answer to what is larger than any request', async () => {
    const { pipe } = await open();
    for (const length of [1_100_000, 5_000_000]) {
      const call = asked(pipe, { secret, compression: false }, 'set', 'key', 'x'.repeat(length), 60_000);
      expect(await rejection(call)).toMatchObject({ message: 'too_large' });
    }
  });

  test('reads what the broker tells of itself', async () => {
    const { client } = await open({ maxItems: 2 });
    await client('set', 'key', 'value', 60_000);
    expect(Math.abs((await client('ping')) - Date.now())).toBeLessThan(60_000);
    expect(await client('stats')).toMatchObject({
      items: 1,
      leases: 0,
      memory: { approximateStoreBytes: expect.any(Number) },
      uptime: expect.any(Number),
    });
    expect(await client('health')).toMatchObject({
      ok: true,
      status: 'healthy',
      capacity: { items: 1, maxItems: 2, utilization: 0.5 },
      connections: { inFlight: 1, draining: false },
    });
    expect(await client('metrics')).toContain(
      'ephemeral_broker_operations_total{action="set",result="success"} 1\n',
    );
  });

  test('leases and releases', async () => {
    const { client, own } = await open();
    expect(await client('lease', 'pool', 'a', 60_000)).toBe(0);
    expect(await own.lease('pool', 'b', 60_000)).toBe(1);
    expect(await client('lease', 'pool', 'c')).toBe(2);
    expect(await client('lease', 'pool', 'b', 60_000)).toBe(1);
    expect(await rejection(client('lease', 'other', 'b'))).toMatchObject({
      message: 'worker_already_has_lease',
    });
    expect([await client('release', 'b'), await own.release('b'), await own.release('a')]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('and ours read what the other has stored, compressed or not', async () => {
    const { pipe, client, own } = await open();
    const small = { id: 1, name: 'Zoë' };
    const large = Array.from({ length: 5000 }, (_, i) => `item ${i} ü`);
    await client('set', 'small', small, 60_000);
    await client('set', 'large', large, 60_000);
    await asked(pipe, { secret, compression: false }, 'set', 'uncompressed', large, 60_000);
    expect(await own.mget(['small', 'large', 'uncompressed'])).toEqual([small, large, large]);

    const huge = 'ä'.repeat(300_000); // fits only compressed
    await own.set('own small', small, 60_000);
    await own.set('own large', large, 60_000);
    await own.set('own huge', huge, 60_000);
    await own.set('own text', 'text', 60_000);
    await own.set('own bytes', Buffer.of(1, 2), 60_000);
    await own.incr('own number', 5, 60_000);
    expect(await client('get', 'own small')).toEqual(small);
    expect(await client('get', 'own large')).toEqual(large);
    expect(await client('get', 'own huge')).toEqual(huge);
    expect(await client('get', 'own text')).toBe('text');
    expect(await client('get', 'own bytes')).toEqual({ type: 'Buffer', data: [1, 2] });
    expect(await client('get', 'own number')).toBe(5);
  });

  test('600 at once are all served', async () => {
    const { pipe } = await open();
    const outcomes = await original.run(
      async ({ Client }, path, given) => {
        const one = async (i: number): Promise<unknown> => {
          const client = new Client(path, given);
          await client.set(`key ${i}`, i, 60_000);
          return client.get(`key ${i}`);
        };
        return Promise.all(
          Array.from({ length: 600 }, (_, i) => one(i).catch((error: Error) => error.message)),
        );
      },
      pipe,
      { secret },
    );
    expect(outcomes).toEqual(Array.from({ length: 600 }, (_, i) => i));
  });
});

test('an original client with the wrong secret is refused', async () => {
  const pipe = await ours.start({ secret: SECRET });
  for (const secret of [null, 'another'])
    expect(await rejection(asked(pipe, { secret }, 'ping'))).toMatchObject({ message: 'auth_failed' });
});

describe.each(SECRETS)('our client at an original broker %s', (_way, secret) => {
  const open = async (options?: BrokerOptions) => {
    const pipe = await original.start({ secret, ...options });
    return { pipe, client: clientOf(pipe, { secret }) };
  };

  test('keeps values', async () => {
    const { client } = await open();
    for (const value of ['text', 0, false, null, '', { a: [1, 'ü😀\ud800'] }, 'x'.repeat(100_000)]) {
      expect(await client.set('key', value, 60_000)).toBe(true);
      expect(await client.get('key')).toEqual(value);
    }
    expect(await client.list()).toEqual(['key']);
    expect(await client.entries()).toEqual({ key: { expires: expect.any(Number), hasValue: true } });
    expect(await client.del('key')).toBe(true);
    expect(await rejection(client.get('key'))).toMatchObject({
      name: 'BrokerError',
      message: 'not_found',
      code: 'ERR_BROKER_NOT_FOUND',
    });
  });

  test('tells of its errors', async () => {
    const { client } = await open({ maxItems: 1, maxValueSize: 2000 });
    await client.set('key', 1, 2);
    await eventually(async () => (await client.list()).length === 0);
    expect(await rejection(client.get('key'))).toMatchObject({ message: 'expired' });
    await client.set('key', 1, 60_000);
    expect(await rejection(client.set('other', 1, 60_000))).toMatchObject({ message: 'max_items' });
    expect(await rejection(client.set('key', 1))).toMatchObject({ code: 'ERR_BROKER_TTL_REQUIRED' });
    const noise = Array.from({ length: 2000 }, (_, i) => (i * 2_654_435_761) % 4_294_967_296);
    expect(await rejection(client.set('key', noise, 60_000))).toMatchObject({ message: 'too_large' });
    expect(await client.get('key')).toBe(1);
  });

  test('has the shapes of our document', async () => {
    const { client } = await open();
    await client.set('key', 1, 60_000);
    await client.lease('pool', 'worker', 60_000);
    const latency = await client.ping();
    expect(latency).toBeGreaterThan(0);
    expect(latency).toBeLessThan(60_000); // and no time of day
    expect(await client.stats()).toMatchObject({ items: 1, leases: 1, uptime: expect.any(Number) });
    expect(await client.health()).toMatchObject({ ok: true, status: 'healthy' });
    expect(await client.metrics()).toMatchObject({ requests: { total: expect.any(Number), set: 1 } });
    expect(await client.metrics({ format: 'prometheus' })).toContain(
      '# TYPE ephemeral_broker_requests_total counter',
    );
  });

  test('leases and releases', async () => {
    const { pipe, client } = await open();
    expect(await client.lease('pool', 'a', 60_000)).toBe(0);
    expect(await asked(pipe, { secret }, 'lease', 'pool', 'b', 60_000)).toBe(1);
    expect(await rejection(client.lease('other', 'a', 60_000))).toMatchObject({
      message: 'worker_already_has_lease',
    });
    expect([await client.release('a'), await client.release('a')]).toEqual([true, false]);
  });

  test('compresses as the original does', async () => {
    const { pipe } = await open();
    const stored = (options: object, value: unknown): Promise<unknown> =>
      clientOf(pipe, { secret, ...options })
        .set('key', value, 60_000)
        .then(() =>
          original.run(({ kept }, path) => {
            const { store } = (
              kept['brokers'] as Map<string, { store: Map<string, { compressed: boolean }> }>
            ).get(path)!;
            return store.get('key')!.compressed;
          }, pipe),
        );
    const value = 'x'.repeat(1022); // 1024 as JSON
    expect(await stored({}, value)).toBe(true);
    expect(await stored({}, value.slice(1))).toBe(false);
    expect(await stored({ compressionThreshold: 10 }, value.slice(1))).toBe(true);
    expect(await stored({ compression: false }, value)).toBe(false);
    const large = Array.from({ length: 100_000 }, () => 'ä');
    expect(await stored({}, large)).toBe(true);
    expect(await clientOf(pipe, { secret, compression: false }).get('key')).toEqual(large);
    expect(await asked(pipe, { secret }, 'get', 'key')).toEqual(large);
  });

  test('600 requests at once of one client, and of 600, are all served', async () => {
    const { pipe, client } = await open();
    const keys = Array.from({ length: 600 }, (_, i) => `key ${i}`);
    await Promise.all(keys.map((key, i) => client.set(key, i, 60_000)));
    const values = await Promise.all(keys.map((key) => clientOf(pipe, { secret }).get(key)));
    expect(values).toEqual(keys.map((_, i) => i));
  });

  test('refuses what the original cannot do', async () => {
    const { client } = await open();
    const unsupported = { code: expect.stringMatching(/^ERR_BROKER_/) };
    expect(await rejection(client.incr('key', 1, 60_000))).toMatchObject(unsupported);
    expect(await rejection(client.cas('key', undefined, 1, 60_000))).toMatchObject(unsupported);
    expect(await rejection(client.acquire('pool', 'worker', { ttl: 1000 }))).toMatchObject(unsupported);
    expect(await rejection(client.watch('')[Symbol.asyncIterator]().next())).toMatchObject(unsupported);
    expect(await client.list()).toEqual([]);
  });
});

test('our client with the wrong secret is refused by an original broker', async () => {
  const pipe = await original.start({ secret: SECRET });
  for (const secret of [null, 'another'])
    expect(await rejection(clientOf(pipe, { secret }).ping())).toMatchObject({
      message: 'auth_failed',
      code: 'ERR_BROKER_AUTH_FAILED',
    });
});

test('our client goes from an original broker to ours at the same path, and back', async () => {
  const pipeId = newId();
  const kinds = ['original', 'ours', 'original'] as const;
  let moving: ReturnType<typeof clientOf> | undefined;
  for (const kind of kinds) {
    const host = await new Host(kind).ready();
    const pipe = await host.start({ pipeId });
    moving ??= clientOf(pipe);
    expect(await moving.set('key', kind, 60_000)).toBe(true);
    expect(await asked(pipe, {}, 'get', 'key')).toBe(kind);
    await host.kill();
  }
});

test('each sees whether the other runs, and takes over what it has left behind', async () => {
  const kinds = ['original', 'ours'] as const;
  for (const [first, second] of [kinds, kinds.toReversed()] as const) {
    const pipeId = newId();
    const running = await new Host(first).ready();
    const pipe = await running.start({ pipeId });
    const other = await new Host(second).ready();
    expect(await rejection(other.start({ pipeId }))).toMatchObject({ message: 'Broker already running' });
    expect(await clientOf(pipe).ping()).toBeGreaterThan(0);
    await running.kill();
    expect(await other.start({ pipeId })).toBe(pipe);
    expect(await clientOf(pipe).ping()).toBeGreaterThan(0);
  }
});
