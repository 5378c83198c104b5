/** `Client`: options and environment, what it refuses to send, timeouts and signals, and what keeps a process alive. */
import { inspect } from 'node:util';
import { Client, type ClientOptions, makePipePath } from '../dist/broker';
import { deferred, listeners, untyped } from './fixtures/parallel';
import { clientOf, eventually, hostOfAll, newId, startBroker, ways } from './lib/broker';
import { startChild, toldBy } from './lib/child';
import { rejection } from './lib/processors';

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_BROKER_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_BROKER_OUT_OF_RANGE' };
const INVALID_KEY = { name: 'TypeError', code: 'ERR_BROKER_INVALID_KEY' };
const INVALID_TTL = { name: 'BrokerError', message: 'invalid_ttl', code: 'ERR_BROKER_INVALID_TTL' };
const INVALID_VALUE = { name: 'TypeError', code: 'ERR_BROKER_INVALID_VALUE' };

const DEFAULTS = {
  debug: false,
  timeout: 5000,
  allowNoTtl: false,
  secret: null,
  compression: true,
  compressionThreshold: 1024,
};

const ENVIRONMENT: [
  option: keyof ClientOptions,
  name: string,
  text: string,
  value: unknown,
  other: unknown,
][] = [
  ['timeout', 'CLIENT_TIMEOUT', '1234', 1234, 99],
  ['debug', 'CLIENT_DEBUG', 'true', true, false],
  ['allowNoTtl', 'CLIENT_ALLOW_NO_TTL', '1', true, false],
  ['secret', 'CLIENT_SECRET', 'of the client', 'of the client', 'given'],
  ['secret', 'EPHEMERAL_SECRET', 'of both ends', 'of both ends', 'given'],
  ['compression', 'CLIENT_COMPRESSION', 'false', false, true],
  ['compression', 'CLIENT_COMPRESSION', '0', false, true],
  ['compressionThreshold', 'CLIENT_COMPRESSION_THRESHOLD', '5000', 5000, 0],
];

afterEach(() => {
  for (const [, name] of ENVIRONMENT) delete process.env[name];
  jest.restoreAllMocks();
});

describe('options', () => {
  const optionsOf = (options?: ClientOptions) => clientOf('anywhere', options).options;

  test('have the defaults of the document', () => {
    expect(optionsOf()).toMatchObject(DEFAULTS);
    expect(optionsOf({})).toMatchObject(DEFAULTS);
    const none = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, undefined]));
    expect(optionsOf(untyped(none))).toMatchObject(DEFAULTS);
  });

  test('are what was given', () => {
    const given = {
      debug: true,
      timeout: 1,
      allowNoTtl: true,
      secret: 'x',
      compression: false,
      compressionThreshold: 0,
    };
    expect(optionsOf(Object.freeze(given))).toMatchObject(given);
    expect(clientOf('anywhere').pipe).toBe('anywhere');
  });

  test.each(ENVIRONMENT)('%s: the environment sets it by %s=%s to %p', (option, name, text, value, other) => {
    process.env[name] = text;
    expect(optionsOf()[option as 'debug']).toBe(value);
    expect(optionsOf({ [option]: undefined })[option as 'debug']).toBe(value);
    expect(optionsOf({ [option]: other })[option as 'debug']).toBe(other);
  });

  test('CLIENT_SECRET counts before EPHEMERAL_SECRET, and an explicit null before both', () => {
    process.env['EPHEMERAL_SECRET'] = 'of both ends';
    process.env['CLIENT_SECRET'] = 'its own';
    expect(optionsOf().secret).toBe('its own');
    expect(optionsOf({ secret: null }).secret).toBeNull();
  });

  test.each([
    ['CLIENT_TIMEOUT', 'soon'],
    ['CLIENT_TIMEOUT', '-5'],
    ['CLIENT_DEBUG', 'maybe'],
    ['CLIENT_COMPRESSION_THRESHOLD', '1 KB'],
  ])('%s=%s is refused', (name, text) => {
    process.env[name] = text;
    expect(() => optionsOf()).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_BROKER_/),
        message: expect.stringContaining(name),
      }),
    );
  });

  test.each<[string, unknown, object]>([
    ['timeout', '5000', INVALID_TYPE],
    ['timeout', null, INVALID_TYPE],
    ['timeout', -1, OUT_OF_RANGE],
    ['timeout', Number.NaN, OUT_OF_RANGE],
    ['debug', 1, INVALID_TYPE],
    ['allowNoTtl', 'true', INVALID_TYPE],
    ['compression', 0, INVALID_TYPE],
    ['compressionThreshold', -1, OUT_OF_RANGE],
    ['compressionThreshold', '1024', INVALID_TYPE],
    ['secret', 5, INVALID_TYPE],
    ['secret', {}, INVALID_TYPE],
  ])('%s must not be %p', (name, value, error) => {
    expect(() => optionsOf(untyped({ [name]: value }))).toThrow(
      expect.objectContaining({ ...error, message: expect.stringContaining(name) }),
    );
  });

  test.each([null, 5, 'timeout', []])('must not be %p', (value) => {
    expect(() => new Client('anywhere', untyped(value))).toThrow(expect.objectContaining(INVALID_TYPE));
  });

  test('a variable that is empty is absent', () => {
    for (const [, name] of ENVIRONMENT) process.env[name] = '';
    expect(optionsOf()).toMatchObject(DEFAULTS);
  });

  test('requireAuthentication needs a secret', () => {
    const make = () => optionsOf({ requireAuthentication: true });
    expect(make).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_BROKER_INVALID_OPTION' }));
    expect(optionsOf({ requireAuthentication: true, secret: 'x' }).requireAuthentication).toBe(true);
  });

  test('the secret is not among what is printed of them', () => {
    const options = optionsOf({ secret: 'do not print' });
    expect(options.secret).toBe('do not print');
    expect(JSON.stringify(options) + inspect(options)).not.toContain('do not print');
  });

  test.each([5, true, {}, ['/tmp/x'], Symbol('x')])('the pipe must not be %p', (pipe) => {
    expect(() => new Client(untyped(pipe))).toThrow(expect.objectContaining(INVALID_TYPE));
  });
});

describe.each(ways())('what is not sent: %s', (_way, start) => {
  const longest = 65_535;

  test.each<[string, unknown]>([
    ['an empty string', ''],
    ['undefined', undefined],
    ['null', null],
    ['a number', 1],
    ['an object', { toString: () => 'key' }],
    ['an array', ['key']],
    ['a symbol', Symbol('key')],
    ['a String', Object('key')],
    ['half a surrogate pair', 'a\ud83d'],
    ['one byte too many', 'a'.repeat(longest + 1)],
    ['one byte too many in UTF-8', 'é'.repeat(longest / 2 + 1)],
  ])('%s for a key', async (_, given) => {
    const { client: connect } = await start();
    const client = connect();
    const key = untyped(given);
    const calls = [
      client.get(key),
      client.set(key, 1, 1000),
      client.del(key),
      client.mget(['a', key]),
      client.incr(key),
      client.cas(key, undefined, 1, 1000),
      client.getOrSet(key, () => 1, 1000),
      client.lease(key, 'worker', 1000),
      client.acquire(key, 'worker', { ttl: 1000 }),
      client.mset([[key, 1]], 1000),
    ];
    for (const call of calls) expect(await rejection(call)).toMatchObject(INVALID_KEY);
    expect(await client.stats()).toMatchObject({ items: 0, leases: 0 });
  });

  test.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ['a function', () => () => 1],
    ['a symbol', () => Symbol('value')],
    ['a BigInt', () => 5n],
    ['a BigInt within', () => ({ a: [5n] })],
    [
      'a circle',
      () => {
        const circle: Record<string, unknown> = {};
        circle['self'] = circle;
        return circle;
      },
    ],
    [
      'an object whose toJSON throws',
      () => ({
        toJSON() {
          throw new Error('no JSON');
        },
      }),
    ],
    [
      'an object with a getter that throws',
      () => ({
        get a() {
          throw new Error('the getter');
        },
      }),
    ],
    ['an object that JSON makes nothing of', () => ({ toJSON: () => undefined })],
  ])('%s for a value', async (_, make) => {
    const client = (await start()).client();
    for (const call of [
      client.set('key', make(), 1000),
      client.mset({ other: 1, key: make() }, 1000),
      client.cas('key', undefined, make(), 1000),
    ])
      expect(await rejection(call)).toMatchObject(INVALID_VALUE);
    expect(await rejection(client.getOrSet('computed', make, 1000))).toMatchObject(INVALID_VALUE);
    expect(await client.list()).toEqual([]);
  });

  test.each<[unknown, object]>([
    ['5000', INVALID_TYPE],
    [null, INVALID_TYPE],
    [true, INVALID_TYPE],
    [new Date(5000), INVALID_TYPE],
    [-1, INVALID_TTL],
    [Number.NaN, INVALID_TTL],
    [Infinity, INVALID_TTL],
  ])('%p for a ttl', async (given, error) => {
    const client = (await start()).client();
    const ttl = untyped(given);
    for (const call of [
      client.set('key', 1, ttl),
      client.mset({ key: 1 }, ttl),
      client.incr('key', 1, ttl),
      client.cas('key', undefined, 1, ttl),
      client.lease('key', 'worker', { ttl }),
      client.acquire('key', 'worker', { ttl }),
    ])
      expect(await rejection(call)).toMatchObject(error);
    expect(await client.stats()).toMatchObject({ items: 0, leases: 0 });
  });

  test.each(['', 5, null, undefined, {}])('%p for a worker', async (given) => {
    const client = (await start()).client();
    const worker = untyped(given);
    for (const call of [
      client.lease('key', worker, 1000),
      client.release(worker),
      client.renew(worker, 1000),
      client.acquire('key', worker, { ttl: 1000 }),
    ])
      expect(await rejection(call)).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
    expect(await client.stats()).toMatchObject({ leases: 0 });
  });

  test.each<[object | null, object]>([
    [null, INVALID_TYPE],
    [untyped(5), INVALID_TYPE],
    [{ signal: 'stop' }, INVALID_TYPE],
    [{ signal: null }, INVALID_TYPE],
    [{ timeout: '5' }, INVALID_TYPE],
    [{ timeout: -1 }, OUT_OF_RANGE],
    [{ timeout: Number.NaN }, OUT_OF_RANGE],
  ])('a request with %j for its options', async (given, error) => {
    const client = (await start()).client();
    const options = untyped(given);
    for (const call of [
      client.get('key', options),
      client.set('key', 1, 1000, options),
      client.del('key', options),
      client.list(options),
      client.ping(options),
      client.stats(options),
      client.health(options),
      client.entries(options),
      client.release('worker', options),
      client.mget(['key'], options),
    ])
      expect(await rejection(call)).toMatchObject(error);
    expect(await client.list()).toEqual([]);
  });

  test('a request whose signal is aborted already', async () => {
    const client = (await start()).client();
    const reason = new Error('no more');
    const signal = AbortSignal.abort(reason);
    const calls = [
      client.get('key', { signal }),
      client.set('key', 1, 1000, { signal }),
      client.ping({ signal }),
      client.incr('key', 1, 1000, { signal }),
      client.lease('key', 'worker', { ttl: 1000, signal }),
    ];
    for (const call of calls) expect(await rejection(call)).toBe(reason);
    expect((await rejection(client.get('key', { signal: AbortSignal.abort() }))).name).toBe('AbortError');
    expect(await client.stats()).toMatchObject({ items: 0, leases: 0 });
  });
});

describe.each(ways())('signals and times: %s', (_way, start) => {
  test('an abort ends a wait, and the next in line is served', async () => {
    const client = (await start()).client();
    await client.lease('pool', 'a', { ttl: 60_000, max: 1 });
    const controller = new AbortController();
    const waiting = client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true, signal: controller.signal });
    const next = client.lease('pool', 'c', { ttl: 60_000, max: 1, wait: true });
    await client.ping(); // the broker has both
    const reason = new Error('not any more');
    controller.abort(reason);
    expect(await rejection(waiting)).toBe(reason);
    await client.release('a');
    expect(await next).toBe(0);
    expect(listeners(controller.signal)).toBe(0);
  });

  test('a signal has no listener of a request that was answered', async () => {
    const client = (await start()).client();
    const { signal } = new AbortController();
    await client.set('key', 1, 60_000, { signal });
    await client.get('key', { signal });
    await rejection(client.get('missing', { signal }));
    await client.lease('pool', 'a', { ttl: 1000, signal });
    expect(listeners(signal)).toBe(0);
  });

  test('the timeout of a request counts before that of the client', async () => {
    const client = (await start()).client({ timeout: 60_000 });
    const gate = deferred<string>();
    const computed = client.getOrSet('key', () => gate.promise, 60_000);
    await client.ping();
    const impatient = client.getOrSet('key', () => 'other', { ttl: 60_000, timeout: 20 });
    expect(await rejection(impatient)).toMatchObject({ message: 'Request timeout', code: 'ETIMEDOUT' });
    gate.resolve('computed');
    expect(await computed).toBe('computed');
    expect(await client.get('key')).toBe('computed');
  });

  test('the time that a lease may wait is not part of the timeout', async () => {
    const client = (await start()).client();
    await client.lease('pool', 'a', { ttl: 60, max: 1 });
    expect(await client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true, timeout: 20 })).toBe(0);
  });

  test('no time at all is used up before the first attempt', async () => {
    const client = (await start()).client({ timeout: 0 });
    const error = await rejection(client.ping());
    expect(error).toMatchObject({ code: 'ETIMEOUT' });
    expect(error.message).toMatch(/^Request timeout after \d+ms \(0 attempts\)\. Last error: unknown$/);
  });

  test('a client that is closed refuses requests, and those it had not answered', async () => {
    const client = (await start()).client();
    await client.lease('pool', 'a', { ttl: 60_000, max: 1 });
    const waiting = client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true });
    await client.ping();
    const ended = rejection(waiting);
    await client.close();
    const closed = { code: 'ERR_BROKER_CLOSED' };
    expect(await ended).toMatchObject(closed);
    expect(await rejection(client.ping())).toMatchObject(closed);
    expect(await rejection(client.get('key'))).toMatchObject(closed);
    await client.close();
    await client[Symbol.asyncDispose]();
  });
});

describe('what keeps a process alive', () => {
  const host = hostOfAll();

  test('a client that has been answered does not, nor one that was only made', async () => {
    const code = `
      const { Client } = require('@noizylab/core/broker');
      new Client(process.env.PIPE);
      const client = new Client(process.env.PIPE);
      await client.set('key', 'value', 60_000);
      tell(await client.get('key'));
      tell(await client.get('missing').catch(({ message }) => message));
    `;
    expect(await toldBy(code, { env: { PIPE: await host.start() } })).toEqual(['value', 'not_found']);
  });

  test('one that waits for an answer, or for the next attempt, does', async () => {
    const pipeId = newId();
    const pipe = makePipePath(pipeId);
    const code = `
      const { Client } = require('@noizylab/core/broker');
      const client = new Client(process.env.PIPE, { timeout: 30_000 });
      tell('ready');
      tell(await client.lease('pool', 'a', { ttl: 60_000, max: 1 }));
      tell(await client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true }));
    `;
    const child = startChild(code, { env: { PIPE: pipe } });
    await child.firstTold;
    await host.start({ pipeId });
    const client = clientOf(pipe);
    await eventually(async () => (await client.stats()).leases === 1);
    await client.release('a');
    expect(await child.ended).toMatchObject({ code: 0, told: ['ready', 0, 0], stderr: '' });
  });

  test('one that was closed in the middle of a request does not', async () => {
    const code = `
      const { Client } = require('@noizylab/core/broker');
      const client = new Client(process.env.PIPE);
      await client.lease('pool', 'a', { ttl: 60_000, max: 1 });
      const waiting = client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true, timeout: 1e6 });
      await client.ping();
      await Promise.all([client.close(), waiting.catch(({ code }) => tell(code.startsWith('ERR_BROKER_')))]);
    `;
    expect(await toldBy(code, { env: { PIPE: await host.start() } })).toEqual([true]);
  });

  test('a broker that was told so does not, until it is told otherwise', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      const broker = new Broker({ logLevel: 'error' });
      await broker.start();
      broker.ref().unref();
      process.once('beforeExit', () => {
        tell('about to end');
        broker.ref();
        setTimeout(() => tell('still there').then(() => broker.unref()), 20).unref();
      });
    `;
    expect(await toldBy(code)).toEqual(['about to end', 'still there']);
  });

  test('a broker that runs does; one that was stopped does not', async () => {
    const code = `
      const { Broker, Client } = require('@noizylab/core/broker');
      const broker = new Broker({ logLevel: 'error' });
      const client = new Client(await broker.start());
      await client.set('key', 1, 60_000);
      setTimeout(() => {
        tell('still there');
        broker.stop();
      }, 50).unref();
    `;
    expect(await toldBy(code)).toEqual(['still there']);
  });
});

test('a broker of this process and its client share nothing but bytes', async () => {
  const client = clientOf((await startBroker()).pipe);
  const value = { list: [1] };
  await client.set('key', value, 60_000);
  value.list.push(2);
  const [one, two] = await Promise.all([client.get('key'), client.get('key')]);
  expect(one).toEqual({ list: [1] });
  expect(one).not.toBe(two);
});
