/**
 * Faults of the original that ours must not have, by the names of the list in which they were found: S of safety, C of correctness,
 * P of performance.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { type Server, type Socket, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { checkReadiness, makePipePath } from '../dist/broker';
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
  signed,
  startBroker,
} from './lib/broker';
import { ROOT, inChild, startNode } from './lib/child';
import { rejection } from './lib/processors';

const host = hostOfAll();
const failed = (error: string) => ({ ok: false, error });
const set = (key: unknown, value: unknown, ttl: unknown = 60_000) => ({ action: 'set', key, value, ttl });

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Listens where a broker would. */
async function serve(handle: (socket: Socket) => void): Promise<string> {
  const pipe = makePipePath(newId());
  const server = createServer((socket) => {
    socket.on('error', () => {});
    handle(socket);
  });
  servers.push(server.listen(pipe));
  await once(server, 'listening');
  return pipe;
}

/** A server of another process that is frozen and whose queue of connections is full: more are refused with EAGAIN. */
async function overcrowded(pipeId: string) {
  const busy = await new Host('original').ready();
  const pipe = makePipePath(pipeId);
  await busy.run(({ require, kept }, path) => {
    const { createServer: make } = require('node:net') as typeof import('node:net');
    const answer = '{"ok":false,"error":"unknown_action"}\n';
    const server = make((socket) => socket.on('error', () => {}).on('data', () => socket.write(answer)));
    kept['server'] = server;
    return new Promise<void>((resolve) => void server.listen({ path, backlog: 1 }, () => resolve()));
  }, pipe);
  await busy.freeze();
  const sockets: Socket[] = [];
  for (let full = false; !full;) {
    const socket = createConnection(pipe);
    sockets.push(socket);
    full = await Promise.race([
      once(socket, 'connect').then(() => false),
      once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code === 'EAGAIN'),
    ]).catch((error: NodeJS.ErrnoException) => error.code === 'EAGAIN');
  }
  return {
    busy,
    pipe,
    /** Lets it go on. */
    release() {
      for (const socket of sockets) socket.destroy();
      busy.thaw();
    },
  };
}

describe('safety', () => {
  test.each([[null], [SECRET]])('S1: a line of null does no harm (secret: %p)', async (secret) => {
    const pipe = await host.start({ secret });
    const lines = await Lines.to(pipe);
    expect(await lines.ask('null')).toEqual(failed(secret === null ? 'unknown_action' : 'auth_failed'));
    expect(await clientOf(pipe, { secret }).ping()).toBeGreaterThan(0);
  });

  test('S2: a value without a key is refused', async () => {
    const pipe = await host.start();
    const lines = await Lines.to(pipe);
    for (const request of [
      { action: 'set', value: 1, ttl: 5000 },
      set(null, 1),
      set({}, 1),
      set([], 1),
      set(true, 1),
    ])
      expect(await lines.ask(request)).toEqual(failed('invalid_key'));
    expect(await lines.ask({ action: 'stats' })).toMatchObject({ ok: true, stats: { items: 0 } });
  });

  test.each(['abc', '5000', true, {}, [], [5000]])('S3: a ttl of %j is refused', async (ttl) => {
    const lines = await Lines.to(await host.start({ requireTTL: false }));
    expect(await lines.ask(set('key', 1, ttl))).toEqual(failed('invalid_ttl'));
    expect(await lines.ask({ action: 'lease', key: 'pool', workerId: 'a', ttl })).toEqual(
      failed('invalid_ttl'),
    );
    expect(await lines.ask({ action: 'lease', key: 'pool', workerId: 'a', ttl: -1 })).toEqual(
      failed('invalid_ttl'),
    );
    expect(await lines.ask({ action: 'stats' })).toMatchObject({ stats: { items: 0, leases: 0 } });
  });

  test.each(['BROKER_SECRET', 'EPHEMERAL_SECRET'])(
    'S4: %s protects, though the option is given as undefined',
    async (name) => {
      const there = await new Host('ours', { env: { [name]: SECRET } }).ready();
      const pipe = await there.start({ secret: undefined as never });
      expect(await (await Lines.to(pipe)).ask({ action: 'ping' })).toEqual(failed('auth_failed'));
      expect(await clientOf(pipe, { secret: SECRET }).ping()).toBeGreaterThan(0);
      if (name === 'EPHEMERAL_SECRET') {
        const ping = there.run(
          ({ Client: Made }, path) => new Made(path, { secret: undefined }).ping(),
          pipe,
        );
        expect(await ping).toBeGreaterThan(0);
      }
    },
  );

  test('S5: numbers of the command line are what they say', async () => {
    const pipeId = newId();
    const pipe = makePipePath(pipeId);
    const flags = ['--max-items', '2', '--max-value-size', '10', '--ttl', '5000'];
    const child = startNode([
      join(ROOT, 'dist/cli/main.js'),
      'broker',
      'start',
      '--pipe-id',
      pipeId,
      ...flags,
    ]);
    const client = clientOf(pipe, { compression: false, timeout: 20_000 });
    while (!(await checkReadiness(pipe))) expect(child.process.exitCode).toBeNull();
    await client.mset({ a: 1, b: 1 }, 60_000);
    expect(await rejection(client.set('c', 1, 60_000))).toMatchObject({ message: 'max_items' });
    expect(await rejection(client.set('a', 'x'.repeat(11), 60_000))).toMatchObject({ message: 'too_large' });
    await client.lease('pool', 'worker');
    child.process.kill();
    await child.ended;
  });

  test('S6: what was recorded of a connection does nothing a second time', async () => {
    const pipe = await host.start({ secret: SECRET });
    const recorded: Buffer[] = [];
    const proxy = await serve((socket) => {
      const through = createConnection(pipe).on('error', () => {});
      socket
        .on('data', (bytes) => recorded.push(bytes))
        .pipe(through)
        .pipe(socket);
    });
    const client = clientOf(proxy, { secret: SECRET });
    expect(await client.incr('count', 1, 60_000)).toBe(1);
    await client.close();
    for (const bytes of [Buffer.concat(recorded), Buffer.concat(recorded.slice(1))]) {
      const again = createConnection(pipe).on('error', () => {});
      again.end(bytes);
      await once(again.resume(), 'close');
    }
    expect(await clientOf(pipe, { secret: SECRET }).get('count')).toBe(1);
  });

  test('S6: an answer that was changed on its way is not believed', async () => {
    const pipe = await host.start({ secret: SECRET });
    await clientOf(pipe, { secret: SECRET }).set('key', 'value', 60_000);
    let answers = 0;
    const proxy = await serve((socket) => {
      const through = createConnection(pipe).on('error', () => {});
      socket.pipe(through);
      through.on('data', (bytes) => {
        if (++answers > 1) bytes[bytes.length - 1]! ^= 1; // of the value
        socket.write(bytes);
      });
    });
    const error = await rejection(clientOf(proxy, { secret: SECRET, timeout: 1000 }).get('key'));
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
  });

  test('S6: who answers must know the secret', async () => {
    const pipe = await serve((socket) => {
      const nonce = 'ab'.repeat(32);
      const limits = { maxRequestSize: 1e6, maxValueSize: 1e5, requireTTL: true };
      const welcome = JSON.stringify({ ok: true, protocol: 1, nonce, secure: true, ...limits });
      socket.once('data', () => {
        socket.write(`${welcome}\n`);
        socket.on('data', () => socket.write(Buffer.alloc(64))); // a record, not signed
      });
    });
    const error = await rejection(clientOf(pipe, { secret: SECRET, timeout: 1000 }).get('key'));
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
  });

  test('S6: a client that insists on it takes no broker that does not prove that it knows the secret', async () => {
    const original = await new Host('original').ready();
    const pipes = [await host.start(), await original.start({ secret: SECRET }), await original.start()];
    for (const pipe of pipes) {
      const client = clientOf(pipe, { secret: SECRET, requireAuthentication: true });
      expect(await rejection(client.set('key', 1, 1000))).toMatchObject({
        code: expect.stringMatching(/^ERR_BROKER_/),
      });
    }
    const right = await host.start({ secret: SECRET });
    const client = clientOf(right, { secret: SECRET, requireAuthentication: true });
    expect(await client.set('key', 1, 1000)).toBe(true);
  });

  test('S6: a child that the broker starts gets the secret as that of both ends, and not as BROKER_SECRET', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      const broker = new Broker({ logLevel: 'error' });
      await broker.start();
      const child = \`
        const { Client } = require('@noizylab/core/broker');
        const { BROKER_SECRET, EPHEMERAL_SECRET } = process.env;
        new Client().ping().then(() => console.log(JSON.stringify([BROKER_SECRET ?? null, EPHEMERAL_SECRET])));
      \`;
      broker.spawn(process.execPath, ['-e', child]);
    `;
    const end = await inChild(code, { env: { BROKER_SECRET: SECRET } });
    expect(end).toMatchObject({ code: 0, stdout: `${JSON.stringify([null, SECRET])}\n` });
  });

  test('S6: a signature has 64 digits and nothing after them', async () => {
    const lines = await Lines.to(await host.start({ secret: SECRET }));
    const { hmac } = signed(SECRET, { action: 'ping' }) as { hmac: string };
    for (const tail of ['zz', ' ', '\u0000', '0'])
      expect(await lines.ask({ action: 'ping', hmac: hmac + tail })).toEqual(failed('auth_failed'));
    expect(await lines.ask({ action: 'ping', hmac })).toMatchObject({ ok: true });
  });

  onPosix('of a Unix', () => {
    test('S7: who has lost the pipe to another does not take its socket away', async () => {
      const pipeId = newId();
      const winner = await host.start({ pipeId });
      const loser = makeBroker({ pipeId });
      await rejection(loser.start());
      loser.stop();
      makeBroker({ pipeId }).stop();
      expect(await clientOf(winner).ping()).toBeGreaterThan(0);
    });

    test('S7: a broker whose socket another one has replaced leaves that in place', async () => {
      const pipeId = newId();
      const first = await startBroker({ pipeId });
      rmSync(first.pipe);
      const second = await host.start({ pipeId });
      first.stop();
      expect(existsSync(second)).toBe(true);
      expect(await clientOf(second).ping()).toBeGreaterThan(0);
    });

    test('S7: the socket of a broker that is frozen is not taken', async () => {
      const pipeId = newId();
      const frozen = await new Host('ours').ready();
      const pipe = await frozen.start({ pipeId });
      await frozen.freeze();
      expect((await rejection(makeBroker({ pipeId }).start())).message).toBe('Broker already running');
      frozen.thaw();
      expect(await clientOf(pipe).ping()).toBeGreaterThan(0);
    });

    test('S7: what is no socket stays where it is', async () => {
      const file = makeBroker();
      writeFileSync(file.pipe, 'mine');
      expect(await rejection(file.start())).toMatchObject({ code: 'ERR_BROKER_NOT_A_SOCKET' });
      file.stop();
      expect(readFileSync(file.pipe, 'utf8')).toBe('mine');
      rmSync(file.pipe);

      const folder = makeBroker();
      mkdirSync(folder.pipe);
      expect(await rejection(folder.start())).toMatchObject({ code: 'ERR_BROKER_NOT_A_SOCKET' });
      folder.stop();
      expect(statSync(folder.pipe).isDirectory()).toBe(true);
      rmSync(folder.pipe, { recursive: true });
    });

    test('S7, S11: a link at the path is not followed', async () => {
      const broker = makeBroker();
      const target = `${broker.pipe}.target`;
      writeFileSync(target, 'mine');
      symlinkSync(target, broker.pipe);
      await broker.start().catch(() => {});
      expect(readFileSync(target, 'utf8')).toBe('mine');
      expect(lstatSync(target).isFile()).toBe(true);
      broker.stop();
      rmSync(broker.pipe, { force: true });
      rmSync(target);
    });

    test('S7: of many processes that start where a stale socket lies one wins', async () => {
      const pipeId = newId();
      const hosts = await Promise.all(Array.from({ length: 5 }, () => new Host('ours').ready()));
      await hosts[0]!.start({ pipeId });
      await hosts[0]!.kill();
      const starts = await Promise.allSettled(hosts.slice(1).map((one) => one.start({ pipeId })));
      const errors = starts.flatMap((end) =>
        end.status === 'rejected' ? [(end.reason as Error).message] : [],
      );
      expect(errors).toEqual(Array.from({ length: 3 }, () => 'Broker already running'));
      expect(await clientOf(makePipePath(pipeId)).ping()).toBeGreaterThan(0);
    });

    test('S11: a folder in which anybody may replace the socket is not used', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'noizylab-'));
      chmodSync(folder, 0o777);
      const there = await new Host('ours', { env: { TMPDIR: folder } }).ready();
      expect(await rejection(there.start())).toMatchObject({ code: 'ERR_BROKER_UNSAFE_DIRECTORY' });
      chmodSync(folder, 0o1777); // as /tmp is
      expect(await there.start()).toContain(folder);
      await there.stopBrokers();
      expect(readdirSync(folder)).toEqual([]);
      rmSync(folder, { recursive: true });
    });

    test('S11: from the moment that it is there the socket is of the user alone', async () => {
      const there = await new Host('ours').ready();
      await there.run(() => void process.umask(0));
      for (let i = 0; i < 10; i++) {
        const pipeId = newId();
        const pipe = makePipePath(pipeId);
        const started = there.start({ pipeId });
        await eventually(() => {
          const found = lstatSync(pipe, { throwIfNoEntry: false });
          if (found !== undefined) expect(found.mode & 0o777).toBe(0o700);
          return found !== undefined;
        });
        await started;
        expect(lstatSync(pipe).mode & 0o777).toBe(0o700);
      }
    });
  });

  test('S7: an id cannot lead out of the folder', () => {
    for (const pipeId of ['../evil', 'a/../../b', '/etc/x'])
      expect(() => makeBroker({ pipeId })).toThrow(
        expect.objectContaining({ code: 'ERR_BROKER_OUT_OF_RANGE' }),
      );
  });

  test('S8: a broker takes as many connections as it is told', async () => {
    const pipe = await host.start({ maxConnections: 3 });
    const open = await Promise.all([1, 2, 3].map(() => Lines.to(pipe)));
    for (const lines of open) await lines.ask({ action: 'ping' });
    const refused = await Lines.to(pipe);
    expect(await refused.next()).toEqual(failed('too_many_connections'));
    await refused.closed;
    for (const lines of open) expect(await lines.ask({ action: 'ping' })).toMatchObject({ ok: true });
    open[0]!.socket.destroy();
    await eventually(async () => {
      const next = await Lines.to(pipe);
      const answer = await next.ask({ action: 'ping' });
      next.socket.destroy();
      return answer['ok'] === true;
    });
  });

  test('S8: who begins a request and does not end it is disconnected, who is idle is not', async () => {
    const pipe = await host.start({ requestTimeout: 20 });
    const idle = await Lines.to(pipe);
    await idle.ask({ action: 'ping' });
    const half = await Lines.to(pipe);
    half.socket.write('{"action":');
    expect(await half.next()).toEqual(failed('request_timeout'));
    await half.closed;
    expect(await idle.ask({ action: 'ping' })).toMatchObject({ ok: true });
  });

  test('S9: a server that answers without end is given up', async () => {
    let sent = 0;
    const pipe = await serve((socket) => {
      const more = (): void => {
        if (socket.destroyed) return;
        sent += 1 << 20;
        socket.write(Buffer.alloc(1 << 20, 'x'), more);
      };
      socket.once('data', more);
    });
    const client = clientOf(pipe, { timeout: 600_000, maxResponseSize: 1 << 24 });
    expect(await rejection(client.get('key'))).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
    expect(sent).toBeLessThan(1 << 28);
  });

  test('S9, S10: what unpacks to far more than it is, is taken by neither end', async () => {
    const bomb = gzipSync(Buffer.alloc(64 << 20, '0')); // nearly 64 KB
    const packed = bomb.toString('base64');
    const lines = await Lines.to(await host.start({ maxValueSize: 1 << 20, maxRequestSize: 4 << 20 }));
    const compressed = { compressed: true, beforeSize: 5, afterSize: packed.length };
    expect(await lines.ask({ ...set('key', packed), ...compressed })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/^(too_large|invalid_value)$/),
    });
    const pipe = await serve((socket) => {
      socket.on('data', (bytes) => {
        if (String(bytes).includes('hello')) socket.write('{"ok":false,"error":"unknown_action"}\n');
        else socket.write(`${JSON.stringify({ ok: true, value: packed, compressed: true })}\n`);
      });
    });
    const error = await rejection(clientOf(pipe, { maxResponseSize: 1 << 20 }).get('key'));
    expect(error.message).toMatch(/^Failed to decompress value for key "key": /);
  });

  test('S10: what does not unpack is refused, so that nobody reads it', async () => {
    const pipe = await host.start();
    const lines = await Lines.to(pipe);
    const good = gzipSync('{"a":1}').toString('base64');
    for (const value of ['poison', '', 5, null, good.slice(0, 20), gzipSync('no JSON').toString('base64')]) {
      const request = { ...set('key', value), compressed: true, beforeSize: 7, afterSize: 30 };
      expect([value, await lines.ask(request)]).toEqual([value, failed('invalid_value')]);
    }
    await lines.ask({ ...set('key', good), compressed: true, beforeSize: 7, afterSize: good.length });
    expect(await clientOf(pipe).get('key')).toEqual({ a: 1 });
  });

  test('S10: sizes that a client claims do not get into the metrics as they are', async () => {
    const pipe = await host.start();
    const lines = await Lines.to(pipe);
    const value = gzipSync('"x"').toString('base64');
    const sizes = [
      { beforeSize: '5\nevil 1', afterSize: 'x' },
      { beforeSize: -5e300, afterSize: {} },
      { beforeSize: null, afterSize: true },
    ];
    for (const claimed of sizes) await lines.ask({ ...set('key', value), compressed: true, ...claimed });
    const text = await clientOf(pipe).metrics({ format: 'prometheus' });
    expect(text).not.toContain('evil');
    for (const stage of ['before', 'after'])
      expect(text).toMatch(
        new RegExp(`^ephemeral_broker_compression_bytes_total{stage="${stage}"} \\d+$`, 'm'),
      );
  });
});

describe('correctness', () => {
  test('C1: a time to live that is refreshed does not grow', async () => {
    const client = clientOf(await host.start({ refreshTTLOnGet: true }));
    await client.set('key', 1, 60_000);
    for (let i = 0; i < 1000; i++) {
      await client.get('key');
      expect((await client.entries())['key']!.expires).toBeLessThanOrEqual(Date.now() + 61_000);
    }
  });

  test('C2: signs survive wherever a read ends', async () => {
    const pipe = await host.start();
    const value = 'aä漢😀'.repeat(20_000); // 200 KB of UTF-8
    const lines = await Lines.to(pipe);
    expect(await lines.ask(set('key', value))).toEqual({ ok: true });
    expect(await lines.ask({ action: 'get', key: 'key' })).toMatchObject({ value });
    const client = clientOf(pipe, { compression: false });
    await client.set('own', value, 60_000);
    expect(await client.mget(['key', 'own'])).toEqual([value, value]);

    const [sign] = [Buffer.from('{"action":"set","key":"split","value":"😀","ttl":60000}\n')];
    for (let at = 0; at < sign.length; at++) {
      await new Promise((sent) => lines.socket.write(sign.subarray(0, at), sent));
      await new Promise((turn) => setImmediate(turn));
      await new Promise((sent) => lines.socket.write(sign.subarray(at), sent));
      expect(await lines.next()).toEqual({ ok: true });
    }
    expect(await client.get('split')).toBe('😀');
    const keys = Array.from({ length: 5000 }, (_, i) => `ключ-😀-${i}`);
    await client.mset(
      keys.map((key): [string, number] => [key, 1]),
      60_000,
    );
    expect((await client.list()).filter((key) => key.startsWith('ключ')).toSorted()).toEqual(keys.toSorted());
    const listed = new Set(Object.keys((await lines.ask({ action: 'list' }))['items'] as object));
    expect(keys.filter((key) => !listed.has(key))).toEqual([]);
  });

  test('C3: answers come in the order of the requests', async () => {
    const lines = await Lines.to(await host.start());
    for (let i = 0; i < 100; i++)
      lines.send(set('key', i), { action: 'get', key: 'key' }, '{', { action: 'ping' });
    for (let i = 0; i < 100; i++) {
      expect(await lines.next()).toEqual({ ok: true });
      expect(await lines.next()).toMatchObject({ value: i });
      expect(await lines.next()).toEqual(failed('invalid_json'));
      expect(await lines.next()).toMatchObject({ pong: expect.any(Number) });
    }
  });

  test('C4: a broker that was drained and stopped serves again when it is started, and knows nothing of before', async () => {
    const broker = await startBroker();
    const lines = await Lines.to(broker.pipe);
    await lines.ask({ action: 'lease', key: 'pool', workerId: 'a' });
    await lines.ask(set('key', 1));
    await broker.drain();
    broker.stop();
    await lines.closed;
    await broker.start();
    expect(broker.draining).toBe(false);
    const client = clientOf(broker.pipe);
    expect(await client.stats()).toMatchObject({ items: 0, leases: 0 });
    expect(await (await Lines.to(broker.pipe)).ask({ action: 'ping' })).toMatchObject({ ok: true });
    expect(await client.lease('pool', 'b', 60_000)).toBe(0);
  });

  onPosix('of a Unix', () => {
    test('C5: a child that a signal has ended is no success', async () => {
      const code = `
        const { Broker } = require('@noizylab/core/broker');
        const broker = new Broker({ logLevel: 'error' });
        await broker.start();
        broker.spawn(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")']);
      `;
      expect(await inChild(code)).toMatchObject({ code: 128 + 9, stderr: '' });
    });

    test('C5: a command that does not exist is told of, and no socket left', async () => {
      const pipeId = newId();
      const code = `
        const { Broker } = require('@noizylab/core/broker');
        const broker = new Broker({ pipeId: ${JSON.stringify(pipeId)}, logLevel: 'error' });
        await broker.start();
        broker.spawn('/nonexistent/command', []);
      `;
      const end = await inChild(code);
      expect(end).toMatchObject({
        code: 127,
        stderr: expect.stringContaining('[broker] Cannot run command (command=/nonexistent/command'),
      });
      expect(existsSync(makePipePath(pipeId))).toBe(false);
    });

    test('C6: a signal ends two brokers of one process, and both clean up', async () => {
      const there = await new Host('ours').ready();
      const pipes = [await there.start(), await there.start({ maxItems: 5 })];
      there.process.kill('SIGTERM');
      expect((await there.ended)[0]).toBe(0);
      expect(pipes.filter((pipe) => existsSync(pipe))).toEqual([]);
    });
  });

  test('C6: many brokers in a process are no leak of listeners', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      process.on('warning', ({ name, message }) => tell(name + message));
      const brokers = Array.from({ length: 20 }, () => new Broker({ logLevel: 'error' }));
      await Promise.all(brokers.map((broker) => broker.start()));
      await new Promise(setImmediate);
      for (const broker of brokers) broker.stop();
      tell(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT'));
    `;
    expect(await inChild(code)).toMatchObject({ code: 0, told: [0] });
  });

  test('C6: a broker that nobody uses stops, and does not take the program with it', async () => {
    const code = `
      const { Broker, Client, checkReadiness } = require('@noizylab/core/broker');
      const broker = new Broker({ idleTimeout: 5, logLevel: 'error' });
      const pipe = await broker.start();
      while (await checkReadiness(pipe, 20)) await new Promise((next) => setTimeout(next, 100));
      tell('still here');
    `;
    expect(await inChild(code)).toMatchObject({ code: 0, told: ['still here'] });
  });

  test('C7: an answer that does not come because the connection was closed is noticed at once', async () => {
    const pipe = await serve((socket) => socket.once('data', () => socket.end()));
    const error = await rejection(clientOf(pipe, { timeout: 1e9 }).incr('key', 1, 1000));
    expect(error).toMatchObject({ code: expect.any(String) });
  });

  test('C8: BROKER_DEBUG and BROKER_IDLE_TIMEOUT do what they say, and not in steps of ten seconds', async () => {
    const code = `
      const { Broker } = require('@noizylab/core/broker');
      await new Broker().start();
    `;
    const env = { BROKER_DEBUG: 'true', BROKER_IDLE_TIMEOUT: '20' };
    const end = await inChild(code, { env, killAfter: 9000 });
    expect(end).toMatchObject({ code: 0, signal: null });
    expect(end.stdout).toMatch(/\[broker] Idle timeout exceeded, shutting down \(idleTime=\d+ timeout=20\)/);
    expect(end.stdout).toContain('[broker] Broker stopped and cleaned up');
  });

  test('C8: an environment that is no number is refused', async () => {
    const code = `new (require('@noizylab/core/broker').Broker)();`;
    const end = await inChild(code, { env: { BROKER_MAX_ITEMS: 'many' } });
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('BROKER_MAX_ITEMS');
  });

  test('C9: __proto__ is a key that is listed', async () => {
    const pipe = await host.start();
    const client = clientOf(pipe);
    await client.set('__proto__', 1, 60_000);
    expect(await client.list()).toEqual(['__proto__']);
    expect(
      await (await Lines.to(pipe)).ask('{"action":"list"}').then(({ items }) => Object.keys(items as object)),
    ).toEqual(['__proto__']);
  });

  test('C9: what is found expired by a read counts as expired', async () => {
    const client = clientOf(await host.start({ sweeperInterval: 600_000 }));
    await client.set('key', 1, 2);
    let error: Error | undefined;
    await eventually(async () => {
      error = await client.get('key').then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      return error !== undefined;
    });
    expect(error!.message).toBe('expired');
    expect(await client.metrics({ format: 'prometheus' })).toContain('expired_total{type="items"} 1\n');
  });

  test('C9: a lease that has expired cannot be released any more', async () => {
    const pipe = await host.start({ sweeperInterval: 600_000 });
    const client = clientOf(pipe);
    await client.lease('pool', 'a', 2);
    await eventually(async () => (await client.stats()).leases === 0);
    expect(await client.release('a')).toBe(false);
    expect(await (await Lines.to(pipe)).ask({ action: 'release', workerId: 'a' })).toEqual({
      ok: true,
      released: false,
    });
  });

  test('C9: a broker that is full is ready', async () => {
    const pipe = await host.start({ maxItems: 1 });
    await clientOf(pipe).set('key', 1, 60_000);
    expect(await checkReadiness(pipe)).toBe(true);
  });

  test('C10: sizes are bytes, on lines too', async () => {
    const pipe = await host.start({ maxValueSize: 100, maxRequestSize: 1000 });
    const lines = await Lines.to(pipe);
    expect(await lines.ask(set('key', 'é'.repeat(50)))).toEqual({ ok: true });
    expect(await lines.ask(set('key', 'é'.repeat(51)))).toEqual(failed('too_large'));
    expect(await lines.ask(set('key', ['é'.repeat(48)]))).toEqual({ ok: true });
    expect(await lines.ask(set('key', ['é'.repeat(49)]))).toEqual(failed('too_large'));
    expect(await lines.ask({ action: 'get', key: 'é'.repeat(600) })).toEqual(failed('too_large'));
    await lines.closed;
  });
});

test('P7: a thousand clients that come at the same time are all served', async () => {
  const pipe = await host.start();
  const there = await new Host('original').ready();
  const served = await there.run(async ({ Client: Made }, path) => {
    const one = (i: number): Promise<unknown> =>
      new Made(path).set(`key ${i}`, i, 60_000).catch((error: Error) => error.message);
    return Promise.all(Array.from({ length: 1000 }, (_, i) => one(i)));
  }, pipe);
  expect(served).toEqual(Array.from({ length: 1000 }, () => true));
});

/** A queue of connections that is full has a code of its own there. */
(process.platform === 'linux' ? describe : describe.skip)('of Linux', () => {
  test('S7: the socket of a broker whose queue of connections is full is not taken', async () => {
    const crowded = newId();
    const { pipe: full } = await overcrowded(crowded);
    expect((await rejection(makeBroker({ pipeId: crowded }).start())).message).toBe('Broker already running');
    expect(existsSync(full)).toBe(true);
  });

  test('C7: a connection that the system has no room for is tried again', async () => {
    const { busy, pipe, release } = await overcrowded(newId());
    const client = clientOf(pipe, { timeout: 20_000 });
    const ping = rejection(client.ping());
    release();
    expect((await ping).message).toBe('unknown_action'); // it came through
    await busy.kill();
  });
});
