/**
 * The wire: lines of JSON over a socket. Every assertion of the first part holds for the original broker as well; what only ours does
 * stands in the second.
 */
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { BrokerOptions } from '../dist/broker';
import { type Kind, Lines, type Response, SECRET, eventually, hostOfAll, newId, signed } from './lib/broker';

const failed = (error: string): Response => ({ ok: false, error });
const OK = { ok: true };
const get = (key: unknown) => ({ action: 'get', key });
const set = (key: unknown, value?: unknown, ttl: unknown = 60_000) => ({ action: 'set', key, value, ttl });
const lease = (key: unknown, workerId: unknown, ttl?: unknown) => ({ action: 'lease', key, workerId, ttl });
const release = (workerId: unknown) => ({ action: 'release', workerId });

/** A text with its signature as an attribute at its end: whatever the text is, it is what was signed. */
function signedText(secret: string, payload: string, sent = payload): string {
  const hmac = createHmac('sha256', secret).update(payload).digest('hex');
  return `${sent.slice(0, -1)},"hmac":"${hmac}"}`;
}

describe.each<Kind>(['ours', 'original'])('lines: %s', (kind) => {
  const host = hostOfAll(kind);
  const open = async (options?: BrokerOptions) => Lines.to(await host.start(options));

  describe('keys and values', () => {
    test('set, get, del', async () => {
      const lines = await open();
      expect(await lines.ask(set('key', 'value'))).toEqual(OK);
      expect(await lines.ask(get('key'))).toEqual({ ok: true, value: 'value', compressed: false });
      expect(await lines.ask({ action: 'del', key: 'key' })).toEqual(OK);
      expect(await lines.ask(get('key'))).toEqual(failed('not_found'));
      expect(await lines.ask({ action: 'del', key: 'key' })).toEqual(OK);
    });

    test.each([
      ['an empty string', ''],
      ['zero', 0],
      ['false', false],
      ['null', null],
      ['a large number', 1.5e300],
      ['a nested object', { a: [1, { b: null }], 'ü€😀': 'x"\\\n\u0000' }],
      ['an empty array', []],
      ['a string of all kinds of signs', '\u0001\u007f"\\/ä漢😀\u2028'],
      ['half a surrogate pair', 'a\ud800b'],
    ])('keep %s as it is', async (_, value) => {
      const lines = await open();
      await lines.ask(set('key', value));
      expect(await lines.ask(get('key'))).toEqual({ ok: true, value, compressed: false });
    });

    test('a set without a value stores nothing under the key', async () => {
      const lines = await open();
      expect(await lines.ask(set('key'))).toEqual(OK);
      expect(await lines.ask(get('key'))).toEqual({ ok: true, compressed: false });
      expect(await lines.ask({ action: 'list' })).toMatchObject({ items: { key: { hasValue: false } } });
    });

    test('a number is another key than its digits', async () => {
      const lines = await open();
      await lines.ask(set(1, 'number'));
      expect(await lines.ask(get('1'))).toEqual(failed('not_found'));
      await lines.ask(set('1', 'string'));
      expect(await lines.ask(get(1))).toMatchObject({ value: 'number' });
    });

    test('a key is what its JSON says, however it is written', async () => {
      const lines = await open();
      await lines.ask('{"action":"set","key":"\\u0061\\u00e9","value":1,"ttl":1e4}');
      expect(await lines.ask('{"\\u0061ction":"get","key":"aé"}')).toMatchObject({ value: 1 });
    });

    test('what is compressed comes back untouched, and marked', async () => {
      const lines = await open();
      const value = gzipSync(JSON.stringify('x'.repeat(2000))).toString('base64');
      const sizes = { compressed: true, beforeSize: 2002, afterSize: value.length };
      expect(await lines.ask({ ...set('key', value), ...sizes })).toEqual(OK);
      expect(await lines.ask(get('key'))).toEqual({ ok: true, value, compressed: true });
    });

    test('what has expired is told once', async () => {
      const lines = await open();
      await lines.ask(set('key', 'value', 5));
      let answer: Response = OK;
      await eventually(async () => (answer = await lines.ask(get('key')))['ok'] === false);
      expect(answer).toEqual(failed('expired'));
      expect(await lines.ask(get('key'))).toEqual(failed('not_found'));
    });
  });

  describe('refusals of set', () => {
    test('by the ttl', async () => {
      const lines = await open();
      expect(await lines.ask(set('key', 1, -1))).toEqual(failed('invalid_ttl'));
      expect(await lines.ask(set('key', 1, 0))).toEqual(failed('invalid_ttl'));
      expect(await lines.ask(set('key', 1, null))).toEqual(failed('ttl_required'));
      expect(await lines.ask({ action: 'set', key: 'key', value: 1 })).toEqual(failed('ttl_required'));
      expect(await lines.ask(get('key'))).toEqual(failed('not_found'));
    });

    test('where no ttl is required only by one below 0; none and 0 are the default', async () => {
      const lines = await open({ requireTTL: false, defaultTTL: 5_000_000 });
      const requests = [
        set('a', 1, 0),
        set('b', 1, null),
        { action: 'set', key: 'c', value: 1 },
        set('d', 1, -1),
      ];
      const answers: Response[] = [];
      const before = Date.now();
      for (const request of requests) answers.push(await lines.ask(request));
      const after = Date.now();
      expect(answers).toEqual([OK, OK, OK, failed('invalid_ttl')]);
      const { items } = (await lines.ask({ action: 'list' })) as {
        items: Record<string, { expires: number }>;
      };
      expect(Object.keys(items).toSorted()).toEqual(['a', 'b', 'c']);
      for (const { expires } of Object.values(items)) {
        expect(expires).toBeGreaterThanOrEqual(before + 4_999_000);
        expect(expires).toBeLessThanOrEqual(after + 5_001_000);
      }
    });

    test('by the size of the value: of a string its own, of all else that of its JSON', async () => {
      const lines = await open({ maxValueSize: 20 });
      expect(await lines.ask(set('key', 'x'.repeat(20)))).toEqual(OK);
      expect(await lines.ask(set('key', 'x'.repeat(21)))).toEqual(failed('too_large'));
      expect(await lines.ask(set('key', ['x'.repeat(16)]))).toEqual(OK);
      expect(await lines.ask(set('key', ['x'.repeat(17)]))).toEqual(failed('too_large'));
      expect(await lines.ask(get('key'))).toMatchObject({ value: ['x'.repeat(16)] });
    });

    test('by the number of items, where the key is new', async () => {
      const lines = await open({ maxItems: 2 });
      await lines.ask(set('a', 1));
      await lines.ask(set('b', 1, 5));
      if ((await lines.ask(set('c', 1)))['ok'] === false) {
        await eventually(async () => (await lines.ask(set('c', 1)))['ok'] === true); // b has expired
      }
      expect(await lines.ask(set('d', 1))).toEqual(failed('max_items'));
      expect(await lines.ask(set('a', 2))).toEqual(OK);
      await lines.ask({ action: 'del', key: 'a' });
      expect(await lines.ask(set('d', 1))).toEqual(OK);
    });

    test('in this order: ttl, size, number of items', async () => {
      const lines = await open({ maxItems: 1, maxValueSize: 5 });
      await lines.ask(set('a', 1));
      expect(await lines.ask(set('b', 'too long', -1))).toEqual(failed('invalid_ttl'));
      expect(await lines.ask(set('b', 'too long', null))).toEqual(failed('ttl_required'));
      expect(await lines.ask(set('b', 'too long'))).toEqual(failed('too_large'));
      expect(await lines.ask(set('b', 'short'))).toEqual(failed('max_items'));
    });

    test('0 items is no bound', async () => {
      const lines = await open({ maxItems: 0 });
      for (let i = 0; i < 50; i++) expect(await lines.ask(set(`key ${i}`, i))).toEqual(OK);
    });
  });

  describe('what the broker tells of itself', () => {
    test('ping: its time', async () => {
      const lines = await open();
      const before = Date.now();
      const { pong, ...rest } = await lines.ask({ action: 'ping' });
      expect(rest).toEqual(OK);
      expect(pong).toBeGreaterThanOrEqual(before - 1000);
      expect(pong).toBeLessThanOrEqual(Date.now() + 1000);
    });

    test('list: what has not expired', async () => {
      const lines = await open();
      expect(await lines.ask({ action: 'list' })).toEqual({ ok: true, items: {} });
      const before = Date.now();
      for (const key of ['b', '10', 'a', '9']) await lines.ask(set(key, key));
      await lines.ask(set('short', 1, 1));
      let items: Record<string, { expires: number; hasValue: boolean }> = {};
      await eventually(async () => {
        items = (await lines.ask({ action: 'list' }))['items'] as typeof items;
        return !('short' in items);
      });
      expect(Object.keys(items).toSorted()).toEqual(['10', '9', 'a', 'b']);
      expect(items['a']).toEqual({ expires: expect.any(Number), hasValue: true });
      expect(items['a']!.expires).toBeGreaterThanOrEqual(before + 59_000);
    });

    test('stats', async () => {
      const lines = await open({ maxItems: 3 });
      await lines.ask(set('key', 'x'.repeat(100)));
      await lines.ask(lease('pool', 'worker'));
      const { stats, ...rest } = await lines.ask({ action: 'stats' });
      expect(rest).toEqual(OK);
      expect(stats).toMatchObject({
        items: 1,
        leases: 1,
        capacity: {
          items: 1,
          maxItems: 3,
          utilization: 0.33,
          nearCapacity: false,
          atCapacity: false,
          warning: null,
        },
        memory: { rss: expect.any(Number), heapUsed: expect.any(Number) },
        uptime: expect.any(Number),
      });
      const { memory, uptime } = stats as { memory: { approximateStoreBytes: number }; uptime: number };
      expect(memory.approximateStoreBytes).toBeGreaterThan(100);
      expect(uptime).toBeGreaterThanOrEqual(0);
    });

    test('health', async () => {
      const lines = await open({ maxItems: 10 });
      const capacity = (items: number, warning: string | null) => ({
        items,
        maxItems: 10,
        utilization: items / 10,
        nearCapacity: items >= 9,
        atCapacity: items >= 10,
        warning,
      });
      for (let i = 0; i < 8; i++) await lines.ask(set(`key ${i}`, 1));
      expect(await lines.ask({ action: 'health' })).toMatchObject({
        ok: true,
        status: 'healthy',
        uptime: expect.any(Number),
        timestamp: expect.any(Number),
        capacity: capacity(8, null),
        memory: { rss: expect.any(Number), heapUsed: expect.any(Number), heapTotal: expect.any(Number) },
        connections: { inFlight: 1, draining: false },
      });
      await lines.ask(set('key 8', 1));
      const near = { status: 'healthy', capacity: capacity(9, 'near_capacity') };
      expect(await lines.ask({ action: 'health' })).toMatchObject(near);
      await lines.ask(set('key 9', 1));
      const full = { ok: true, status: 'degraded', capacity: capacity(10, 'at_capacity') };
      expect(await lines.ask({ action: 'health' })).toMatchObject(full);
    });

    test('metrics: a text for Prometheus', async () => {
      const lines = await open({ maxItems: 10 });
      const packed = gzipSync('"x"').toString('base64');
      await lines.ask(set('key', 1));
      await lines.ask(set('key', 1, -1));
      await lines.ask({ ...set('key', packed), compressed: true, beforeSize: 200, afterSize: 50 });
      await lines.ask(get('missing'));
      await lines.ask({ action: 'health' });
      await lines.ask('no JSON');
      await lines.ask({ action: 'none' });
      const { metrics, ...rest } = (await lines.ask({ action: 'metrics' })) as { metrics: string };
      expect(rest).toEqual({ ok: true, format: 'prometheus' });
      expect(metrics.endsWith('\n')).toBe(true);
      const samples = metrics.split('\n').filter((line) => line.startsWith('ephemeral_broker_'));
      expect(samples).toEqual(
        expect.arrayContaining([
          'ephemeral_broker_operations_total{action="get",result="success"} 0',
          'ephemeral_broker_operations_total{action="get",result="error"} 1',
          'ephemeral_broker_operations_total{action="set",result="success"} 2',
          'ephemeral_broker_operations_total{action="set",result="error"} 1',
          'ephemeral_broker_operations_total{action="del",result="success"} 0',
          'ephemeral_broker_operations_total{action="list",result="success"} 0',
          'ephemeral_broker_operations_total{action="ping",result="success"} 0',
          'ephemeral_broker_operations_total{action="stats",result="success"} 0',
          'ephemeral_broker_operations_total{action="health",result="success"} 1',
          'ephemeral_broker_operations_total{action="lease",result="error"} 0',
          'ephemeral_broker_operations_total{action="release",result="error"} 0',
          'ephemeral_broker_compression_total{compressed="true"} 1',
          'ephemeral_broker_compression_total{compressed="false"} 1',
          'ephemeral_broker_expired_total{type="items"} 0',
          'ephemeral_broker_expired_total{type="leases"} 0',
          'ephemeral_broker_requests_in_flight 1',
          'ephemeral_broker_draining 0',
          'ephemeral_broker_capacity_items 1',
          'ephemeral_broker_capacity_max 10',
          'ephemeral_broker_capacity_utilization 0.1000',
        ]),
      );
      for (const family of ['operations_total', 'compression_bytes_total', 'expired_total', 'requests_total'])
        expect(metrics).toContain(`# TYPE ephemeral_broker_${family} counter\n`);
      for (const family of ['compression_ratio', 'requests_in_flight', 'draining', 'capacity_items'])
        expect(metrics).toContain(`# TYPE ephemeral_broker_${family} gauge\n`);
      const names = new Set(samples.map((sample) => sample.split(/[ {]/)[0]));
      for (const name of names) expect(metrics).toContain(`# HELP ${name} `);
    });

    test('metrics count all requests but those that are no JSON', async () => {
      const lines = await open();
      const total = async () => {
        const { metrics } = await lines.ask({ action: 'metrics' });
        return Number(/^ephemeral_broker_requests_total (\d+)$/m.exec(String(metrics))![1]);
      };
      const before = await total();
      for (const request of [set('key', 1), get('missing'), { action: 'none' }, '{', ''])
        await lines.ask(request);
      expect(await total()).toBe(before + 5);
    });

    test('metrics that are off are all 0', async () => {
      const lines = await open({ metrics: false });
      await lines.ask(set('key', 1));
      const { metrics } = (await lines.ask({ action: 'metrics' })) as { metrics: string };
      const values = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(values.length).toBeGreaterThan(10);
      for (const line of values) expect(Number(line.split(' ').at(-1))).toBe(0);
    });
  });

  describe('leases', () => {
    test('a pool gives the least value that is free', async () => {
      const lines = await open();
      const values: unknown[] = [];
      for (const worker of ['a', 'b', 'c']) values.push(await lines.ask(lease('pool', worker)));
      expect(values).toEqual([0, 1, 2].map((value) => ({ ok: true, value })));
      expect(await lines.ask(lease('other pool', 'd'))).toEqual({ ok: true, value: 0 });
      expect(await lines.ask(release('b'))).toEqual({ ok: true, released: true });
      expect(await lines.ask(release('b'))).toEqual({ ok: true, released: false });
      await lines.ask(release('a'));
      expect(await lines.ask(lease('pool', 'e'))).toEqual({ ok: true, value: 0 });
      expect(await lines.ask(lease('pool', 'f'))).toEqual({ ok: true, value: 1 });
    });

    test('a worker has one lease; asking for it again renews it', async () => {
      const lines = await open();
      await lines.ask(lease('pool', 'a', 20_000));
      expect(await lines.ask(lease('pool', 'b', 5))).toEqual({ ok: true, value: 1 });
      expect(await lines.ask(lease('pool', 'b', 60_000))).toEqual({ ok: true, value: 1 });
      expect(await lines.ask(lease('other', 'b'))).toEqual(failed('worker_already_has_lease'));
      await lines.ask(lease('pool', 'short', 10));
      const leases = async () =>
        ((await lines.ask({ action: 'stats' })) as { stats: { leases: number } }).stats.leases;
      await eventually(async () => (await leases()) === 2); // that of b, which was to end before, is there
    });

    test('a value whose lease has expired is given again', async () => {
      const lines = await open();
      await lines.ask(lease('pool', 'a', 5));
      const leases = async () =>
        ((await lines.ask({ action: 'stats' })) as { stats: { leases: number } }).stats.leases;
      await eventually(async () => (await leases()) === 0);
      expect(await lines.ask(lease('pool', 'b'))).toEqual({ ok: true, value: 0 });
    });

    test.each([
      ['no key', { action: 'lease', workerId: 'a' }],
      ['an empty key', lease('', 'a')],
      ['a null key', lease(null, 'a')],
      ['no worker', { action: 'lease', key: 'pool' }],
      ['an empty worker', lease('pool', '')],
      ['neither', { action: 'lease' }],
    ])('are refused with %s', async (_, request) => {
      expect(await (await open()).ask(request)).toEqual(failed('key_and_worker_required'));
    });

    test('a release needs a worker', async () => {
      const lines = await open();
      for (const request of [{ action: 'release' }, release(''), release(null)])
        expect(await lines.ask(request)).toEqual(failed('worker_required'));
    });
  });

  describe('requests', () => {
    test.each([
      '{}',
      '',
      '[]',
      '5',
      '"get"',
      'true',
      '{"action":null}',
      '{"action":"GET"}',
      '{"action":"__proto__"}',
      '{"action":["get"],"key":"a"}',
    ])('%p is an unknown action', async (line) => {
      const lines = await open();
      expect(await lines.ask(line)).toEqual(failed('unknown_action'));
      expect(await lines.ask({ action: 'ping' })).toMatchObject(OK);
    });

    test.each([
      '{',
      '}',
      'GET / HTTP/1.1',
      '\r',
      '{"action":"ping"}x',
      '{"action":"ping",}',
      "{'action':'ping'}",
      '\ufeff{"action":"ping"}',
      '{"action":"ping","x":NaN}',
      '{"action":"ping","x":01}',
      '{"action":"ping","x":"\t"}',
      '{"action":"ping","x":"\\x"}',
      'undefined',
    ])('%p is no JSON', async (line) => {
      const lines = await open();
      expect(await lines.ask(line)).toEqual(failed('invalid_json'));
      expect(await lines.ask({ action: 'ping' })).toMatchObject(OK);
    });

    test.each([
      ['with a carriage return before the line feed', '{"action":"get","key":"key"}\r'],
      ['with blanks everywhere', ' \t{ "action" :\t"get" , "key":  "key" }  '],
      ['with its fields in another order', '{"key":"key","action":"get"}'],
      ['with fields that nobody knows', '{"action":"get","key":"key","id":7,"deep":{"a":[1,2,{}]}}'],
      ['with a field twice: the last counts', '{"action":"ping","key":"x","action":"get","key":"key"}'],
    ])('a request %s is understood', async (_, line) => {
      const lines = await open();
      await lines.ask(set('key', 'value'));
      expect(await lines.ask(line)).toEqual({ ok: true, value: 'value', compressed: false });
    });

    test('many in one write are all answered', async () => {
      const lines = await open();
      const requests = Array.from({ length: 500 }, (_, i) => get(`missing ${i}`));
      lines.send(...requests);
      for (let i = 0; i < 500; i++) expect(await lines.next()).toEqual(failed('not_found'));
    });

    test('one in many writes is answered', async () => {
      const lines = await open();
      lines.socket.setNoDelay(true);
      for (const byte of Buffer.from(`${JSON.stringify(set('key', 'value'))}\n`)) {
        await new Promise((sent) => lines.socket.write(Buffer.of(byte), sent));
      }
      expect(await lines.next()).toEqual(OK);
    });

    test('one that is followed by the end of the connection is answered', async () => {
      const pipe = await host.start();
      const lines = await Lines.to(pipe);
      lines.socket.end(`${JSON.stringify(set('key', 'value'))}\n`);
      expect(await lines.next()).toEqual(OK);
      await lines.closed;
      expect(await (await Lines.to(pipe)).ask(get('key'))).toMatchObject({ value: 'value' });
    });

    test('a connection without a request does no harm', async () => {
      const pipe = await host.start();
      for (let i = 0; i < 5; i++) (await Lines.to(pipe)).socket.destroy();
      for (let i = 0; i < 5; i++) (await Lines.to(pipe)).socket.end();
      (await Lines.to(pipe)).socket.end('{"action":"set","key":"half');
      expect(await (await Lines.to(pipe)).ask({ action: 'list' })).toEqual({ ok: true, items: {} });
    });

    test('one that is too large is refused, and the connection closed', async () => {
      const pipe = await host.start({ maxRequestSize: 1000 });
      const lines = await Lines.to(pipe);
      expect(await lines.ask(set('key', 'x'.repeat(900)))).toEqual(OK);
      expect(await lines.ask(set('key', 'x'.repeat(1000)))).toEqual(failed('too_large'));
      await lines.closed;
      const endless = await Lines.to(pipe);
      endless.socket.write('x'.repeat(1001)); // no line feed
      expect(await endless.next()).toEqual(failed('too_large'));
      await endless.closed;
      expect(await (await Lines.to(pipe)).ask(get('key'))).toMatchObject({ value: 'x'.repeat(900) });
    });
  });

  describe('with a secret', () => {
    const ping = { action: 'ping' };

    test('what is signed is served', async () => {
      const lines = await open({ secret: SECRET });
      const requests = [set('key', { ü: ['😀', 1.5, null] }), get('key'), ping, { action: 'list' }];
      for (const request of requests) expect(await lines.ask(signed(SECRET, request))).toMatchObject(OK);
      expect(await lines.ask(signed(SECRET, get('key')))).toMatchObject({ value: { ü: ['😀', 1.5, null] } });
    });

    test('what is not is refused, and the connection goes on', async () => {
      const lines = await open({ secret: SECRET });
      const { hmac } = signed(SECRET, ping) as { hmac: string };
      const refused: (object | string)[] = [
        ping,
        '{}',
        '',
        '5',
        { ...ping, hmac: '' },
        { ...ping, hmac: 5 },
        { ...ping, hmac: null },
        { ...ping, hmac: [hmac] },
        { ...ping, hmac: 'no digits' },
        { ...ping, hmac: hmac.slice(2) },
        { ...ping, hmac: `${hmac}00` },
        { ...ping, hmac: hmac.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
        { ...ping, hmac, more: 1 },
        signed('another secret', ping),
        { ...signed(SECRET, get('a')), key: 'b' },
      ];
      for (const request of refused) expect(await lines.ask(request)).toEqual(failed('auth_failed'));
      expect(await lines.ask(signed(SECRET, ping))).toMatchObject(OK);
    });

    test('what is no JSON is told before', async () => {
      expect(await (await open({ secret: SECRET })).ask('{"hmac":')).toEqual(failed('invalid_json'));
    });

    test('it is the JSON that counts as JavaScript writes it, not the text that was sent', async () => {
      const lines = await open({ secret: SECRET });
      const { hmac } = signed(SECRET, ping) as { hmac: string };
      const set1 = (value: string): string => `{"action":"set","key":"k","value":${value},"ttl":9000}`;
      const served: string[] = [
        `{"hmac":"${hmac}","action":"ping"}`,
        `{"hmac":"${hmac.toUpperCase()}","action":"ping"}`,
        ` { "action" : "ping" , "hmac" : "${hmac}" } `,
        `{"action":"get","hmac":"${hmac}","action":"ping"}`,
        `{"\\u0061ction":"p\\u0069ng","hmac":"${hmac}"}`,
        signedText(SECRET, set1('1'), set1('1.0')),
        signedText(SECRET, set1('1e+21'), set1('1000000000000000000000')),
        signedText(SECRET, set1('5e-324'), set1('5e-324')),
        signedText(SECRET, set1('0.1'), set1('1e-1')),
        signedText(SECRET, set1('{"1":2,"b":1}'), set1('{"b":1,"1":2}')),
        signedText(SECRET, set1('"ä😀/"'), set1('"\\u00e4\\ud83d\\ude00\\/"')),
        signedText(SECRET, set1('"\\ud800"'), set1('"\\ud800"')),
        signedText(SECRET, set1('"\\b\\u001f\u007f"'), set1('"\\u0008\\u001F\\u007f"')),
      ];
      for (const line of served) expect([line, await lines.ask(line)]).toMatchObject([line, OK]);
      const other = signedText(SECRET, '{"action": "ping"}', '{"action":"ping"}');
      expect(await lines.ask(other)).toEqual(failed('auth_failed'));
      // Ours takes the signature of the very text that was sent as well.
      for (const value of ['1.0', '{"b":1,"1":2}']) {
        const { ok } = await lines.ask(signedText(SECRET, set1(value)));
        expect([value, ok]).toEqual([value, kind === 'ours']);
      }
    });

    test('a broker without one takes no notice of signatures', async () => {
      const lines = await open();
      expect(await lines.ask(signed(SECRET, ping))).toMatchObject(OK);
      expect(await lines.ask({ ...ping, hmac: 'nonsense' })).toMatchObject(OK);
    });
  });

  test('a broker that drains refuses new connections and serves the open ones', async () => {
    const pipeId = newId();
    const pipe = await host.start({ pipeId });
    const lines = await Lines.to(pipe);
    await lines.ask(set('key', 1));
    await host.run(
      ({ kept }, of) => (kept['brokers'] as Map<string, { drain(): unknown }>).get(of)!.drain(),
      pipe,
    );
    const late = await Lines.to(pipe);
    expect(await late.next()).toEqual(failed('draining'));
    await late.closed;
    expect(await lines.ask(get('key'))).toMatchObject({ value: 1 });
  });
});
