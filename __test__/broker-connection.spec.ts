/** The connection of a client: retries, brokers that are late, frozen, dead or none at all, and what it logs of that. */
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { type Client, makePipePath } from '../dist/broker';
import { rest } from './fixtures/parallel';
import { Host, clientOf, hostOfAll, makeBroker, newId, onPosix } from './lib/broker';
import { rejection } from './lib/processors';

afterEach(() => jest.restoreAllMocks());

describe('retries', () => {
  const host = hostOfAll();

  test.each([
    ['of another process', (pipeId: string) => host.start({ pipeId })],
    ['of this process', (pipeId: string) => makeBroker({ pipeId }).start()],
  ])('wait for a broker %s that starts late', async (_, start) => {
    const pipeId = newId();
    const client = clientOf(makePipePath(pipeId));
    const set = client.set('key', 1, 60_000);
    const get = client.get('key');
    const failed = await rejection(client.ping({ timeout: 10 }));
    expect(failed).toMatchObject({ code: expect.stringMatching(/^(ENOENT|ETIMEDOUT)$/) });
    await start(pipeId);
    expect([await set, await get]).toEqual([true, 1]);
  });

  test('follow the schedule, and end with the error of the system', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    const pipe = makePipePath(newId());
    const error = await rejection(clientOf(pipe, { debug: true, timeout: 600_000 }).ping());
    expect(error).toMatchObject({
      message: `connect ENOENT ${pipe}`,
      code: 'ENOENT',
      errno: expect.any(Number),
      syscall: 'connect',
      address: pipe,
    });
    expect(log.mock.calls.map(([line]) => String(line))).toEqual(
      [50, 100, 200, 400, 800].map(
        (delay, i) => `[client] Connection failed (ENOENT), retrying in ${delay}ms (attempt ${i + 1}/5)`,
      ),
    );
  });

  test('end early where the next would come after the timeout', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {});
    // 50 + 100 + 200 + 400 ms have passed before the last, and 800 more would.
    const client = clientOf(makePipePath(newId()), { debug: true, timeout: 1500 });
    expect(await rejection(client.ping())).toMatchObject({ code: 'ENOENT' });
    expect(log.mock.calls.length).toBeLessThanOrEqual(4);
  });

  test('who listens and never answers is given up, also by requests without a time limit', async () => {
    const pipe = makePipePath(newId());
    const sockets: Socket[] = [];
    const mute = createServer((socket) => void sockets.push(socket)).listen(pipe);
    await once(mute, 'listening');
    try {
      const client = clientOf(pipe, { timeout: 30 });
      const all = [
        client.getOrSet('key', () => 1, 60_000),
        client.lease('pool', 'worker', { ttl: 1000, max: 1, wait: true }),
      ];
      for (const error of await Promise.all(all.map(rejection)))
        expect(error).toMatchObject({ message: 'Request timeout', code: 'ETIMEDOUT' });
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });

  test('end with an abort', async () => {
    const client = clientOf(makePipePath(newId()));
    const signal = AbortSignal.timeout(10);
    expect((await rejection(client.ping({ signal }))).name).toBe('TimeoutError');
  });

  test('a client of a broker that was restarted goes on with the new one', async () => {
    const pipeId = newId();
    const broker = makeBroker({ pipeId });
    const pipe = await broker.start();
    const remote = await new Host('ours').ready();
    await remote.run(({ Client: Made, kept }, path) => {
      kept['client'] = new Made(path);
      return (kept['client'] as Client).set('key', 'old', 60_000);
    }, pipe);
    const local = clientOf(pipe);
    expect(await local.get('key')).toBe('old');
    broker.stop();
    const get = () => remote.run(({ kept }) => (kept['client'] as Client).get('key'));
    const early = [rejection(get()), rejection(local.get('key'))];
    await broker.start();
    for (const error of await Promise.all(early)) expect(error.message).toBe('not_found');
    await clientOf(pipe).set('key', 'new', 60_000);
    expect([await get(), await local.get('key')]).toEqual(['new', 'new']);
  });

  onPosix('of a Unix', () => {
    test('ECONNREFUSED: where a broker has left its socket behind, the next one is waited for', async () => {
      const pipeId = newId();
      const dead = await new Host('ours').ready();
      const pipe = await dead.start({ pipeId });
      await dead.kill();
      expect(await rejection(clientOf(pipe, { timeout: 1500 }).ping())).toMatchObject({
        code: 'ECONNREFUSED',
      });
      const pending = clientOf(pipe).set('key', 1, 60_000);
      await host.start({ pipeId });
      expect(await pending).toBe(true);
    });
  });
});

onPosix('a broker that does not answer', () => {
  /** A broker of a process that is frozen, and a client that was connected before. */
  async function frozen(pipeId = newId()) {
    const host = await new Host('ours').ready();
    const pipe = await host.start({ pipeId });
    const client = clientOf(pipe, { timeout: 60_000 });
    await client.set('key', 'value', 600_000);
    await host.freeze();
    return { host, pipe, client };
  }

  test('ends requests by the timeout, with the error that users of the original know', async () => {
    const { host, pipe, client } = await frozen();
    const timedOut = { message: 'Request timeout', code: 'ETIMEDOUT' };
    expect(await rejection(client.get('key', { timeout: 20 }))).toMatchObject(timedOut);
    expect(await rejection(clientOf(pipe, { timeout: 20 }).get('key'))).toMatchObject(timedOut);
    host.thaw();
    expect(await client.get('key')).toBe('value'); // and not the answer that comes late
  });

  test('ends requests by an abort', async () => {
    const { client } = await frozen();
    const controller = new AbortController();
    const calls = [client.get('key'), client.get('key', { signal: controller.signal })].map(rejection);
    controller.abort();
    expect((await calls[1]!).name).toBe('AbortError');
    await client.close();
    expect(await calls[0]).toMatchObject({ code: 'ERR_BROKER_CLOSED' });
  });

  test('and dies: what is harmless is sent again, for the rest it is told that it may have happened', async () => {
    const pipeId = newId();
    const { host, client } = await frozen(pipeId);
    const harmless = [
      rejection(client.get('key')),
      client.set('other', 1, 60_000),
      client.mget(['key']),
      client.ping(),
    ] as const;
    const lost = [
      rejection(client.incr('count', 1, 60_000)),
      rejection(client.cas('key', 'value', 'x', 60_000)),
    ];
    await rest(); // all is written
    await host.kill();
    const { start } = await new Host('ours')
      .ready()
      .then((next) => ({ start: () => next.start({ pipeId }) }));
    await start();
    for (const error of await Promise.all(lost))
      expect(error).toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST' });
    expect((await harmless[0]).message).toBe('not_found');
    expect(await harmless[1]).toBe(true);
    expect(await harmless[2]).toEqual([undefined]);
    expect(await harmless[3]).toBeGreaterThan(0);
    expect(await client.get('other')).toBe(1);
  });

  test('has at most 65,536 requests of a client before it', async () => {
    const { host, client } = await frozen();
    const pending = Array.from({ length: 65_536 }, () => client.get('key'));
    const error = await rejection(client.get('key'));
    expect(error).toMatchObject({ code: 'ERR_BROKER_TOO_MANY_PENDING' });
    host.thaw();
    const values = new Set(await Promise.all(pending));
    expect(values).toEqual(new Set(['value']));
    expect(await client.get('key')).toBe('value');
  });
});

describe('a server that is no broker', () => {
  let server: Server | undefined;
  afterEach(async () => {
    server?.close();
    server = undefined;
  });

  /** Listens where a broker would, and does this with every connection. */
  async function serve(handle: (socket: Socket, connection: number) => void): Promise<string> {
    const pipe = makePipePath(newId());
    let count = 0;
    server = createServer((socket) => {
      socket.on('error', () => {});
      handle(socket, ++count);
    });
    server.listen(pipe);
    await once(server, 'listening');
    return server.address() as AddressInfo | string as string;
  }

  test('that answers nonsense is told of', async () => {
    const pipe = await serve((socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n')),
    );
    const error = await rejection(clientOf(pipe).get('key'));
    expect(error.message).toMatch(/^Invalid response: /);
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
  });

  test.each(['null', '5', '[]', '"ok"', '{}'])('that answers %s is told of', async (line) => {
    const pipe = await serve((socket) => socket.on('data', () => socket.write(`${line}\n`)));
    expect(await rejection(clientOf(pipe).get('key'))).toMatchObject({
      code: expect.stringMatching(/^ERR_BROKER_/),
    });
  });

  test('that closes without a word is noticed at once, and tried again', async () => {
    let connections = 0;
    const pipe = await serve((socket) => {
      connections++;
      socket.once('data', () => socket.end());
    });
    const error = await rejection(clientOf(pipe, { timeout: 600_000 }).get('key'));
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(ECONNRESET|EPIPE|ERR_BROKER_CONNECTION_LOST)$/),
    });
    expect(connections).toBeGreaterThan(1);
  });

  test('that closes at first and answers then is served', async () => {
    const pipe = await serve((socket, connection) => {
      socket.on('data', (bytes) => {
        if (connection < 3) socket.destroy();
        else if (String(bytes).includes('hello')) socket.write('{"ok":false,"error":"unknown_action"}\n');
        else socket.write('{"ok":true,"value":"found","compressed":false}\n');
      });
    });
    expect(await clientOf(pipe).get('key')).toBe('found');
  });

  test('an answer may come in pieces, within a sign too', async () => {
    const pipe = await serve((socket) => {
      socket.on('data', (bytes) => {
        if (String(bytes).includes('hello')) {
          socket.write('{"ok":false,"error":"unknown_action"}\n');
          return;
        }
        const answer = Buffer.from('{"ok":true,"value":"ä😀ü","compressed":false}\r\n');
        socket.setNoDelay(true);
        const send = (at: number): void => {
          if (at < answer.length) socket.write(answer.subarray(at, at + 1), () => setImmediate(send, at + 1));
        };
        send(0);
      });
    });
    expect(await clientOf(pipe).get('key')).toBe('ä😀ü');
  });
});

describe('the debug log', () => {
  test('tells of connections, never of values', async () => {
    const written: string[] = [];
    for (const method of ['log', 'warn', 'error'] as const)
      jest
        .spyOn(console, method)
        .mockImplementation((...words) => void written.push(words.map(String).join(' ')));
    const host = await new Host('ours').ready();
    const pipe = await host.start();
    const client = clientOf(pipe, { debug: true });
    await client.set('key', 'the secret value', 60_000);
    await client.get('key');
    expect(written).toContain(`[client] Connected to: ${pipe}`);
    expect(written.join('\n')).not.toContain('the secret value');
  });
});
