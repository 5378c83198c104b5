/** The wire between our own ends, byte by byte: hello, frames, records. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { ANSWER, Frames, KIND, TAG, encode, f64, hello, stored, u32 } from './fixtures/broker-frames';
import { Lines, SECRET, hostOfAll, signed } from './lib/broker';
import { rejection } from './lib/processors';

const host = hostOfAll();

describe('hello', () => {
  test('tells what the broker takes, with a nonce of its own', async () => {
    const pipe = await host.start({ maxRequestSize: 5000, maxValueSize: 700, requireTTL: false });
    const welcome = (await Frames.to(pipe)).welcome;
    expect(welcome).toEqual({
      ok: true,
      protocol: 1,
      nonce: expect.stringMatching(/^[\da-f]{64}$/),
      secure: false,
      maxRequestSize: 5000,
      maxValueSize: 700,
      requireTTL: false,
    });
    expect((await Frames.to(pipe)).welcome['nonce']).not.toBe(welcome['nonce']);
  });

  test('picks the highest protocol that both know', async () => {
    const pipe = await host.start();
    const lines = await Lines.to(pipe);
    expect(await lines.ask(hello([1, 2, 900]).line)).toMatchObject({ ok: true, protocol: 1 });
  });

  test.each(['[]', '[2]', '"1"', '1', '["1"]', 'null', '{}', '[[1]]'])(
    'refuses the protocols %s',
    async (protocols) => {
      const lines = await Lines.to(await host.start());
      const refused = { ok: false, error: 'unsupported_protocol' };
      const line = `{"action":"hello","protocols":${protocols},"nonce":"${'ab'.repeat(32)}"}`;
      expect(await lines.ask(line)).toEqual(refused);
      expect(await lines.ask({ action: 'ping' })).toMatchObject({ ok: true });
    },
  );

  test('must be the first line', async () => {
    const lines = await Lines.to(await host.start());
    await lines.ask({ action: 'ping' });
    expect(await lines.ask(hello().line)).toMatchObject({ ok: false });
    expect(await lines.ask({ action: 'ping' })).toMatchObject({ ok: true });
  });
});

describe.each([
  ['plain', undefined],
  ['in records', SECRET],
])('frames: %s', (_way, secret) => {
  const open = async (options?: Parameters<typeof host.start>[0]) => {
    const pipe = await host.start({ ...options, ...(secret !== undefined && { secret }) });
    return { pipe, frames: await Frames.to(pipe, secret), lines: () => Lines.to(pipe) };
  };
  const sign = (request: object): object => (secret === undefined ? request : signed(secret, request));

  test('SET, GET and DEL', async () => {
    const { frames } = await open();
    const done = { kind: ANSWER.ok, tag: TAG.absent, value: Buffer.alloc(0) };
    const text = { key: 'käy', tag: TAG.text, value: stored(60_000, 'välue') };
    expect(await frames.ask(KIND.set, text)).toMatchObject(done);
    const found = { kind: ANSWER.ok, tag: TAG.text, key: '', value: Buffer.from('välue') };
    expect(await frames.ask(KIND.get, { key: 'käy' })).toMatchObject(found);
    const json = (value: string) => ({ kind: ANSWER.ok, tag: TAG.json, value: Buffer.from(value) });
    expect(await frames.ask(KIND.del, { key: 'käy' })).toMatchObject(json('true'));
    expect(await frames.ask(KIND.del, { key: 'käy' })).toMatchObject(json('false'));
    expect(await frames.refusal(KIND.get, { key: 'käy' })).toBe('not_found');
  });

  test('any number of a request comes back', async () => {
    const { frames } = await open();
    for (const id of [0, 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff])
      expect((await frames.ask(KIND.ping, { id })).id).toBe(id);
  });

  test('many requests of one write take effect in their order, and each is answered', async () => {
    const { frames } = await open();
    const requests: Buffer[] = [];
    for (let i = 0; i < 300; i++) {
      const key = `key ${i % 7}`;
      requests.push(encode({ id: 2 * i, kind: KIND.set, key, tag: TAG.text, value: stored(9e9, `${i}`) }));
      requests.push(encode({ id: 2 * i + 1, kind: KIND.get, key }));
    }
    frames.write(Buffer.concat(requests));
    const answers = new Map<number, string>();
    while (answers.size < 600) {
      const { id, value } = await frames.next();
      answers.set(id, value.toString());
    }
    for (let i = 0; i < 300; i++) expect([answers.get(2 * i), answers.get(2 * i + 1)]).toEqual(['', `${i}`]);
  });

  test('a frame may come byte by byte', async () => {
    const { frames } = await open();
    const request = encode({ id: 5, kind: KIND.set, key: 'key', tag: TAG.bytes, value: stored(9e9, 'abc') });
    for (const byte of frames.sealer?.seal(request) ?? request) {
      await new Promise((sent) => frames.socket.write(Buffer.of(byte), sent));
    }
    expect(await frames.next()).toMatchObject({ id: 5, kind: ANSWER.ok });
  });

  test('a request that is too large is skipped, and the connection goes on', async () => {
    const { frames } = await open({ maxRequestSize: 1000 });
    const large = encode({
      id: 1,
      kind: KIND.set,
      key: 'a',
      tag: TAG.bytes,
      value: stored(9e9, 'x'.repeat(980)),
    });
    frames.write(Buffer.concat([large, encode({ id: 2, kind: KIND.ping })]));
    expect(await frames.next()).toMatchObject({ id: 1, kind: ANSWER.error, value: Buffer.from('too_large') });
    expect(await frames.next()).toMatchObject({ id: 2, kind: ANSWER.ok });
    const allowed = { key: 'a', tag: TAG.bytes, value: stored(9e9, 'x'.repeat(900)) };
    expect(await frames.ask(KIND.set, allowed)).toMatchObject({ kind: ANSWER.ok });
  });

  test('what cannot be understood is refused, and the connection goes on', async () => {
    const { frames } = await open();
    const noKey = encode({ id: 7, kind: KIND.get, key: 'key' });
    noKey.writeUInt16LE(900, 10); // longer than the body
    frames.write(noKey);
    expect(await frames.next()).toMatchObject({
      id: 7,
      kind: ANSWER.error,
      value: Buffer.from('invalid_frame'),
    });
    for (const kind of [0, 17, 100, 128, 255]) expect(await frames.refusal(kind)).toBe('unknown_action');
    expect(await frames.refusal(KIND.set, { key: 'a', value: Buffer.alloc(3) })).toBe('invalid_frame');
    expect(await frames.refusal(KIND.mget, { value: u32(0xff_ff_ff_ff) })).toBe('invalid_frame');
    expect(await frames.refusal(KIND.mset, { value: Buffer.concat([f64(1), u32(9)]) })).toBe('invalid_frame');
    for (const kind of [KIND.incr, KIND.cas, KIND.lease, KIND.release, KIND.renew, KIND.land, KIND.watch])
      expect(await frames.refusal(kind, { key: 'a', value: Buffer.alloc(1) })).toBe('invalid_frame');
    expect(await frames.ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
  });

  test('a value that is not what its tag says is refused', async () => {
    const { frames, lines } = await open();
    const refused: [number, string | Buffer][] = [
      [TAG.json, '{'],
      [TAG.json, ''],
      [TAG.json, '1 2'],
      [TAG.text, Buffer.of(0xff, 0xfe)],
      [TAG.gzip, 'no gzip'],
      [TAG.gzip, gzipSync('"x"').subarray(0, 12)],
      [TAG.packed, '!!!'],
      [99, 'x'],
    ];
    for (const [tag, value] of refused)
      expect([tag, await frames.refusal(KIND.set, { key: 'key', tag, value: stored(9e9, value) })]).toEqual([
        tag,
        'invalid_value',
      ]);
    expect(await (await lines()).ask(sign({ action: 'get', key: 'key' }))).toMatchObject({
      error: 'not_found',
    });
  });

  test('lines see what frames have stored, and the other way round', async () => {
    const { frames, lines } = await open();
    const packed = gzipSync('{"a":1}');
    const values: [string, number, string | Buffer][] = [
      ['text', TAG.text, 'tä"xt'],
      ['json', TAG.json, '{"a":[1]}'],
      ['bytes', TAG.bytes, Buffer.of(1, 255)],
      ['gzip', TAG.gzip, packed],
      ['packed', TAG.packed, packed.toString('base64')],
    ];
    for (const [key, tag, value] of values)
      await frames.ask(KIND.set, { key, tag, value: stored(9e9, value) });
    const line = await lines();
    const read = async (key: string) => {
      const { value, compressed } = await line.ask(sign({ action: 'get', key }));
      return compressed === true
        ? (JSON.parse(gunzipSync(Buffer.from(String(value), 'base64')).toString()) as unknown)
        : value;
    };
    expect(await read('text')).toBe('tä"xt');
    expect(await read('json')).toEqual({ a: [1] });
    expect(await read('bytes')).toEqual({ type: 'Buffer', data: [1, 255] });
    expect(await read('gzip')).toEqual({ a: 1 });
    expect(await read('packed')).toEqual({ a: 1 });

    await line.ask(sign({ action: 'set', key: 'from a line', value: { b: 'ü' }, ttl: 9e9 }));
    const { value } = await frames.ask(KIND.get, { key: 'from a line' });
    expect(JSON.parse(value.toString())).toEqual({ b: 'ü' });
  });

  test('LINE carries a request of the first protocol, and its failure too', async () => {
    const { frames } = await open();
    const line = async (request: string) =>
      JSON.parse((await frames.ask(KIND.line, { value: Buffer.from(request) })).value.toString()) as unknown;
    expect(await line('{"action":"set","key":"a","value":[1],"ttl":9000}')).toEqual({ ok: true });
    expect(await line('{"action":"get","key":"a"}')).toEqual({ ok: true, value: [1], compressed: false });
    expect(await line('{"action":"get","key":"b"}')).toEqual({ ok: false, error: 'not_found' });
    expect(await line('{')).toEqual({ ok: false, error: 'invalid_json' });
    expect(await line('null')).toEqual({ ok: false, error: 'unknown_action' });
    expect(await line('{"action":"metrics","format":"object"}')).toMatchObject({
      ok: true,
      format: 'object',
    });
  });

  test('a LEASE that waits holds up nobody, and CANCEL ends it', async () => {
    const { frames } = await open();
    const lease = (worker: string, wait: number) =>
      Buffer.concat([f64(60_000), f64(wait), u32(1), Buffer.of(0), Buffer.from(worker)]);
    const first = await frames.ask(KIND.lease, { key: 'pool', value: lease('a', Number.NaN) });
    expect(first).toMatchObject({ kind: ANSWER.ok, value: Buffer.alloc(20) }); // value 0, no token
    expect(await frames.refusal(KIND.lease, { key: 'pool', value: lease('b', Number.NaN) })).toBe(
      'pool_exhausted',
    );
    const waiting = frames.send(KIND.lease, { key: 'pool', value: lease('c', Infinity) });
    expect(await frames.ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
    frames.send(KIND.cancel, { value: u32(waiting) });
    expect(await frames.next()).toMatchObject({ id: waiting, value: Buffer.from('cancelled') });
    frames.send(KIND.cancel, { value: u32(12_345) }); // of nothing: no answer
    expect(await frames.ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
  });

  test('BEGIN lets one compute and the others wait until it LANDs', async () => {
    const { pipe, frames } = await open();
    const other = await Frames.to(pipe, secret);
    const begun = await frames.ask(KIND.begin, { key: 'key' });
    expect(begun.kind).toBe(ANSWER.compute);
    const waiting = other.send(KIND.begin, { key: 'key' });
    expect(await other.ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
    const value = Buffer.concat([u32(begun.id), f64(9e9), Buffer.of(1), Buffer.from('computed')]);
    expect(await frames.ask(KIND.land, { key: 'key', tag: TAG.text, value })).toMatchObject({
      kind: ANSWER.ok,
    });
    const computed = { kind: ANSWER.ok, tag: TAG.text, value: Buffer.from('computed') };
    expect(await other.next()).toMatchObject({ id: waiting, ...computed });
    expect(await frames.ask(KIND.get, { key: 'key' })).toMatchObject(computed);
  });

  test('WATCH tells of what happens under a prefix, until CANCEL', async () => {
    const { pipe, frames } = await open();
    const other = await Frames.to(pipe, secret);
    const watch = frames.send(KIND.watch, { key: 'a:', value: u32(100) });
    expect(await frames.next()).toMatchObject({ id: watch, kind: ANSWER.ok });
    for (const key of ['a:1', 'b:1'])
      await other.ask(KIND.set, { key, tag: TAG.text, value: stored(9e9, 'x') });
    await other.ask(KIND.del, { key: 'a:1' });
    const set = await frames.next();
    expect(set).toMatchObject({ id: watch, kind: ANSWER.event, tag: TAG.text, key: 'a:1' });
    expect(set.value.readUInt8(0)).toBe(1);
    expect(set.value.readDoubleLE(1)).toBeLessThanOrEqual(9e9);
    expect(set.value.subarray(9).toString()).toBe('x');
    const deleted = await frames.next();
    expect(deleted).toMatchObject({ id: watch, kind: ANSWER.event, key: 'a:1' });
    expect(deleted.value.readUInt8(0)).toBe(2);
    frames.send(KIND.cancel, { value: u32(watch) });
    expect(await frames.next()).toMatchObject({
      id: watch,
      kind: ANSWER.end,
      value: Buffer.from('cancelled'),
    });
  });
});

describe('records', () => {
  const ping = encode({ id: 1, kind: KIND.ping });
  const open = async () => {
    const pipe = await host.start({ secret: SECRET });
    return { pipe, frames: await Frames.to(pipe, SECRET) };
  };

  test('hello needs the signature', async () => {
    const { pipe } = await open();
    expect((await rejection(Frames.to(pipe))).message).toBe('auth_failed');
    expect((await rejection(Frames.to(pipe, 'another secret'))).message).toBe('auth_failed');
  });

  test.each<[string, (frames: Frames) => Buffer]>([
    ['is not signed', () => Buffer.concat([u32(ping.length), Buffer.alloc(16), ping])],
    [
      'was changed',
      ({ sealer }) => {
        const record = sealer!.seal(ping);
        record[record.length - 4]! ^= 1;
        return record;
      },
    ],
    [
      'is repeated',
      ({ sealer }) => {
        const record = sealer!.seal(ping);
        return Buffer.concat([record, record]);
      },
    ],
    [
      'comes after one that was left out',
      ({ sealer }) => {
        sealer!.seal(ping);
        return sealer!.seal(ping);
      },
    ],
    ['is no record but frames', () => Buffer.concat([ping, ping])],
    ['is longer than anything allowed', () => Buffer.concat([u32(0xff_ff_ff_ff), Buffer.alloc(16)])],
  ])('one that %s ends the connection', async (_, make) => {
    const { pipe, frames } = await open();
    frames.socket.write(make(frames));
    await frames.lines.closed;
    expect(await (await Frames.to(pipe, SECRET)).ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
  });

  test("one of another connection, and the broker's own, end the connection", async () => {
    const { pipe, frames } = await open();
    const other = await Frames.to(pipe, SECRET);
    frames.socket.write(other.sealer!.seal(ping));
    await frames.lines.closed;
    const mirrored = await Frames.to(pipe, SECRET);
    await mirrored.ask(KIND.ping);
    mirrored.socket.write(mirrored.records[0]!);
    await mirrored.lines.closed;
    expect(await (await Frames.to(pipe, SECRET)).ask(KIND.ping)).toMatchObject({ kind: ANSWER.ok });
  });
});
