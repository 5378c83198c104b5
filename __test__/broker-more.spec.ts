/** What goes beyond the API document: several keys at once, counters, compare-and-set, entries, metrics. */
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

  describe('mget and mset', () => {
    test('store and read several keys at once', async () => {
      const client = await open();
      const bytes = Buffer.of(1, 2);
      expect(await client.mset({ a: 1, b: 'text', c: { d: [null] }, e: bytes }, 60_000)).toBe(true);
      expect(await client.mset(new Map([['f', false]]), 60_000)).toBe(true);
      expect(await client.mset([['g', '']], 60_000)).toBe(true);
      expect(await client.mget(['a', 'missing', 'b', 'c', 'e', 'f', 'g', 'a'])).toEqual([
        1,
        undefined,
        'text',
        { d: [null] },
        bytes,
        false,
        '',
        1,
      ]);
      expect(await client.mget(new Set(['a', 'b']))).toEqual([1, 'text']);
    });

    test('of nothing do nothing', async () => {
      const client = await open();
      expect(await client.mget([])).toEqual([]);
      expect(await client.mset({}, 60_000)).toBe(true);
      expect(await client.list()).toEqual([]);
    });

    test('all are stored or none', async () => {
      const client = await open({ maxItems: 3, maxValueSize: 100 });
      await client.set('a', 'old', 60_000);
      const tooMany = client.mset({ a: 'new', b: 1, c: 1, d: 1 }, 60_000);
      expect(await rejection(tooMany)).toMatchObject(refused('max_items'));
      const tooLarge = client.mset({ a: 'new', b: Buffer.alloc(101) }, 60_000);
      expect(await rejection(tooLarge)).toMatchObject(refused('too_large'));
      expect(await client.mget(['a', 'b', 'c', 'd'])).toEqual(['old', undefined, undefined, undefined]);
      await client.mset({ a: 'new', b: 1, c: 1 }, 60_000);
      expect((await client.list()).toSorted()).toEqual(['a', 'b', 'c']);
    });

    test('the last of equal keys counts, and counts once', async () => {
      const client = await open({ maxItems: 1 });
      const twice: [string, number][] = [
        ['a', 1],
        ['a', 2],
      ];
      expect(await client.mset(twice, 60_000)).toBe(true);
      expect(await client.mget(['a'])).toEqual([2]);
    });

    test('mset needs a ttl as set does', async () => {
      const client = await open();
      expect(await rejection(client.mset({ a: 1 }))).toMatchObject({ code: 'ERR_BROKER_TTL_REQUIRED' });
    });

    test('a thousand keys at once', async () => {
      const client = await open();
      const keys = Array.from({ length: 1000 }, (_, i) => `key ${i}`);
      await client.mset(
        keys.map((key, i): [string, number] => [key, i]),
        60_000,
      );
      expect(await client.mget(keys)).toEqual(keys.map((_, i) => i));
    });

    test.each([null, undefined, 5, 'ab', () => []])('mget refuses %p, and mset too', async (given) => {
      const client = await open();
      if (given !== 'ab')
        expect(await rejection(client.mget(untyped(given)))).toMatchObject({ name: 'TypeError' });
      expect(await rejection(client.mset(untyped(given), 1000))).toMatchObject({
        name: 'TypeError',
        code: expect.stringMatching(/^ERR_BROKER_/),
      });
    });
  });

  describe('incr', () => {
    test('counts, from 0 where there is nothing', async () => {
      const client = await open();
      expect(await client.incr('count', 1, 60_000)).toBe(1);
      expect(await client.incr('count')).toBe(2);
      expect(await client.incr('count', 40)).toBe(42);
      expect(await client.incr('count', -0.5)).toBe(41.5);
      expect(await client.get('count')).toBe(41.5);
      await client.set('set', 5, 60_000);
      expect(await client.incr('set', 0)).toBe(5);
    });

    test('no count is lost among all who count', async () => {
      const { client: connect } = await start();
      const clients = Array.from({ length: 5 }, () => connect());
      const counts = await Promise.all(
        clients.flatMap((client) => Array.from({ length: 100 }, () => client.incr('count', 1, 60_000))),
      );
      expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    });

    test('needs a ttl for a new key only, and keeps that of an old one unless it has its own', async () => {
      const client = await open();
      const error = await rejection(client.incr('count'));
      expect(error).toMatchObject({ code: 'ERR_BROKER_TTL_REQUIRED' });
      await client.incr('count', 1, 600_000);
      const { expires } = (await client.entries())['count']!;
      await client.incr('count');
      expect((await client.entries())['count']!.expires).toBeLessThan(expires + 1000);
      expect((await client.entries())['count']!.expires).toBeGreaterThan(expires - 1000);
      await client.incr('count', 1, 60_000);
      expect((await client.entries())['count']!.expires).toBeLessThan(expires);
    });

    test('refuses what is no number', async () => {
      const client = await open();
      await client.mset(
        { text: '5', object: {}, bytes: Buffer.of(1), nothing: null, large: 1.7e308 },
        60_000,
      );
      for (const key of ['text', 'object', 'bytes', 'nothing'])
        expect(await rejection(client.incr(key))).toMatchObject(refused('not_a_number'));
      expect(await rejection(client.incr('large', 1.7e308))).toMatchObject(refused('not_a_number'));
      expect(await client.get('large')).toBe(1.7e308);
      for (const by of [Number.NaN, Infinity, '1', null, 1n])
        expect(await rejection(client.incr('count', untyped(by), 1000))).toMatchObject({
          code: expect.stringMatching(/^ERR_BROKER_(INVALID_TYPE|OUT_OF_RANGE)$/),
        });
    });

    test('is bounded by maxItems', async () => {
      const client = await open({ maxItems: 1 });
      await client.incr('a', 1, 60_000);
      expect(await rejection(client.incr('b', 1, 60_000))).toMatchObject(refused('max_items'));
      expect(await client.incr('a')).toBe(2);
    });
  });

  describe('cas', () => {
    test('stores where the value is the expected one', async () => {
      const client = await open();
      expect(await client.cas('key', undefined, 'first', 60_000)).toBe(true);
      expect(await client.cas('key', undefined, 'second', 60_000)).toBe(false);
      expect(await client.cas('key', 'other', 'second', 60_000)).toBe(false);
      expect(await client.cas('key', 'first', 'second', 60_000)).toBe(true);
      expect(await client.get('key')).toBe('second');
      expect(await client.cas('missing', 'first', 'second', 60_000)).toBe(false);
    });

    test.each([0, '', false, null, [1, { a: 'ü' }], Buffer.of(0, 255), '5', 5])(
      'compares %p by its value',
      async (value) => {
        const client = await open();
        await client.set('key', value, 60_000);
        expect(await client.cas('key', structuredClone(value), 'new', 60_000)).toBe(true);
      },
    );

    test('a string of digits is no number, nor its bytes', async () => {
      const client = await open();
      await client.set('key', 5, 60_000);
      expect(await client.cas('key', '5', 'new', 60_000)).toBe(false);
      await client.set('key', '5', 60_000);
      expect(await client.cas('key', 5, 'new', 60_000)).toBe(false);
      expect(await client.cas('key', Buffer.from('5'), 'new', 60_000)).toBe(false);
    });

    test('one of many wins', async () => {
      const { client: connect } = await start();
      const wins = await Promise.all(
        Array.from({ length: 50 }, (_, i) => connect().cas('key', undefined, i, 60_000)),
      );
      expect(wins.filter(Boolean)).toHaveLength(1);
      expect(await connect().get('key')).toBe(wins.indexOf(true));
    });

    test('what has expired is absent', async () => {
      const client = await open();
      await client.set('key', 1, 2);
      await eventually(async () => (await client.list()).length === 0);
      expect(await client.cas('key', 1, 2, 60_000)).toBe(false);
      expect(await client.cas('key', undefined, 2, 60_000)).toBe(true);
    });
  });

  describe('request', () => {
    test('sends a request of the first protocol as it is, signed where it must be', async () => {
      const client = await open();
      const request = { action: 'set', key: 'key', value: [1], ttl: 60_000, hmac: 'nonsense' };
      expect(await client.request(request)).toEqual({ ok: true });
      expect(await client.request({ action: 'get', key: 'key' })).toEqual({
        ok: true,
        value: [1],
        compressed: false,
      });
      expect(await rejection(client.request({ action: 'get', key: 'no' }))).toMatchObject(
        refused('not_found'),
      );
      expect(await rejection(client.request({ action: 'no' }))).toMatchObject(refused('unknown_action'));
      for (const payload of [null, undefined, 'ping', [], 5])
        expect(await rejection(client.request(untyped(payload)))).toMatchObject({
          code: expect.stringMatching(/^ERR_BROKER_/),
        });
    });
  });

  describe('entries and metrics', () => {
    test('entries tell when each expires', async () => {
      const client = await open();
      const before = Date.now();
      await client.mset({ a: 1, b: null }, 60_000);
      const entries = await client.entries();
      expect(Object.keys(entries).toSorted()).toEqual(['a', 'b']);
      expect(entries['a']).toEqual({ expires: expect.any(Number), hasValue: true });
      expect(entries['a']!.expires).toBeGreaterThanOrEqual(before + 59_000);
    });

    test('metrics come as an object or as text for Prometheus', async () => {
      const client = await open();
      await client.set('key', 1, 60_000);
      const text = await client.metrics({ format: 'prometheus' });
      expect(text).toContain('ephemeral_broker_operations_total{action="set",result="success"} 1\n');
      expect(text).toMatch(/^# HELP \w+ .+\n# TYPE \w+ (counter|gauge|histogram|summary)$/m);
      for (const line of text.trimEnd().split('\n'))
        expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+({\w+="[^"]*"(,\w+="[^"]*")*})? -?[\d.e+-]+)$/);
      expect(await client.metrics({ format: 'object' })).toEqual(
        expect.objectContaining({ errors: expect.anything() }),
      );
      expect(await rejection(client.metrics(untyped({ format: 'xml' })))).toMatchObject({
        code: 'ERR_BROKER_OUT_OF_RANGE',
      });
    });
  });
});
