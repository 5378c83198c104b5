/** `Client` and `Broker` as the API document has them, by every way that a client reaches a broker. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerError, type BrokerOptions } from '../dist/broker';
import { Host, SECRET, clientOf, eventually, hostOfAll, startBroker, ways } from './lib/broker';
import { rejection } from './lib/processors';

/** What a request that the broker refused rejects with. */
const refused = (message: string) => ({
  name: 'BrokerError',
  message,
  code: `ERR_BROKER_${message.toUpperCase()}`,
});

describe.each(ways())('%s', (_way, start) => {
  const open = async (options?: BrokerOptions) => (await start(options)).client();

  describe('get, set, del, list', () => {
    test('keep a value until it is deleted', async () => {
      const client = await open();
      expect(await client.set('session-token', 'abc123', 300_000)).toBe(true);
      expect(await client.get('session-token')).toBe('abc123');
      expect(await client.set('session-token', 'def456', 300_000)).toBe(true);
      expect(await client.get('session-token')).toBe('def456');
      expect(await client.list()).toEqual(['session-token']);
      expect(await client.del('session-token')).toBe(true);
      expect(await rejection(client.get('session-token'))).toMatchObject(refused('not_found'));
      expect(await client.list()).toEqual([]);
    });

    test.each<[string, unknown]>([
      ['an empty string', ''],
      ['a string', 'tä"x\\t\n\u0000😀'],
      ['half a surrogate pair', 'a\ud83d'],
      ['zero', 0],
      ['a number', -1.5e-300],
      ['true', true],
      ['false', false],
      ['null', null],
      ['an array', [1, [2, [null]], 'x']],
      ['an object', { id: 123, name: 'Zoë', nested: { '10': 1, b: [] } }],
      ['an object that looks like a buffer', { type: 'Buffer', data: [1, 2] }],
      ['an object with a key of the wire', { value: 1, compressed: true, error: 'not_found', ok: false }],
      ['a million signs', 'x'.repeat(100_000)],
      ['a string that reads as JSON', '{"a":1}'],
    ])('give %s back as it was', async (_, value) => {
      const client = await open();
      await client.set('key', value, 60_000);
      expect(await client.get('key')).toEqual(value);
    });

    test('bytes come back as a Buffer of their own', async () => {
      const client = await open();
      const bytes = Buffer.from([0, 255, 10, 13, 128]);
      await client.set('buffer', bytes, 60_000);
      await client.set('view', new Uint8Array(bytes.buffer, bytes.byteOffset + 1, 3), 60_000);
      await client.set('empty', Buffer.alloc(0), 60_000);
      bytes.fill(7);
      expect(await client.get('buffer')).toEqual(Buffer.from([0, 255, 10, 13, 128]));
      expect(await client.get('view')).toEqual(Buffer.from([255, 10, 13]));
      expect(await client.get('empty')).toEqual(Buffer.alloc(0));
      (await client.get<Buffer>('buffer')).fill(9);
      expect(await client.get('buffer')).toEqual(Buffer.from([0, 255, 10, 13, 128]));
    });

    test('what is stored is what JSON makes of it, at the time of set', async () => {
      const client = await open();
      const value = { date: new Date(0), gone: undefined, toJSON: undefined, list: [undefined, NaN] };
      const stored = client.set('key', value, 60_000);
      value.list.length = 0;
      await stored;
      expect(await client.get('key')).toEqual({ date: '1970-01-01T00:00:00.000Z', list: [null, null] });
      const read = await client.get<{ date: string }>('key');
      read.date = 'changed';
      expect((await client.get<{ date: string }>('key')).date).not.toBe('changed');
    });

    test.each([
      '__proto__',
      'constructor',
      ' ',
      '\n',
      '\u0000',
      'ключ 😀',
      '0',
      'a'.repeat(65_535),
      'é'.repeat(32_767),
    ])('%p is a key as any other', async (key) => {
      const client = await open();
      await client.set(key, key, 60_000);
      expect(await client.get(key)).toBe(key);
      expect(await client.list()).toEqual([key]);
      expect(Object.keys(await client.entries())).toEqual([key]);
      expect(await client.del(key)).toBe(true);
    });

    test('del resolves to true, also where there was nothing', async () => {
      const client = await open();
      await client.set('key', 1, 60_000);
      expect([await client.del('key'), await client.del('key'), await client.del('never')]).toEqual([
        true,
        true,
        true,
      ]);
    });

    test('what has expired is not listed, and told once to whoever asks', async () => {
      const client = await open();
      await client.set('key', 1, 3);
      await client.set('stays', 1, 60_000);
      await eventually(async () => (await client.list()).length === 1);
      expect(await client.list()).toEqual(['stays']);
      expect(await rejection(client.get('key'))).toMatchObject(refused('expired'));
      expect(await rejection(client.get('key'))).toMatchObject(refused('not_found'));
    });

    test('set begins the time to live anew', async () => {
      const client = await open();
      await client.set('key', 1, 3);
      await client.set('key', 2, 60_000);
      await client.set('marker', 2, 20);
      await eventually(async () => !(await client.list()).includes('marker'));
      expect(await client.get('key')).toBe(2);
    });

    test('each item has a time to live of its own', async () => {
      const client = await open();
      const before = Date.now();
      await client.set('temp-flag', true, 5000);
      await client.set('session', {}, 300_000);
      await client.set('api-response', [], 3_600_000);
      const entries = await client.entries();
      const after = Date.now();
      for (const [key, ttl] of Object.entries({
        'temp-flag': 5000,
        session: 300_000,
        'api-response': 3_600_000,
      })) {
        expect(entries[key]).toEqual({ expires: expect.any(Number), hasValue: true });
        expect(entries[key]!.expires).toBeGreaterThanOrEqual(before + ttl - 1000);
        expect(entries[key]!.expires).toBeLessThanOrEqual(after + ttl + 1000);
      }
    });

    test('thousands of requests at once are all served', async () => {
      const client = await open();
      const keys = Array.from({ length: 3000 }, (_, i) => `key ${i}`);
      await Promise.all(keys.map((key, i) => client.set(key, { i }, 60_000)));
      const values = await Promise.all(keys.map((key) => client.get(key)));
      expect(values).toEqual(keys.map((_, i) => ({ i })));
      expect((await client.list()).length).toBe(3000);
    });

    test('requests of a client take effect in the order of the calls', async () => {
      const client = await open();
      const read: Promise<unknown>[] = [];
      for (let i = 0; i < 200; i++) {
        void client.set('key', i, 60_000);
        read.push(client.get('key'));
      }
      expect(await Promise.all(read)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    });
  });

  describe('the ttl', () => {
    test('is required of set', async () => {
      const client = await open();
      expect(await rejection(client.set('key', 1))).toMatchObject({
        message: 'TTL is required for set(). Pass a ttl value or set allowNoTtl: true in client options.',
        code: 'ERR_BROKER_TTL_REQUIRED',
      });
      expect(await client.list()).toEqual([]);
    });

    test('is required by the broker too', async () => {
      const client = (await start()).client({ allowNoTtl: true });
      expect(await rejection(client.set('key', 1))).toMatchObject(refused('ttl_required'));
      expect(await rejection(client.set('key', 1, 0))).toMatchObject(refused('invalid_ttl'));
      expect(await client.list()).toEqual([]);
    });

    test('is the default where neither requires it', async () => {
      const client = (await start({ requireTTL: false, defaultTTL: 1_000_000 })).client({ allowNoTtl: true });
      const before = Date.now();
      await client.set('none', 1);
      await client.set('zero', 1, 0);
      const entries = await client.entries();
      for (const key of ['none', 'zero']) {
        expect(entries[key]!.expires).toBeGreaterThanOrEqual(before + 999_000);
        expect(entries[key]!.expires).toBeLessThanOrEqual(Date.now() + 1_001_000);
      }
    });

    test('may be as long as a number can say', async () => {
      const client = await open();
      await client.set('key', 1, Number.MAX_SAFE_INTEGER);
      await client.set('longest', 1, Number.MAX_VALUE);
      expect(await client.list()).toHaveLength(2);
      expect(await client.get('longest')).toBe(1);
    });
  });

  describe('limits', () => {
    test('maxValueSize counts bytes of a string, and of the JSON of all else', async () => {
      const { client: connect } = await start({ maxValueSize: 1000 });
      const client = connect({ compression: false });
      expect(await client.set('key', 'x'.repeat(1000), 60_000)).toBe(true);
      expect(await rejection(client.set('key', 'x'.repeat(1001), 60_000))).toMatchObject(
        refused('too_large'),
      );
      expect(await client.set('key', 'é'.repeat(500), 60_000)).toBe(true);
      expect(await rejection(client.set('key', 'é'.repeat(501), 60_000))).toMatchObject(refused('too_large'));
      expect(await client.set('key', ['x'.repeat(996)], 60_000)).toBe(true);
      expect(await rejection(client.set('key', ['x'.repeat(997)], 60_000))).toMatchObject(
        refused('too_large'),
      );
      expect(await client.set('key', Buffer.alloc(1000), 60_000)).toBe(true);
      expect(await rejection(client.set('key', Buffer.alloc(1001), 60_000))).toMatchObject(
        refused('too_large'),
      );
      expect(await client.get('key')).toEqual(Buffer.alloc(1000));
    });

    test('a value that is too large is compressed where that lets it in', async () => {
      const { client: connect } = await start();
      const bigData = Array.from({ length: 100_000 }, () => 'x');
      expect(JSON.stringify(bigData).length).toBeGreaterThan(262_144);
      expect(await connect({ compression: true }).set('big-data', bigData, 60_000)).toBe(true);
      expect(await connect({ compression: false }).get('big-data')).toEqual(bigData);
      const text = 'ä'.repeat(200_000);
      await connect().set('text', text, 60_000);
      expect(await connect().get('text')).toBe(text);
      const refusal = await rejection(connect({ compression: false }).set('key', text, 60_000));
      expect(refusal).toMatchObject(refused('too_large'));
    });

    test('by default a value may have 256 KB and a request 1 MB', async () => {
      const client = (await start()).client({ compression: false });
      expect(await client.set('key', 'x'.repeat(262_144), 60_000)).toBe(true);
      expect(await rejection(client.set('key', 'x'.repeat(262_145), 60_000))).toMatchObject(
        refused('too_large'),
      );
      expect(await rejection(client.set('key', 'x'.repeat(5_000_000), 60_000))).toMatchObject(
        refused('too_large'),
      );
      expect(await client.get('key')).toHaveLength(262_144);
    });

    test('maxRequestSize bounds what is sent, and the client goes on', async () => {
      const { client: connect } = await start({ maxRequestSize: 2000, maxValueSize: 100_000 });
      const client = connect({ compression: false });
      const both = [client.set('large', 'x'.repeat(3000), 60_000), client.set('small', 'x', 60_000)];
      expect(await rejection(both[0]!)).toMatchObject(refused('too_large'));
      expect(await both[1]).toBe(true);
      expect(await client.list()).toEqual(['small']);
    });

    test('maxItems bounds new keys; others may change', async () => {
      const client = await open({ maxItems: 3 });
      for (const key of ['a', 'b', 'c']) await client.set(key, key, 60_000);
      expect(await rejection(client.set('d', 'd', 60_000))).toMatchObject(refused('max_items'));
      expect(await client.set('a', 'A', 60_000)).toBe(true);
      await client.del('b');
      expect(await client.set('d', 'd', 60_000)).toBe(true);
      expect((await client.list()).toSorted()).toEqual(['a', 'c', 'd']);
    });

    test('what has expired makes room', async () => {
      const client = await open({ maxItems: 1 });
      await client.set('a', 1, 3);
      await eventually(async () => (await client.list()).length === 0);
      expect(await client.set('b', 1, 60_000)).toBe(true);
    });

    test('maxItems is 10,000 by default, and 0 is no bound', async () => {
      const client = await open();
      const fill = (there: typeof client, count: number) =>
        Promise.allSettled(Array.from({ length: count }, (_, i) => there.set(`key ${i}`, i, 600_000)));
      const ends = await fill(client, 10_001);
      expect(ends.filter(({ status }) => status === 'rejected')).toEqual([
        { status: 'rejected', reason: expect.objectContaining(refused('max_items')) },
      ]);
      const unbounded = await open({ maxItems: 0 });
      for (const end of await fill(unbounded, 10_001)) expect(end.status).toBe('fulfilled');
    });

    test('maxLeases bounds leases', async () => {
      const client = await open({ maxLeases: 2 });
      await client.lease('pool', 'a', 60_000);
      await client.lease('pool', 'b', 60_000);
      expect(await rejection(client.lease('pool', 'c', 60_000))).toMatchObject(refused('max_leases'));
      expect(await client.lease('pool', 'b', 60_000)).toBe(1);
      await client.release('a');
      expect(await client.lease('pool', 'c', 60_000)).toBe(0);
    });
  });

  describe('what a broker tells of itself', () => {
    test('ping resolves to the round trip in milliseconds', async () => {
      const client = await open();
      for (let i = 0; i < 20; i++) {
        const before = performance.now();
        const latency = await client.ping();
        expect(latency).toBeGreaterThan(0);
        expect(latency).toBeLessThanOrEqual(performance.now() - before);
      }
    });

    test('stats', async () => {
      const client = await open({ maxItems: 4 });
      expect(await client.stats()).toMatchObject({ items: 0, leases: 0 });
      await client.set('a', 'x'.repeat(5000), 60_000);
      await client.set('b', 1, 60_000);
      await client.lease('pool', 'worker', 60_000);
      const stats = await client.stats();
      expect(stats).toMatchObject({
        items: 2,
        leases: 1,
        capacity: {
          items: 2,
          maxItems: 4,
          utilization: 0.5,
          nearCapacity: false,
          atCapacity: false,
          warning: null,
        },
        memory: { rss: expect.any(Number), heapUsed: expect.any(Number) },
      });
      expect(stats.memory.approximateStoreBytes).toBeGreaterThan(5000);
      expect(stats.memory.rss).toBeGreaterThan(1_000_000);
      expect(stats.memory.heapUsed).toBeGreaterThan(0);
      const next = async () => (await client.stats()).uptime;
      await eventually(async () => (await next()) > stats.uptime);
      await client.release('worker');
      await client.del('a');
      expect(await client.stats()).toMatchObject({ items: 1, leases: 0 });
    });

    test('health', async () => {
      const client = await open({ maxItems: 1 });
      const before = Date.now();
      const health = await client.health();
      expect(health).toMatchObject({
        ok: true,
        status: 'healthy',
        uptime: expect.any(Number),
        items: 0,
        leases: 0,
        capacity: { items: 0, maxItems: 1, utilization: 0, warning: null },
        memory: { rss: expect.any(Number), heapUsed: expect.any(Number), heapTotal: expect.any(Number) },
        connections: { draining: false, inFlight: expect.any(Number) },
      });
      expect(Math.abs(health.timestamp - before)).toBeLessThan(60_000);
      await client.set('key', 1, 60_000);
      await client.lease('pool', 'worker', 60_000);
      expect(await client.health()).toMatchObject({
        ok: true,
        status: 'degraded',
        items: 1,
        leases: 1,
        capacity: { utilization: 1, nearCapacity: true, atCapacity: true, warning: 'at_capacity' },
      });
    });

    test('metrics', async () => {
      const client = await open({ maxValueSize: 100 });
      await client.set('key', 1, 60_000);
      await client.get('key');
      await client.get('key');
      await rejection(client.get('missing'));
      await rejection(client.set('key', Buffer.alloc(101), 60_000));
      await client.del('key');
      await client.list();
      await client.ping();
      await client.lease('pool', 'worker');
      await client.release('worker');
      const metrics = await client.metrics();
      expect(metrics.requests).toMatchObject({
        get: 3,
        set: 2,
        del: 1,
        list: 1,
        ping: 1,
        lease: 1,
        release: 1,
      });
      expect(metrics.requests['total']).toBeGreaterThanOrEqual(10);
      expect(metrics.errors).toMatchObject({ total: 2, not_found: 1, too_large: 1 });
      const { p50, p95, p99 } = metrics.latency;
      expect(p50).toBeGreaterThan(0);
      expect(p95).toBeGreaterThanOrEqual(p50);
      expect(p99).toBeGreaterThanOrEqual(p95);
    });

    test('metrics that are off are empty', async () => {
      const client = await open({ metrics: false });
      await client.set('key', 1, 60_000);
      await rejection(client.get('missing'));
      const { requests, errors, latency } = await client.metrics();
      for (const figures of [requests, errors, latency])
        expect(Object.values(figures).every((figure) => figure === 0)).toBe(true);
      expect(requests['total']).toBe(0);
      expect(errors['total']).toBe(0);
    });
  });

  describe('lease and release', () => {
    test('workers get the values of a pool from 0 on, each one of its own', async () => {
      const client = await open();
      const values = await Promise.all(
        Array.from({ length: 100 }, (_, i) => client.lease('test-accounts', `worker-${i}`, 60_000)),
      );
      expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(await client.release(`worker-${values.indexOf(42)}`)).toBe(true);
      expect(await client.release(`worker-${values.indexOf(7)}`)).toBe(true);
      expect(await client.lease('test-accounts', 'late')).toBe(7);
      expect(await client.lease('test-accounts', 'later', { ttl: 60_000 })).toBe(42);
    });

    test('a worker that asks again keeps its value, and has but one', async () => {
      const client = await open();
      await client.lease('pool', 'a', 60_000);
      expect([await client.lease('pool', 'b', 60_000), await client.lease('pool', 'b', 60_000)]).toEqual([
        1, 1,
      ]);
      const refusal = await rejection(client.lease('other', 'b', 60_000));
      expect(refusal).toMatchObject(refused('worker_already_has_lease'));
      expect(await client.lease('other', 'c', 60_000)).toBe(0);
    });

    test('release tells whether there was a lease', async () => {
      const client = await open();
      await client.lease('pool', 'a', 60_000);
      expect([await client.release('a'), await client.release('a'), await client.release('never')]).toEqual([
        true,
        false,
        false,
      ]);
    });

    test('a lease ends with its ttl, and its value is given again', async () => {
      const client = await open();
      await client.lease('pool', 'a', 3);
      await eventually(async () => (await client.stats()).leases === 0);
      expect(await client.lease('pool', 'b', 60_000)).toBe(0);
      expect(await client.lease('pool', 'a', 60_000)).toBe(1);
    });

    test('leases need no ttl, even where keys do: theirs is the default', async () => {
      const client = await open({ defaultTTL: 3 });
      for (const ttl of [undefined, 0]) {
        await client.lease('pool', 'a', ttl);
        await eventually(async () => (await client.stats()).leases === 0);
        expect(await client.lease('pool', 'b', 60_000)).toBe(0);
        await client.release('b');
      }
    });
  });

  test('refreshTTLOnGet: every get begins the time to live anew', async () => {
    const client = await open({ refreshTTLOnGet: true });
    await client.set('key', 1, 60_000);
    const { expires } = (await client.entries())['key']!;
    await eventually(async () => {
      await client.get('key');
      return (await client.entries())['key']!.expires > expires;
    });
    const fixed = await open();
    await fixed.set('key', 1, 60_000);
    const before = (await fixed.entries())['key']!.expires;
    await fixed.get('key');
    await sleep(60); // the clock has moved
    await fixed.get('key');
    expect((await fixed.entries())['key']!.expires).toBeLessThan(before + 50);
  });

  test('an error of the broker is a BrokerError', async () => {
    const error = await rejection((await open()).get('missing'));
    expect(error).toBeInstanceOf(BrokerError);
    expect(error).toMatchObject(refused('not_found'));
  });
});

describe('the broker that a client finds', () => {
  const host = hostOfAll();

  test('is that of EPHEMERAL_PIPE, which start sets', async () => {
    delete process.env['EPHEMERAL_PIPE'];
    expect(() => clientOf(undefined as never)).toThrow(
      expect.objectContaining({
        message: 'No pipe specified and EPHEMERAL_PIPE not set',
        code: 'ERR_BROKER_NO_PIPE',
      }),
    );
    const broker = await startBroker();
    expect(process.env['EPHEMERAL_PIPE']).toBe(broker.pipe);
    const client = clientOf(undefined as never);
    expect(client.pipe).toBe(broker.pipe);
    await client.set('key', 1, 60_000);
    const remote = await new Host('ours').ready(); // started after: it inherits the variable
    expect(await remote.run(({ Client }) => new Client().get('key'))).toBe(1);
    expect(await host.run(({ Client }, pipe) => new Client(pipe).get('key'), broker.pipe)).toBe(1);
  });

  test('serves the right secret alone, in this process and in others', async () => {
    const broker = await startBroker({ secret: SECRET });
    const failure = { name: 'BrokerError', message: 'auth_failed', code: 'ERR_BROKER_AUTH_FAILED' };
    await clientOf(broker.pipe, { secret: SECRET }).set('key', 'value', 60_000);
    for (const secret of [null, '', 'another secret', `${SECRET} `]) {
      const options = { secret };
      expect(await rejection(clientOf(broker.pipe, options).get('key'))).toMatchObject(failure);
      const remote = host.run(
        ({ Client }, pipe, given) => new Client(pipe, given).get('key'),
        broker.pipe,
        options,
      );
      expect(await rejection(remote)).toMatchObject(failure);
    }
    const right = host.run(
      ({ Client }, pipe, secret) => new Client(pipe, { secret }).get('key'),
      broker.pipe,
      SECRET,
    );
    expect(await right).toBe('value');
  });
});

describe('use cases', () => {
  test('parallel workers lease an account each', async () => {
    const broker = await startBroker();
    const hosts = await Promise.all([1, 2, 3].map(() => new Host('ours').ready()));
    const accounts = hosts.map((host) =>
      host.run(({ Client, kept }) => {
        kept['client'] = new Client();
        return (kept['client'] as InstanceType<typeof Client>).lease(
          'test-accounts',
          `worker-${process.pid}`,
          60_000,
        );
      }),
    );
    expect((await Promise.all(accounts)).toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    const released = await hosts[0]!.run(({ kept }) =>
      (kept['client'] as { release(id: string): Promise<boolean> }).release(`worker-${process.pid}`),
    );
    expect(released).toBe(true);
    expect(await clientOf(broker.pipe).lease('test-accounts', 'after', 60_000)).toBe(await accounts[0]);
  });

  test('the first worker generates a token, and all others use it', async () => {
    const client = clientOf((await startBroker()).pipe);
    let generated = 0;
    const token = async (): Promise<unknown> => {
      let found = await client.get('auth-token').catch(() => null);
      if (!found) {
        found = `token ${++generated}`;
        await client.set('auth-token', found, 3_600_000);
      }
      return found;
    };
    for (let worker = 0; worker < 5; worker++) expect(await token()).toBe('token 1');
  });

  test('calls to an API are numbered, and numbers used again', async () => {
    const client = clientOf((await startBroker()).pipe);
    expect(await client.lease('api-rate-limit', 'worker-1', 5000)).toBe(0);
    expect(await client.lease('api-rate-limit', 'worker-2', 5000)).toBe(1);
    await client.release('worker-1');
    expect(await client.lease('api-rate-limit', 'worker-3', 5000)).toBe(0);
  });

  test('a child that broker.spawn starts finds the broker', async () => {
    const broker = await startBroker();
    const code = `
      const { Client } = require('@noizylab/core/broker');
      const client = new Client();
      (async () => {
        await client.set('from the child', process.env.EPHEMERAL_PIPE, 60_000);
        while (!(await client.list()).includes('seen'));
      })();
    `;
    const child = broker.spawn(process.execPath, ['-e', code], { exit: false });
    expect(broker.child).toBe(child);
    const client = clientOf(broker.pipe);
    await eventually(async () => (await client.list()).length > 0);
    expect(await client.get('from the child')).toBe(broker.pipe);
    const exit = once(child, 'exit');
    await client.set('seen', true, 60_000);
    expect(await exit).toEqual([0, null]);
  });
});
