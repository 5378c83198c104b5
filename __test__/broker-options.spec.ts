/** `Broker`: its options and where they come from, its life from start to stop, and what it logs. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { inspect } from 'node:util';
import { basename, join } from 'node:path';
import { Broker, type BrokerOptions, checkReadiness, cleanupPipe, makePipePath } from '../dist/broker';
import { untyped } from './fixtures/parallel';
import {
  Host,
  Lines,
  SECRET,
  clientOf,
  eventually,
  hostOfAll,
  makeBroker,
  newId,
  onPosix,
  startBroker,
} from './lib/broker';
import { rejection } from './lib/processors';

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_BROKER_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_BROKER_OUT_OF_RANGE' };

const DEFAULTS = {
  debug: false,
  requireTTL: true,
  defaultTTL: 1_800_000,
  maxItems: 10_000,
  maxRequestSize: 1_048_576,
  maxValueSize: 262_144,
  secret: null,
  compression: true,
  compressionThreshold: 1024,
  sweeperInterval: 30_000,
  idleTimeout: null,
  heartbeatInterval: null,
  logLevel: 'info',
  structuredLogging: false,
  metrics: true,
  refreshTTLOnGet: false,
  maxConnections: 4096,
  maxLeases: 100_000,
  busyPoll: 50,
  requestTimeout: 30_000,
  handleSignals: true,
};

/** Each option with an environment variable: its text, and what it then is. */
const ENVIRONMENT: [
  option: keyof BrokerOptions,
  name: string,
  text: string,
  value: unknown,
  other: unknown,
][] = [
  ['defaultTTL', 'BROKER_DEFAULT_TTL', '5000', 5000, 6000],
  ['debug', 'BROKER_DEBUG', 'true', true, false],
  ['maxRequestSize', 'BROKER_MAX_REQUEST_SIZE', '4096', 4096, 8192],
  ['maxValueSize', 'BROKER_MAX_VALUE_SIZE', '2048', 2048, 1024],
  ['maxItems', 'BROKER_MAX_ITEMS', '0', 0, 5],
  ['secret', 'BROKER_SECRET', 'of the environment', 'of the environment', 'given'],
  ['secret', 'EPHEMERAL_SECRET', 'of both ends', 'of both ends', 'given'],
  ['requireTTL', 'BROKER_REQUIRE_TTL', 'false', false, true],
  ['requireTTL', 'BROKER_REQUIRE_TTL', '0', false, true],
  ['refreshTTLOnGet', 'BROKER_REFRESH_TTL_ON_GET', '1', true, false],
  ['idleTimeout', 'BROKER_IDLE_TIMEOUT', '60000', 60_000, 1000],
  ['idleTimeout', 'BROKER_IDLE_TIMEOUT', '0', null, 1000],
  ['heartbeatInterval', 'BROKER_HEARTBEAT_INTERVAL', '10000', 10_000, 1000],
  ['logLevel', 'BROKER_LOG_LEVEL', 'warn', 'warn', 'error'],
  ['structuredLogging', 'BROKER_STRUCTURED_LOGGING', 'true', true, false],
  ['compression', 'BROKER_COMPRESSION', 'false', false, true],
  ['compressionThreshold', 'BROKER_COMPRESSION_THRESHOLD', '99', 99, 100],
  ['sweeperInterval', 'BROKER_SWEEPER_INTERVAL', '50', 50, 60],
];

const NAMES = new Set(ENVIRONMENT.map(([, name]) => name));

beforeEach(() => {
  for (const name of NAMES) delete process.env[name];
});
afterAll(() => {
  for (const name of NAMES) delete process.env[name];
});

describe('options', () => {
  test('have the defaults of the document', () => {
    expect(new Broker().options).toMatchObject(DEFAULTS);
    expect(new Broker(undefined).options).toMatchObject(DEFAULTS);
    expect(new Broker({}).options).toMatchObject(DEFAULTS);
  });

  test('are what was given', () => {
    const given: BrokerOptions = {
      debug: true,
      requireTTL: false,
      defaultTTL: 1,
      maxItems: 0,
      maxRequestSize: 5000,
      maxValueSize: 600,
      secret: 'x',
      compression: false,
      compressionThreshold: 0,
      sweeperInterval: 10,
      idleTimeout: 20_000,
      heartbeatInterval: 30_000,
      logLevel: 'error',
      structuredLogging: true,
      metrics: false,
      refreshTTLOnGet: true,
      maxConnections: 5,
      maxLeases: 6,
      busyPoll: 0,
      requestTimeout: 700,
      handleSignals: false,
    };
    const before = { ...given };
    expect(new Broker(Object.freeze(given)).options).toMatchObject(before);
  });

  test('that are undefined are the default', () => {
    const none = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, undefined]));
    expect(new Broker(untyped(none)).options).toMatchObject(DEFAULTS);
  });

  test('null and an empty secret are none', async () => {
    expect(new Broker({ secret: null, idleTimeout: null, heartbeatInterval: null }).options).toMatchObject({
      secret: null,
      idleTimeout: null,
      heartbeatInterval: null,
    });
    const broker = await startBroker({ secret: '' });
    expect(await clientOf(broker.pipe, { secret: null }).set('key', 1, 1000)).toBe(true);
  });

  test('debug logs everything, unless there is a level', () => {
    expect(new Broker({ debug: true }).options.logLevel).toBe('debug');
    expect(new Broker({ debug: true, logLevel: 'warn' }).options.logLevel).toBe('warn');
    expect(new Broker({ debug: false }).options.logLevel).toBe('info');
  });

  test.each([
    ...[
      'requireTTL',
      'debug',
      'compression',
      'structuredLogging',
      'metrics',
      'refreshTTLOnGet',
      'handleSignals',
    ].flatMap((name): [string, unknown, object][] => [
      [name, 'true', INVALID_TYPE],
      [name, 1, INVALID_TYPE],
      [name, null, INVALID_TYPE],
    ]),
    ...[
      'defaultTTL',
      'maxItems',
      'maxRequestSize',
      'maxValueSize',
      'compressionThreshold',
      'sweeperInterval',
      'idleTimeout',
      'heartbeatInterval',
      'maxConnections',
      'maxLeases',
      'busyPoll',
      'requestTimeout',
    ].flatMap((name): [string, unknown, object][] => [
      [name, '5000', INVALID_TYPE],
      [name, '', INVALID_TYPE],
      [name, true, INVALID_TYPE],
      [name, {}, INVALID_TYPE],
      [name, 5n, INVALID_TYPE],
      [name, -1, OUT_OF_RANGE],
      [name, Number.NaN, OUT_OF_RANGE],
      [name, -Infinity, OUT_OF_RANGE],
    ]),
    ['maxItems', 1.5, OUT_OF_RANGE],
    ['maxRequestSize', 0, OUT_OF_RANGE],
    ['maxRequestSize', Number.MAX_SAFE_INTEGER, OUT_OF_RANGE],
    ['maxConnections', 0, OUT_OF_RANGE],
    ['defaultTTL', 0, OUT_OF_RANGE],
    ['logLevel', 'verbose', OUT_OF_RANGE],
    ['logLevel', 'constructor', OUT_OF_RANGE],
    ['logLevel', 5, INVALID_TYPE],
    ['secret', 5, INVALID_TYPE],
    ['secret', Buffer.from('x'), INVALID_TYPE],
    ['pipeId', 5, INVALID_TYPE],
  ])('%s must not be %p', (name, value, error) => {
    const make = () => new Broker(untyped({ [name]: value }));
    expect(make).toThrow(expect.objectContaining({ ...error, message: expect.stringContaining(name) }));
  });

  test.each([null, 5, 'id', true, []])('must not be %p', (value) => {
    expect(() => new Broker(untyped(value))).toThrow(expect.objectContaining(INVALID_TYPE));
  });

  test('the secret is not among what is printed of them', () => {
    const broker = new Broker({ secret: 'do not print' });
    expect(broker.options.secret).toBe('do not print');
    expect(JSON.stringify(broker.options) + inspect(broker, { depth: 5 })).not.toContain('do not print');
    const make = () => new Broker(untyped({ secret: ['do not print'] }));
    expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining('do not print') }));
  });

  test('an option whose getter throws throws that', () => {
    const options = {
      get maxItems(): never {
        throw new Error('the getter');
      },
    };
    expect(() => new Broker(options)).toThrow('the getter');
  });
});

describe('the environment', () => {
  test.each(ENVIRONMENT)('sets %s by %s=%s to %p', (option, name, text, value, other) => {
    process.env[name] = text;
    expect(new Broker().options[option as 'debug']).toBe(value);
    expect(new Broker({ [option]: undefined }).options[option as 'debug']).toBe(value);
    expect(new Broker({ [option]: other }).options[option as 'debug']).toBe(other);
  });

  test('BROKER_SECRET counts before EPHEMERAL_SECRET', () => {
    process.env['EPHEMERAL_SECRET'] = 'of both';
    process.env['BROKER_SECRET'] = 'its own';
    expect(new Broker().options.secret).toBe('its own');
  });

  test('BROKER_DEBUG logs everything', () => {
    process.env['BROKER_DEBUG'] = '1';
    expect(new Broker().options.logLevel).toBe('debug');
  });

  test.each([
    ['BROKER_MAX_ITEMS', 'many'],
    ['BROKER_MAX_ITEMS', '5 items'],
    ['BROKER_MAX_ITEMS', '-1'],
    ['BROKER_MAX_ITEMS', '1.5'],
    ['BROKER_DEFAULT_TTL', 'NaN'],
    ['BROKER_REQUIRE_TTL', 'nope'],
    ['BROKER_COMPRESSION', '2'],
    ['BROKER_LOG_LEVEL', 'loud'],
  ])('%s=%s is refused', (name, text) => {
    process.env[name] = text;
    expect(() => new Broker()).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_BROKER_/),
        message: expect.stringContaining(name),
      }),
    );
  });
});

describe('the pipe', () => {
  const host = hostOfAll();
  const pathOf = (id: string): string =>
    process.platform === 'win32' ? `\\\\.\\pipe\\broker-${id}` : join(tmpdir(), `broker-${id}.sock`);

  test('has the name of pipeId, or one that nobody else has', () => {
    expect(new Broker({ pipeId: 'abc123' }).pipe).toBe(pathOf('abc123'));
    const random = new Broker().pipe;
    expect(random).toMatch(/broker-[\da-f]{12}(\.sock)?$/);
    expect(new Broker().pipe).not.toBe(random);
    expect(new Broker({ pipeId: undefined as never }).pipe).not.toBe(random);
    expect(makePipePath('abc123')).toBe(pathOf('abc123'));
    expect(makePipePath()).toMatch(/broker-[\da-f]{12}(\.sock)?$/);
    expect(makePipePath()).not.toBe(makePipePath());
  });

  test.each(['../evil', 'a/b', '/', '..', 'a\0b', 'a\\b', 'ü', ' '])('pipeId must not be %p', (pipeId) => {
    const refused = expect.objectContaining({ ...OUT_OF_RANGE, message: expect.stringContaining('pipeId') });
    expect(() => new Broker({ pipeId })).toThrow(refused);
    expect(() => makePipePath(pipeId)).toThrow(expect.objectContaining(OUT_OF_RANGE));
  });

  onPosix('of a Unix', () => {
    test('must be short enough for the system', () => {
      expect(() => new Broker({ pipeId: 'x'.repeat(100) })).toThrow(
        /^Pipe path too long \(\d+ >= 108 chars\)/,
      );
      expect(() => makePipePath('x'.repeat(100))).toThrow(/too long/);
    });

    test('cleanupPipe takes away what a dead broker has left, and does not mind that there is nothing', async () => {
      const dead = await new Host('ours').ready();
      const pipe = await dead.start();
      await dead.kill();
      expect(existsSync(pipe)).toBe(true);
      cleanupPipe(pipe);
      expect(existsSync(pipe)).toBe(false);
      cleanupPipe(pipe);
    });

    test('cleanupPipe leaves what another broker uses, and what is no file, and says so', async () => {
      const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
      const live = await host.start();
      for (const [i, path] of [live, tmpdir()].entries()) {
        cleanupPipe(path);
        expect(warn).toHaveBeenCalledTimes(i + 1);
        expect(warn).toHaveBeenLastCalledWith(expect.stringMatching(/^Failed to cleanup pipe: /));
        expect(existsSync(path)).toBe(true);
      }
      expect(await checkReadiness(live)).toBe(true);
      jest.restoreAllMocks();
    });
  });
});

describe('life', () => {
  const host = hostOfAll();

  test('start resolves to the pipe once clients are served', async () => {
    const broker = makeBroker();
    expect(broker.draining).toBe(false);
    expect(broker.child).toBeUndefined();
    const pipe = await broker.start();
    expect(pipe).toBe(broker.pipe);
    expect(process.env['EPHEMERAL_PIPE']).toBe(pipe);
    expect(await checkReadiness(pipe)).toBe(true);
    expect(await checkReadiness()).toBe(true);
  });

  test('a pipe has one broker', async () => {
    const pipeId = newId();
    const first = await startBroker({ pipeId });
    const taken = { message: 'Broker already running', code: 'ERR_BROKER_ALREADY_RUNNING' };
    expect(await rejection(first.start())).toMatchObject(taken);
    const second = makeBroker({ pipeId });
    expect(await rejection(second.start())).toMatchObject(taken);
    expect(await rejection(host.start({ pipeId }))).toMatchObject(taken);
    expect(await clientOf(first.pipe).set('key', 1, 60_000)).toBe(true);
  });

  test('of many that start at once on a pipe one wins', async () => {
    const pipeId = newId();
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => makeBroker({ pipeId }).start()));
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await checkReadiness(makePipePath(pipeId))).toBe(true);
  });

  test('stop forgets everything and ends every connection', async () => {
    const broker = await startBroker();
    const lines = await Lines.to(broker.pipe);
    const client = clientOf(broker.pipe);
    await client.set('key', 1, 60_000);
    await client.lease('pool', 'worker', 60_000);
    broker.stop();
    await lines.closed;
    expect(await rejection(client.get('key'))).toMatchObject({ code: 'ENOENT', syscall: 'connect' });
    expect(process.env['EPHEMERAL_PIPE']).toBeUndefined();
    expect(await checkReadiness(broker.pipe, 60)).toBe(false);
    await broker.start();
    expect(await clientOf(broker.pipe).stats()).toMatchObject({ items: 0, leases: 0 });
  });

  test('stop may come at any time, and again', async () => {
    const broker = makeBroker();
    broker.stop();
    const starting = broker.start();
    broker.stop();
    await starting.catch(() => {});
    broker.stop();
    await broker.start();
    broker.stop();
    broker.stop();
    expect(broker.running).toBe(false);
    if (process.platform !== 'win32') expect(existsSync(broker.pipe)).toBe(false);
  });

  test('drain lets what is open be served and refuses what is new', async () => {
    const broker = await startBroker();
    const lines = await Lines.to(broker.pipe);
    await lines.ask({ action: 'ping' });
    await broker.drain();
    expect(broker.draining).toBe(true);
    await broker.drain(1);
    expect(await lines.ask({ action: 'health' })).toMatchObject({
      ok: true,
      connections: { draining: true },
    });
    const late = await Lines.to(broker.pipe);
    expect(await late.next()).toEqual({ ok: false, error: 'draining' });
    const remote = host.run(({ Client }, pipe) => new Client(pipe).ping(), broker.pipe);
    expect(await rejection(remote)).toMatchObject({ message: 'draining', code: 'ERR_BROKER_DRAINING' });
  });

  test.each([-1, Number.NaN, '5', null, {}])('drain refuses %p for a time', async (timeout) => {
    const broker = await startBroker();
    const error = await rejection((async () => broker.drain(untyped(timeout)))());
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_(INVALID_TYPE|OUT_OF_RANGE)$/) });
    expect(broker.draining).toBe(false);
  });

  test('drain of a broker that is not started resolves', async () => {
    const broker = makeBroker();
    await broker.drain(10);
    expect(broker.draining).toBe(false);
  });

  test('sweepExpired takes away what has expired', async () => {
    const broker = await startBroker({ sweeperInterval: 600_000 });
    const client = clientOf(broker.pipe);
    await client.lease('pool', 'worker', 2);
    await client.set('key', 1, 10);
    await eventually(async () => (await client.list()).length === 0);
    expect(broker.sweepExpired()).toEqual({ items: 1, leases: 1 });
    expect(broker.sweepExpired()).toEqual({ items: 0, leases: 0 });
    const text = await client.metrics({ format: 'prometheus' });
    expect(text).toContain('ephemeral_broker_expired_total{type="items"} 1\n');
    expect(text).toContain('ephemeral_broker_expired_total{type="leases"} 1\n');
  });

  test('the sweeper does it by itself: what it has taken away is not found', async () => {
    const client = clientOf((await startBroker({ sweeperInterval: 5 })).pipe);
    const keys = Array.from({ length: 2000 }, (_, i) => `key ${i}`);
    await client.mset(
      keys.map((key): [string, number] => [key, 1]),
      2,
    );
    await eventually(async () => (await client.list()).length === 0);
    await eventually(async () => (await rejection(client.get(keys.pop()!))).message === 'not_found');
    expect(keys.length).toBeGreaterThan(0);
  });

  test('its owner sees what it does, and after stop what it did', async () => {
    const before = Date.now();
    const broker = makeBroker();
    expect([broker.running, broker.startTime, broker.inFlightRequests]).toEqual([false, null, 0]);
    await broker.start();
    expect(broker.running).toBe(true);
    expect(broker.startTime).toBeGreaterThanOrEqual(before);
    for (const inProcess of [true, false]) {
      const client = clientOf(broker.pipe, { inProcess });
      await client.set('key', 'value', 60_000);
      await rejection(client.get('missing'));
    }
    expect(broker.lastActivity).toBeGreaterThanOrEqual(before - 1000);
    const counted = {
      requests: { get: 2, set: 2 },
      errors: { total: 2, not_found: 2 },
      operations: { get: { total: 2, errors: 2 }, set: { total: 2, errors: 0 } },
      compression: { compressed: 0, uncompressed: 2 },
      storage: { itemsExpired: 0, leasesExpired: 0 },
    };
    expect(broker.metrics).toMatchObject(counted);
    broker.stop();
    expect(broker.metrics).toMatchObject(counted);
    expect([broker.running, broker.startTime, broker.inFlightRequests]).toEqual([false, null, 0]);
  });

  test('a broker that does not look for requests before it sleeps answers too', async () => {
    const broker = await startBroker({ busyPoll: 0 });
    const client = clientOf(broker.pipe, { inProcess: false });
    for (let i = 0; i < 100; i++) expect(await client.incr('count', 1, 60_000)).toBe(i + 1);
  });

  test('await using stops it', async () => {
    const broker = makeBroker();
    await broker.start();
    await broker[Symbol.asyncDispose]();
    expect(await checkReadiness(broker.pipe, 60)).toBe(false);
  });

  test('checkReadiness: true where a broker answers, false where none does', async () => {
    expect(await checkReadiness(makePipePath(newId()), 60)).toBe(false);
    const broker = await startBroker({ maxItems: 1 });
    await clientOf(broker.pipe).set('key', 1, 60_000);
    expect(await checkReadiness(broker.pipe)).toBe(true); // full, but ready
    const secret = await startBroker({ secret: SECRET });
    process.env['EPHEMERAL_SECRET'] = SECRET;
    expect(await checkReadiness(secret.pipe)).toBe(true);
  });
});

describe('logs', () => {
  interface Logged {
    log: string[];
    warn: string[];
    error: string[];
  }

  /** What is written until the test ends. */
  function listen(): Logged {
    const logged: Logged = { log: [], warn: [], error: [] };
    for (const method of ['log', 'warn', 'error'] as const) {
      jest.spyOn(console, method).mockImplementation((...words) => void logged[method].push(words.join(' ')));
    }
    return logged;
  }

  afterEach(() => jest.restoreAllMocks());

  test('every line is written before stop() returns', async () => {
    const logged = listen();
    const broker = await startBroker({ logLevel: 'debug' });
    const client = clientOf(broker.pipe, { inProcess: true });
    await client.ping();
    const many = 2000;
    const sent = Array.from({ length: many }, (_, i) => client.del(`key${i}`));
    broker.stop();
    const requests = logged.log.filter((line) => line.includes('Processing request (action=del'));
    expect(requests).toHaveLength(many);
    expect(logged.log.at(-1)).toBe('[broker] Broker stopped and cleaned up');
    await Promise.allSettled(sent);
  });

  test('the life of a broker, at the level info', async () => {
    const logged = listen();
    const broker = await startBroker({ logLevel: 'info' });
    await clientOf(broker.pipe).set('key', 'value', 60_000);
    await broker.drain();
    broker.stop();
    expect(logged).toEqual({
      log: [
        `[broker] Broker started (pipe=${broker.pipe})`,
        '[broker] Draining connections (inFlight=0)',
        '[broker] Drain complete',
        '[broker] Broker stopped and cleaned up',
      ],
      warn: [],
      error: [],
    });
  });

  test('every request, at the level debug; never a value', async () => {
    const logged = listen();
    const broker = await startBroker({ debug: true, logLevel: undefined as never });
    const client = clientOf(broker.pipe);
    await client.set('the key', 'the secret value', 60_000);
    await client.lease('pool', 'worker', 5000);
    await client.release('worker');
    broker.setupSignalHandlers();
    broker.setupSignalHandlers();
    const lines = logged.log;
    const has = (pattern: RegExp) => lines.some((line) => pattern.test(line));
    await eventually(() => has(/^\[broker] Lease released \(workerId=worker\)$/));
    const said = lines.join('\n');
    expect(said).toMatch(/^\[broker] Processing request \(action=set correlationId=\d+-\d+\)$/m);
    expect(said).toMatch(/^\[broker] Key set \(key=the key ttl=60000 compressed=false\)$/m);
    expect(said).toMatch(/^\[broker] Lease granted \(key=pool value=0 workerId=worker ttl=5000\)$/m);
    expect(said).toContain('[broker] Signal handlers already configured, skipping setup');
    expect(said).not.toContain('the secret value');
    broker.stop();
  });

  test('as JSON with structuredLogging', async () => {
    const logged = listen();
    const broker = await startBroker({ logLevel: 'debug', structuredLogging: true });
    const client = clientOf(broker.pipe);
    await client.set('a "key"\n', 1, 60_000);
    await eventually(() => logged.log.some((line) => line.includes('Key set')));
    broker.stop();
    const entries = logged.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const entry of entries) {
      expect(entry).toMatchObject({
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: expect.stringMatching(/^(debug|info)$/),
        component: 'broker',
        message: expect.any(String),
      });
    }
    expect(entries).toContainEqual(
      expect.objectContaining({ level: 'info', message: 'Broker started', pipe: broker.pipe }),
    );
    expect(entries).toContainEqual(
      expect.objectContaining({ level: 'debug', message: 'Key set', key: 'a "key"\n', ttl: 60_000 }),
    );
    expect(entries.at(-1)).toMatchObject({ level: 'info', message: 'Broker stopped and cleaned up' });
  });

  test.each([['warn' as const], ['error' as const]])('nothing of it at the level %s', async (logLevel) => {
    const logged = listen();
    const broker = await startBroker({ logLevel });
    await clientOf(broker.pipe).set('key', 1, 60_000);
    await broker.drain();
    broker.stop();
    expect(logged).toEqual({ log: [], warn: [], error: [] });
  });

  test('the heartbeat tells of uptime, items, leases and memory', async () => {
    const logged = listen();
    const broker = await startBroker({ logLevel: 'info', heartbeatInterval: 5 });
    const client = clientOf(broker.pipe);
    await client.set('a', 1, 60_000);
    await client.set('b', 1, 60_000);
    await client.lease('pool', 'worker', 60_000);
    const beat = /^\[broker] Heartbeat: uptime=\d+ms, items=2, leases=1, memory=\d+(\.\d)?MB$/;
    await eventually(() => logged.log.some((line) => beat.test(line)));
    broker.stop();
    const count = logged.log.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(logged.log).toHaveLength(count);
  });

  test('a broker that is nearly full warns once, and again after it was not', async () => {
    const logged = listen();
    const client = clientOf((await startBroker({ logLevel: 'warn', maxItems: 10 })).pipe);
    const fill = async (count: number) => {
      for (let i = 0; i < count; i++) await client.set(`key ${i}`, i, 60_000);
      for (let i = count; i < 10; i++) await client.del(`key ${i}`);
      await client.health();
      await client.health();
    };
    const warning = '[broker] Broker approaching capacity (items=9 maxItems=10 utilization=0.9)';
    await fill(9);
    await eventually(() => logged.warn.length > 0);
    await fill(2);
    await fill(9);
    await eventually(() => logged.warn.length > 1);
    expect(logged.warn).toEqual([warning, warning]);
    expect(logged.log).toEqual([]);
  });

  onPosix('of a Unix', () => {
    test('a stale socket is told of at the level debug', async () => {
      const pipeId = newId();
      const dead = await new Host('ours').ready();
      await dead.start({ pipeId });
      await dead.kill();
      const logged = listen();
      const broker = await startBroker({ pipeId, logLevel: 'debug' });
      expect(logged.log).toContain(`[broker] Removing stale socket (pipe=${broker.pipe})`);
      expect(basename(broker.pipe)).toBe(`broker-${pipeId}.sock`);
      broker.stop();
    });
  });
});
