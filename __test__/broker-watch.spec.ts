/** `watch`: what happens to keys of a prefix, as it happens. */
import type { BrokerOptions, WatchEvent } from '../dist/broker';
import { untyped } from './fixtures/parallel';
import { Host, clientOf, eventually, startBroker, ways } from './lib/broker';
import { rejection } from './lib/processors';

const refused = (message: string) => ({
  name: 'BrokerError',
  message,
  code: `ERR_BROKER_${message.toUpperCase()}`,
});

describe.each(ways())('%s', (_way, start) => {
  const open = async (options?: BrokerOptions) => (await start(options)).client();

  describe('watch', () => {
    /** The next events of a watch. */
    const take = async (events: AsyncIterator<WatchEvent>, count: number): Promise<WatchEvent[]> => {
      const taken: WatchEvent[] = [];
      while (taken.length < count) {
        const { value, done } = await events.next();
        if (done) throw new Error('it has ended');
        taken.push(value);
      }
      return taken;
    };

    test('a client has at most 1,024 of them', async () => {
      const client = await open();
      const watches = Array.from({ length: 1025 }, () => client.watch('none:'));
      const next = watches.map((events) => rejection(events.next()));
      expect(await next[1024]).toMatchObject(refused('too_many_pending'));
      await client.close();
      for (const error of await Promise.all(next.slice(0, 1024)))
        expect(error).toMatchObject({ code: 'ERR_BROKER_CLOSED' });
    });

    test('tells of what happens to keys of a prefix, in order', async () => {
      const { client: connect } = await start();
      const events = connect().watch('user:');
      const first = take(events, 1);
      const client = connect();
      await eventually(async () => {
        await client.set('user:1', { a: 1 }, 60_000);
        return Promise.race([first.then(() => true), client.ping().then(() => false)]);
      });
      const [set] = await first;
      expect(set).toEqual({ type: 'set', key: 'user:1', value: { a: 1 }, ttl: expect.any(Number) });
      expect(set!.ttl).toBeGreaterThan(0);
      expect(set!.ttl).toBeLessThanOrEqual(60_000);

      await client.set('other', 1, 60_000);
      await client.set('user:2', Buffer.of(1), 60_000);
      await client.incr('user:3', 5, 60_000);
      await client.mset({ 'user:4': 'x', other: 2 }, 60_000);
      await client.cas('user:4', 'x', 'y', 60_000);
      await client.del('user:2');
      await client.del('user:2');
      await client.set('user:5', 1, 2);
      await client.set('user:end', true, 60_000);
      const seen: WatchEvent[] = [];
      const wanted = (): boolean =>
        seen.some(({ key }) => key === 'user:end') && seen.some(({ type }) => type === 'expired');
      while (!wanted()) seen.push(...(await take(events, 1)));
      const after = seen.filter(({ key }) => key !== 'user:1' && key !== 'user:end');
      expect(after.map(({ type, key }) => `${type} ${key}`)).toEqual([
        'set user:2',
        'set user:3',
        'set user:4',
        'set user:4',
        'deleted user:2',
        'set user:5',
        'expired user:5',
      ]);
      expect(after.map(({ value }) => value).slice(0, 4)).toEqual([Buffer.of(1), 5, 'x', 'y']);
      await events.return();
    });

    test('is ready when the broker watches: what others do from then on is told', async () => {
      const { client: connect } = await start();
      const events = connect().watch('a');
      await events.ready;
      await connect().set('a', 1, 60_000);
      expect(await events.next()).toMatchObject({ done: false, value: { type: 'set', key: 'a' } });
    });

    test('of an empty prefix is of all keys', async () => {
      const client = await open();
      const events = client.watch('');
      const next = events[Symbol.asyncIterator]().next();
      await client.set('anything', 1, 60_000);
      expect(await next).toMatchObject({ done: false, value: { type: 'set', key: 'anything', value: 1 } });
    });

    test('sees what the client itself has begun after the first next', async () => {
      const client = await open();
      const seen: string[] = [];
      const controller = new AbortController();
      const reading = (async () => {
        for await (const { key } of client.watch('a', { signal: controller.signal })) {
          seen.push(key);
          if (seen.length === 100) break;
        }
      })();
      for (let i = 0; i < 100; i++) await client.set(`a${i}`, i, 60_000);
      await reading;
      expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `a${i}`));
    });

    test('ends with its signal, with the loop, and with the client', async () => {
      const client = await open();
      const reason = new Error('enough');
      const controller = new AbortController();
      const aborted = client.watch('', { signal: controller.signal }).next();
      const returned = client.watch('');
      const pending = returned.next();
      await client.ping();
      controller.abort(reason);
      expect(await rejection(aborted)).toBe(reason);
      await returned.return();
      expect(await pending).toEqual({ done: true, value: undefined });
      expect(await returned.next()).toEqual({ done: true, value: undefined });
      const before = client.watch('', { signal: AbortSignal.abort(reason) }).next();
      expect(await rejection(before)).toBe(reason);
      const closed = rejection(client.watch('').next());
      await client.ping();
      await client.close();
      expect(await closed).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
    });

    test('of a reader that is too slow ends with watch_overflow, after what it had kept', async () => {
      const client = await open({ maxItems: 0 });
      const events = client.watch('', { limit: 10 });
      const first = events.next();
      for (let i = 0; i < 20_000; i++) void client.set(`key ${i}`, i, 60_000);
      await client.set('last', 1, 60_000);
      expect(await first).toMatchObject({ value: { key: 'key 0' } });
      let error: unknown;
      let count = 1;
      while (error === undefined) {
        await events.next().then(
          () => count++,
          (thrown: unknown) => (error = thrown),
        );
      }
      expect(error).toMatchObject(refused('watch_overflow'));
      expect(count).toBeLessThan(20_000);
      expect(await client.get('last')).toBe(1); // others do not suffer
    });

    test.each([
      ['a prefix that is no string', 5, {}],
      ['a limit of 0', '', { limit: 0 }],
      ['a limit that is no number', '', { limit: '5' }],
      ['a signal that is none', '', { signal: {} }],
    ])('refuses %s', async (_, prefix, options) => {
      const client = await open();
      const watch = async () => client.watch(untyped(prefix), untyped(options)).next();
      expect(await rejection(watch())).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER_/) });
    });
  });
});

test('a watch sees what other processes do', async () => {
  const broker = await startBroker();
  const host = await new Host('ours').ready();
  const watching = host.run(async ({ Client: Made, tell }, pipe) => {
    const seen: unknown[] = [];
    const events = new Made(pipe).watch('job:');
    const first = events.next();
    tell('watches');
    for (let next = await first; !next.done; next = await events.next()) {
      seen.push(next.value.key);
      if (next.value.key === 'job:end') return seen;
    }
    return seen;
  }, broker.pipe);
  await host.told();
  const client = clientOf(broker.pipe);
  let seen: unknown;
  void watching.then((all) => (seen = all));
  await eventually(async () => {
    await client.set('job:end', 1, 60_000);
    return seen !== undefined;
  });
  expect(seen).toEqual(['job:end']);
});
