/**
 * A broker under people who mean no good and machines that have a bad day: floods of connections, slow and silent readers, halves of
 * everything, random bytes, clients that are killed. Nothing of that may crash it, stop it, or lose what it has acknowledged.
 */
import { randomBytes } from 'node:crypto';
import { checkReadiness } from '../dist/broker';
import { Frames, KIND, TAG, encode, f64, stored, u32 } from './fixtures/broker-frames';
import {
  Host,
  Lines,
  SECRET,
  clientOf,
  eventually,
  hostOfAll,
  newId,
  onPosix,
  startBroker,
} from './lib/broker';
import { inChild } from './lib/child';
import { rejection } from './lib/processors';

const host = hostOfAll();
const ping = { action: 'ping' };

/** A generator of numbers below `bound`, always the same ones (mulberry32). */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

describe('connections', () => {
  test('2,000 at once are served, whether they speak or not', async () => {
    const pipe = await host.start();
    const all = await Promise.all(Array.from({ length: 2000 }, () => Lines.to(pipe)));
    const speaking = all.filter((_, i) => i % 2 === 0);
    const answers = await Promise.all(
      speaking.map((lines, i) => lines.ask({ action: 'set', key: `key ${i}`, value: i, ttl: 60_000 })),
    );
    expect(answers.every(({ ok }) => ok === true)).toBe(true);
    const client = clientOf(pipe);
    expect(await client.stats()).toMatchObject({ items: 1000 });
    const silent = all.filter((_, i) => i % 2 === 1);
    expect(await silent[999]!.ask(ping)).toMatchObject({ ok: true });
    for (const { socket } of all) socket.destroy();
    expect(await client.get('key 999')).toBe(999);
  });

  test('thousands that come and go leave nothing behind', async () => {
    const there = await new Host('ours').ready();
    const pipe = await there.start();
    const figures = () =>
      there.run(({ require }) => {
        const { readdirSync } = require('node:fs') as typeof import('node:fs');
        return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
      });
    const client = clientOf(pipe);
    await client.ping();
    const before = await figures();
    for (let round = 0; round < 10; round++) {
      const all = await Promise.all(Array.from({ length: 100 }, () => Lines.to(pipe)));
      for (const [i, { socket }] of all.entries()) {
        if (i % 3 === 0) socket.write('{"action":"ping"}\n{"action":');
        if (i % 2 === 0) socket.destroy();
        else socket.end();
      }
      await Promise.all(all.map(({ closed }) => closed));
    }
    await eventually(async () => (await figures()) <= before);
    expect(await client.ping()).toBeGreaterThan(0);
  });

  test('a reader that is slow gets every answer, whole and in order', async () => {
    const pipe = await host.start();
    const value = 'x'.repeat(100_000);
    await clientOf(pipe).set('key', value, 60_000);
    const slow = await Lines.to(pipe);
    slow.socket.pause();
    for (let i = 0; i < 200; i++) slow.send({ action: 'get', key: 'key' }, { action: 'get', key: `${i}` });
    const other = clientOf(pipe);
    for (let i = 0; i < 50; i++) expect(await other.get('key')).toBe(value);
    slow.socket.resume();
    for (let i = 0; i < 200; i++) {
      expect((await slow.next())['value']).toHaveLength(100_000);
      expect(await slow.next()).toEqual({ ok: false, error: 'not_found' });
    }
  });

  test('a reader that never reads costs no more than its share, and is disconnected in time', async () => {
    const there = await new Host('ours').ready();
    const pipe = await there.start({ requestTimeout: 300 });
    const client = clientOf(pipe);
    await client.set('key', 'x'.repeat(200_000), 60_000);
    const rss = async () => (await client.stats()).memory.rss;
    const before = await rss();
    const mute = await Lines.to(pipe);
    mute.socket.pause();
    const request = `${JSON.stringify({ action: 'get', key: 'key' })}\n`;
    // 20,000 answers are 4 GB.
    mute.socket.write(request.repeat(20_000));
    for (let i = 0; i < 100; i++) await client.get('key');
    expect((await rss()) - before).toBeLessThan(300e6);
    await eventually(() => closedByPeer(mute));
    expect(await client.get('key')).toHaveLength(200_000);
  });

  /** Whether a write finds out that the other end has gone. */
  async function closedByPeer({ socket }: Lines): Promise<boolean> {
    if (socket.destroyed || !socket.writable) return true;
    return new Promise((resolve) => {
      socket.write('\n', (error) => resolve(error instanceof Error));
      setTimeout(resolve, 20, false);
    });
  }
});

describe('bytes without sense', () => {
  const ALPHABET = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\',
    '\\u',
    'd800',
    '\n',
    '\r',
    ' ',
    '\0',
    'null',
    'true',
    '1e',
    '-',
    '.',
    '9',
  ];
  const WORDS = [
    '"action"',
    '"get"',
    '"set"',
    '"key"',
    '"value"',
    '"ttl"',
    '"lease"',
    '"workerId"',
    '"hmac"',
    '"hello"',
    '"protocols"',
  ];
  const PARTS = [...ALPHABET, ...WORDS];

  test.each([[null], [SECRET]])('in lines (secret: %p)', async (secret) => {
    const pipe = await host.start({ secret, maxRequestSize: 10_000 });
    const next = numbers(1);
    for (let round = 0; round < 150; round++) {
      const lines = await Lines.to(pipe);
      const parts = Array.from({ length: next(60) + 1 }, () => PARTS[next(PARTS.length)]!);
      const bytes = [Buffer.from(parts.join('')), randomBytes(next(300)), Buffer.from('\n')];
      lines.socket.end(Buffer.concat(round % 2 === 0 ? bytes : [bytes[0]!, bytes[2]!]));
      await lines.closed;
    }
    expect(await clientOf(pipe, { secret }).ping()).toBeGreaterThan(0);
  });

  test('in lines that are nearly right each is answered', async () => {
    const lines = await Lines.to(await host.start());
    const next = numbers(2);
    const right = JSON.stringify({ action: 'set', key: 'käy', value: { a: [1.5, 'x\\y'] }, ttl: 5000 });
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(right);
      for (let count = next(3) + 1; count > 0; count--) {
        const byte = next(256);
        bytes[next(bytes.length)] = byte === 10 ? 32 : byte;
      }
      lines.socket.write(Buffer.concat([bytes, Buffer.from('\n')]));
      expect(typeof (await lines.next())['ok']).toBe('boolean');
    }
  });

  test('as deep as a line can be', async () => {
    const lines = await Lines.to(await host.start({ secret: SECRET }));
    for (const text of [
      '['.repeat(500_000),
      `${'['.repeat(400_000)}${']'.repeat(400_000)}`,
      '{"a":'.repeat(150_000),
    ])
      expect(await lines.ask(text)).toMatchObject({ ok: false });
    const deep = `{"action":"set","key":"a","ttl":1,"value":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const open = await Lines.to(await host.start());
    expect(typeof (await open.ask(deep))['ok']).toBe('boolean');
    expect(await open.ask(ping)).toMatchObject({ ok: true });
    const odd = await open.ask('{"action":"get","key":"a","x":1e999999999,"y":-0.0e-99999}');
    expect(typeof odd['ok']).toBe('boolean');
  });

  test.each([[undefined], [SECRET]])('in frames (secret: %p)', async (secret) => {
    const pipe = await host.start({ secret: secret ?? null, maxRequestSize: 5000 });
    const next = numbers(3);
    for (let round = 0; round < 200; round++) {
      const frames = await Frames.to(pipe, secret);
      const kind = next(20) === 0 ? next(256) : next(17);
      const tag = [0, 2, 3, 4, 6, 16, 17, next(256)][next(8)]!;
      const key = 'k'.repeat(next(4));
      const frame = encode({ id: round, kind, tag, key, value: randomBytes(next(80)) });
      if (next(4) === 0) frame[next(12)] = next(256);
      const after = encode({ id: 0xff_ff, kind: KIND.ping });
      frames.write(Buffer.concat([frame, after]));
      if (next(3) === 0) frames.socket.write(randomBytes(next(60)));
      frames.socket.end();
      await frames.lines.closed;
    }
    expect(await clientOf(pipe, { secret: secret ?? null }).ping()).toBeGreaterThan(0);
  });

  test('a frame that is well-formed but for its body is answered, and so is the next', async () => {
    const frames = await Frames.to(await host.start());
    const next = numbers(4);
    for (let round = 0; round < 1500; round++) {
      const kind = next(16) + 1;
      if (kind === KIND.cancel || kind === KIND.begin || kind === KIND.watch || kind === KIND.lease) continue;
      const tag = [0, 2, 3, 4, 6, 16, 17, 99][next(8)]!;
      const id = frames.send(kind, { tag, key: 'k'.repeat(next(3)), value: randomBytes(next(60)) });
      expect((await frames.next()).id).toBe(id);
    }
    expect((await frames.ask(KIND.ping)).kind).toBe(0);
  });

  test('text that is not UTF-8 is no key and no string', async () => {
    const lines = await Lines.to(await host.start());
    const key = Buffer.concat([
      Buffer.from('{"action":"set","key":"'),
      Buffer.of(0xff),
      Buffer.from('","value":1,"ttl":1000}\n'),
    ]);
    lines.socket.write(key);
    const answer = await lines.next();
    expect(typeof answer['ok']).toBe('boolean');
    expect(await lines.ask({ action: 'list' })).toMatchObject({ ok: true });
  });
});

describe('clients that die', () => {
  test('by kill -9: their owned leases and their places in line are free at once', async () => {
    const broker = await startBroker();
    const dying = await new Host('ours').ready();
    await dying.run(async ({ Client: Made, kept }, pipe) => {
      const client = new Made(pipe);
      kept['client'] = client;
      await client.acquire('pool', 'dying', { ttl: 3_600_000, max: 1 });
      void client
        .acquire('other', 'waiting', { ttl: 3_600_000, max: 1, wait: true, timeout: 1e9 })
        .catch(() => {});
      await client.lease('open', 'dying too', 3_600_000);
    }, broker.pipe);
    const client = clientOf(broker.pipe);
    const next = client.acquire('pool', 'next', { ttl: 60_000, max: 1, wait: true, timeout: 1e9 });
    await client.ping();
    await dying.kill();
    expect((await next).value).toBe(0);
    expect(
      (await client.acquire('other', 'x', { ttl: 60_000, max: 1, wait: true, timeout: 1e9 })).value,
    ).toBe(0);
    expect(await client.release('dying too')).toBe(true); // an open lease is whose who knows it, until its ttl
  });

  test('by kill -9 while they compute for all: the next one computes', async () => {
    const broker = await startBroker();
    const dying = await new Host('ours').ready();
    const lost = dying.run(({ Client: Made, tell }, pipe) => {
      const client = new Made(pipe, { timeout: 1e9 });
      return client.getOrSet(
        'key',
        () => {
          tell('computes');
          return new Promise<string>(() => {});
        },
        60_000,
      );
    }, broker.pipe);
    const ended = rejection(lost);
    await dying.told();
    const client = clientOf(broker.pipe, { timeout: 1e9 });
    const other = clientOf(broker.pipe, { timeout: 1e9, inProcess: false });
    let computed = 0;
    const waiting = [client, other, client].map((one) => one.getOrSet('key', async () => ++computed, 60_000));
    await Promise.all([client.ping(), other.ping()]);
    expect(computed).toBe(0);
    await dying.kill();
    expect(await Promise.all(waiting)).toEqual([1, 1, 1]);
    await ended;
  });

  test('in the middle of a request: it has happened or not, and nothing else', async () => {
    const pipe = await host.start();
    for (let cut = 1; cut < 60; cut += 3) {
      const lines = await Lines.to(pipe);
      const request = `${JSON.stringify({ action: 'set', key: `key ${cut}`, value: 'whole', ttl: 60_000 })}\n`;
      lines.socket.end(request.slice(0, cut));
      const frames = await Frames.to(pipe);
      const frame = encode({
        kind: KIND.set,
        key: `frame ${cut}`,
        tag: TAG.text,
        value: stored(60_000, 'whole'),
      });
      frames.socket.end(frame.subarray(0, Math.min(cut, frame.length - 1)));
      await Promise.all([lines.closed, frames.lines.closed]);
    }
    expect(await clientOf(pipe).list()).toEqual([]);
  });

  test('what was acknowledged is there as long as the broker lives, whatever becomes of who wrote it', async () => {
    const broker = await startBroker({ maxItems: 0 });
    const hosts = await Promise.all([0, 1, 2].map(() => new Host('ours').ready()));
    const acknowledged = hosts.map((): Set<string> => new Set());
    for (const [i, { process: child }] of hosts.entries()) {
      child.on('message', ({ told }: { told?: string }) => {
        if (told?.startsWith('key')) acknowledged[i]!.add(told);
      });
    }
    for (const [i, one] of hosts.entries()) {
      const writing = one.run(
        async ({ Client: Made, tell }, pipe, id) => {
          const client = new Made(pipe);
          for (let n = 0; ; n++) {
            const key = `key ${id}-${n}`;
            await client.set(key, { n }, 3_600_000);
            tell(key);
          }
        },
        broker.pipe,
        i,
      );
      writing.catch(() => {});
    }
    await eventually(() => acknowledged.every(({ size }) => size > 50));
    await Promise.all(hosts.map((one) => one.kill()));
    const keys = acknowledged.flatMap((all) => Array.from(all));
    const values = await clientOf(broker.pipe).mget(keys);
    expect(values).toEqual(keys.map((key) => ({ n: Number(key.split('-')[1]) })));
  });
});

describe('a broker whose JavaScript is busy', () => {
  test('answers all the same', async () => {
    const there = await new Host('ours').ready();
    const pipe = await there.start();
    const client = clientOf(pipe, { timeout: 60_000 });
    await client.set('key', 'value', 60_000);
    let isOver = false;
    const blocked = there
      .run(({ tell }) => {
        tell('blocks');
        const end = Date.now() + 1000;
        while (Date.now() < end);
      })
      .then(() => (isOver = true));
    await there.told();
    const lines = await Lines.to(pipe); // a new connection too
    for (let i = 0; i < 50; i++) {
      expect(await client.get('key')).toBe('value');
      expect(await client.incr('count', 1, 60_000)).toBe(i + 1);
      expect(await lines.ask(ping)).toMatchObject({ ok: true });
    }
    expect(isOver).toBe(false); // all that while it was blocked
    await blocked;
  });
});

describe('the end', () => {
  test('drain waits for what is in flight', async () => {
    const broker = await startBroker();
    const there = await new Host('ours').ready();
    const reading = there.run(async ({ Client: Made, tell }, pipe) => {
      const client = new Made(pipe);
      await client.mset({ a: 'x'.repeat(100_000) }, 60_000);
      const all = Array.from({ length: 3000 }, (_, i) => client.set(`key ${i % 100}`, i, 60_000));
      await all[0];
      tell('flying');
      return (await Promise.all(all)).length;
    }, broker.pipe);
    await there.told();
    await broker.drain();
    expect(await reading).toBe(3000);
  });

  test('drain gives up on what waits for longer than it does', async () => {
    const broker = await startBroker();
    const client = clientOf(broker.pipe, { inProcess: false });
    await client.lease('pool', 'a', { ttl: 60_000, max: 1 });
    const waiting = rejection(client.lease('pool', 'b', { ttl: 60_000, max: 1, wait: true }));
    await client.ping();
    await broker.drain(20);
    broker.stop();
    const error = await waiting;
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(ERR_BROKER_[A-Z_]+|ENOENT|ECONNREFUSED)$/),
    });
  });

  test('stop in a flood of requests ends each of them, one way or the other', async () => {
    for (const inProcess of [true, false]) {
      const broker = await startBroker();
      const client = clientOf(broker.pipe, { inProcess });
      await client.ping();
      const all = Array.from({ length: 2000 }, (_, i) => client.set(`key ${i}`, i, 60_000));
      await all[0];
      broker.stop();
      const ends = await Promise.allSettled(all);
      const codes = ends.flatMap((end) =>
        end.status === 'rejected' ? [(end.reason as NodeJS.ErrnoException).code] : [],
      );
      const known = /^(ENOENT|ECONNREFUSED|ETIMEDOUT|ERR_BROKER_\w+)$/;
      expect(codes.filter((code) => !known.test(String(code)))).toEqual([]);
    }
  });

  onPosix('of a Unix', () => {
    test('a broker that was killed loses everything, and its successor serves at the same place', async () => {
      const pipeId = newId();
      const first = await new Host('ours').ready();
      const pipe = await first.start({ pipeId });
      const client = clientOf(pipe);
      await client.set('key', 1, 60_000);
      await first.kill();
      expect(await checkReadiness(pipe, 60)).toBe(false);
      await host.start({ pipeId });
      expect((await rejection(client.get('key'))).message).toBe('not_found');
      expect(await client.set('key', 2, 60_000)).toBe(true);
    });
  });

  test('start and stop a hundred times leave nothing behind', async () => {
    const code = `
      const { Broker, Client } = require('@noizylab/core/broker');
      const { readdirSync } = require('node:fs');
      const open = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
      const once = async () => {
        const broker = new Broker({ logLevel: 'error' });
        const pipe = await broker.start();
        const clients = [new Client(pipe), new Client(pipe, { inProcess: false })];
        for (const client of clients) await client.set('key', 1, 60_000);
        broker.stop();
        for (const client of clients) client.close();
      };
      for (let i = 0; i < 10; i++) await once();
      const before = open();
      for (let i = 0; i < 90; i++) await once();
      for (let i = 0; i < 500 && open() > before; i++) await new Promise((next) => setTimeout(next, 10));
      tell(open() <= before);
    `;
    expect(await inChild(code)).toMatchObject({ code: 0, told: [true], stderr: '' });
  });
});

test('a claim of a count that no memory could hold is refused', async () => {
  const frames = await Frames.to(await host.start());
  for (const kind of [KIND.mget, KIND.mset]) {
    const value = Buffer.concat([kind === KIND.mset ? f64(60_000) : Buffer.alloc(0), u32(0xff_ff_ff_ff)]);
    expect(await frames.refusal(kind, { value })).toBe('invalid_frame');
  }
});
