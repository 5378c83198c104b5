/** The native operations, from JavaScript: results, memory that is used where it is, and errors by code. */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { runParallel } from '..';
import type { TrillionProcessor } from '..';
import { inChild } from './lib/child';
import { open, outcomesOf, rejection } from './lib/processors';

const INVALID_DATA = { code: 'ERR_PROCESSOR_INVALID_DATA' };

let processor: TrillionProcessor;
beforeEach(() => {
  processor = open({ maxWorkers: 2 });
});
const run = (operation: string, data?: unknown): Promise<unknown> => processor.run({ operation, data });

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const shared = (...bytes: number[]): Uint8Array => {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length));
  view.set(bytes);
  return view;
};

describe("the original's three", () => {
  test('compute gives the same sum every time, and the data with it', async () => {
    let expected = 0;
    for (let i = 0; i < 500; i++) expected += Math.sqrt(i);
    const data = { iterations: 500, label: 'x' };
    await expect(run('compute', data)).resolves.toEqual({ computed: expected, input: data });
    await expect(run('compute', data)).resolves.toEqual({ computed: expected, input: data });
  });

  test('compute without data takes 1000 iterations instead of failing; 0 means none', async () => {
    const { computed } = (await run('compute')) as { computed: number };
    await expect(run('compute', { iterations: 1000 })).resolves.toMatchObject({ computed });
    await expect(run('compute', { iterations: 0 })).resolves.toMatchObject({ computed: 0 });
  });

  test.each([null, { iterations: -1 }, { iterations: 'many' }])('compute refuses %p', async (data) => {
    await expect(run('compute', data)).rejects.toMatchObject(INVALID_DATA);
  });

  test.each<[string, unknown, unknown]>([
    ['a plain array', [1, 2.5, -3], [2, 5, -6]],
    ['negative zero', [-0, 1], [-0, 2]],
    ['numbers that JSON cannot say', [Number.NaN, -Infinity, 1], [Number.NaN, -Infinity, 2]],
    ['an empty array', [], []],
    ['a typed array, wrapping as an assignment would', Uint8Array.of(1, 200), Uint8Array.of(2, 144)],
    ['a clamped array, stopping at 255', Uint8ClampedArray.of(1, 200), Uint8ClampedArray.of(2, 255)],
    ['floats', Float32Array.of(0.5, -0), Float32Array.of(1, -0)],
  ])('transform doubles %s', async (_what, data, expected) => {
    await expect(run('transform', data)).resolves.toStrictEqual(expected);
  });

  test('transform leaves the given array as it is', async () => {
    const data = Int32Array.of(1, 2);
    await run('transform', data);
    expect([...data]).toEqual([1, 2]);
  });

  test.each<[string, unknown, unknown]>([
    ['a plain array', [1, 2, 3.5], 6.5],
    ['an empty array', [], 0],
    ['a typed array', Int16Array.of(-1, 5), 4],
    ['infinity', [1, Infinity], Infinity],
  ])('aggregate sums %s from 0', async (_what, data, expected) => {
    await expect(run('aggregate', data)).resolves.toBe(expected);
  });

  test.each([
    ['text'],
    [5],
    [true],
    [null],
    [undefined],
    [{ a: [1] }],
    [new Map([[1, 2]])],
    [new Date(5)],
    [7n],
  ])('transform and aggregate give %p, which is no array, back', async (data) => {
    await expect(run('transform', data)).resolves.toEqual(data);
    await expect(run('aggregate', data)).resolves.toEqual(data);
  });

  test.each([[[1, 'a']], [[1, [2]]], [[null]], [[undefined]], [[1n]], [[{}]]])(
    'transform and aggregate refuse %p, naming the element',
    async (data) => {
      for (const operation of ['transform', 'aggregate']) {
        await expect(run(operation, data)).rejects.toMatchObject({
          ...INVALID_DATA,
          message: expect.stringContaining('at index') as unknown,
        });
      }
    },
  );
});

describe('echo', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a property that is undefined', { a: undefined, b: 1 }],
    ['negative zero', -0],
    ['numbers that JSON cannot say', [Number.NaN, -0, -Infinity]],
    ['a big integer', 2n ** 70n],
    ['a Map of Sets of Dates', new Map([['k', new Set([new Date(5)])]])],
    ['holes', [1, , 2]], // oxlint-disable-line no-sparse-arrays -- the point of it
    ['text with half a surrogate pair', `${'x'.repeat(5000)}\ud800`],
    ['a long text of all alphabets', 'aß数😀'.repeat(3000)],
    ['an empty text', ''],
    ['text with zero bytes', '\0\0'],
    ['an own property __proto__', JSON.parse('{"__proto__":{"a":1}}')],
    ['a regular expression', /a+/giu],
    ['an object with a hidden toJSON', Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'no' })],
  ])('gives %s back as it is', async (_what, data) => {
    const result = await processor.run({ data });
    expect(result).toStrictEqual(structuredClone(dataOnly(data)));
    expect(Object.is(result, -0)).toBe(Object.is(data, -0));
    if (Array.isArray(data)) expect(Object.keys(result as object)).toEqual(Object.keys(data));
  });

  /** What a structured clone would look at: enumerable properties. */
  function dataOnly(data: unknown): unknown {
    return typeof data === 'object' && data !== null && 'toJSON' in data && !(data instanceof Date)
      ? { ...data }
      : data;
  }

  test('gives memory back as the object that was given', async () => {
    for (const data of [new Uint8Array(3), new ArrayBuffer(3), new SharedArrayBuffer(3), Buffer.from('a')]) {
      await expect(processor.run({ data })).resolves.toBe(data);
    }
  });

  test('keeps cycles; where JSON serves, one object in two places arrives as two', async () => {
    const one = { n: 1 };
    const data: { a: object; b: object; self?: unknown } = { a: one, b: one };
    const twice = await processor.run<typeof data>({ data });
    expect(twice).toEqual({ a: one, b: one });
    data.self = data;
    const cyclic = await processor.run<typeof data>({ data });
    expect(cyclic.self).toBe(cyclic);
  });

  test('an object that holds itself a million million times over takes no time', async () => {
    const { told } = await inChild(
      `let data = []; for (let i = 0; i < 60; i++) data = [data, data];
       await new core.TrillionProcessor().run({ data });
       await tell('came back');`,
      { killAfter: 5000 },
    );
    expect(told).toEqual(['came back']);
  });
});

describe('operations on bytes', () => {
  const bytes = randomBytes(200_000);

  test.each<[string, unknown, string | Uint8Array]>([
    ['a text', 'grüße', 'grüße'],
    ['an empty text', '', ''],
    ['a text that looks like JSON', '{"data":"x"}', '{"data":"x"}'],
    ['a Buffer', bytes, bytes],
    ['a part of a Buffer', bytes.subarray(7, 1007), bytes.subarray(7, 1007)],
    ['an ArrayBuffer', Uint8Array.from(bytes).buffer, bytes],
    ['a DataView', new DataView(Uint8Array.from(bytes).buffer, 3, 5), bytes.subarray(3, 8)],
    ['a Float64Array, by its bytes', Float64Array.of(1, 2), new Uint8Array(Float64Array.of(1, 2).buffer)],
    ['shared memory', shared(1, 2, 3), Uint8Array.of(1, 2, 3)],
    ['a SharedArrayBuffer', shared(1, 2, 3).buffer, Uint8Array.of(1, 2, 3)],
    ['memory of nothing', new Uint8Array(0), ''],
    ['an object with data', { data: bytes }, bytes],
    ['an object with a text', { data: 'abc', unknown: 1 }, 'abc'],
  ])('sha256 of %s is that of node:crypto', async (_what, data, same) => {
    await expect(run('sha256', data)).resolves.toBe(sha256(same));
  });

  test('gzip and gunzip fit together, and fit node:zlib', async () => {
    const text = 'all work and no play\n'.repeat(5000);
    const zipped = (await run('gzip', text)) as Buffer;
    expect(zlib.gunzipSync(zipped).toString()).toBe(text);
    const unzipped = (await run('gunzip', zipped)) as Buffer;
    expect(Buffer.isBuffer(unzipped)).toBe(true);
    expect(unzipped.toString()).toBe(text);
    await expect(run('gunzip', zlib.gzipSync(bytes))).resolves.toEqual(bytes);
    const [stored, small] = await Promise.all([0, 9].map((level) => run('gzip', { data: text, level })));
    expect((stored as Buffer).length).toBeGreaterThan(text.length);
    expect((small as Buffer).length).toBeLessThanOrEqual(zipped.length);
  });

  test('a result is its own memory, not a part of a larger piece', async () => {
    const [a, b] = (await Promise.all([run('gzip', 'a'), run('gzip', 'b')])) as Buffer[];
    a!.fill(0);
    expect(zlib.gunzipSync(b!).toString()).toBe('b');
  });

  test.each<[unknown, object]>([
    ['no gzip', { code: 'ERR_PROCESSOR_CORRUPT_DATA' }],
    ['', { code: 'ERR_PROCESSOR_CORRUPT_DATA' }],
    [zlib.gzipSync(bytes).subarray(0, 1000), { code: 'ERR_PROCESSOR_CORRUPT_DATA' }],
    [{ data: zlib.gzipSync(bytes), maxOutputLength: 100 }, { code: 'ERR_PROCESSOR_TOO_LARGE' }],
    [{ data: zlib.gzipSync(bytes), maxOutputLength: -1 }, INVALID_DATA],
  ])('gunzip refuses damaged and too large data with a code: %#', async (data, expected) => {
    await expect(run('gunzip', data)).rejects.toMatchObject(expected);
  });

  test.each<[string, number]>([
    ['', 0],
    ['one', 1],
    ['one\n', 1],
    ['one\ntwo', 2],
    ['\n\n', 2],
    ['a\r\nb', 2],
  ])('lines of %j: %d', async (text, count) => {
    await expect(run('lines', text)).resolves.toBe(count);
    await expect(run('lines', Buffer.from(text))).resolves.toBe(count);
  });

  test.each([
    '{"a":[1,2,{"b":null}]}',
    '{',
    '[1,]',
    '',
    '01',
    '"\\ud800"',
    '"\u0001"',
    'nul',
    '\ufeff{}',
    '1e999',
    '[]]',
    `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
  ])('json-parse-check agrees with JSON.parse: %#', async (text) => {
    const parses = (): boolean => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const verdict = (await run('json-parse-check', text)) as { valid: boolean };
    expect(verdict.valid).toBe(parses());
  });

  test('json-parse-check tells where the fault is', async () => {
    await expect(run('json-parse-check', '{"a":\n  😀x}')).resolves.toMatchObject({
      valid: false,
      line: 2,
      column: 3,
    });
  });

  test.each(['sha256', 'gzip', 'gunzip', 'lines', 'json-parse-check'])(
    '%s refuses what is no bytes, saying what it takes',
    async (operation) => {
      for (const data of [undefined, null, 5, true, [1, 2], {}, { data: 5 }, { path: 5 }, new Map(), 5n]) {
        await expect(run(operation, data)).rejects.toMatchObject({
          ...INVALID_DATA,
          message: expect.stringMatching(new RegExp(`^operation '${operation}' takes a string`)) as unknown,
        });
      }
    },
  );
});

describe('files', () => {
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'noizylab-'));
    file = path.join(directory, 'größe 1.txt');
    fs.writeFileSync(file, 'one\ntwo\n'.repeat(1000));
  });
  afterAll(() => fs.rmSync(directory, { recursive: true }));

  test('file-info tells size, digest, gzip size and lines', async () => {
    const expected = { path: file, size: 8000, sha256: sha256(fs.readFileSync(file)), lines: 2000 };
    await expect(run('file-info', file)).resolves.toMatchObject(expected);
    const info = (await run('file-info', { path: file })) as { gzipSize: number };
    expect(info.gzipSize).toBe(((await run('gzip', { path: file })) as Buffer).length);
  });

  test('byte operations read a file by its path', async () => {
    await expect(run('sha256', { path: file })).resolves.toBe(sha256(fs.readFileSync(file)));
    await expect(run('lines', { path: file })).resolves.toBe(2000);
  });

  test.each(['file-info', 'sha256', 'gzip', 'lines'])(
    '%s tells of a file that cannot be read',
    async (operation) => {
      for (const bad of [path.join(directory, 'missing'), directory, '/dev/null', '']) {
        await expect(run(operation, { path: bad })).rejects.toMatchObject({ code: 'ERR_PROCESSOR_IO' });
      }
    },
  );

  test('the cause is what the system said, as node:fs tells it', async () => {
    const NO_ENTRY = ['ENOENT', os.constants.errno.ENOENT] as const;
    const TOO_LONG = ['ENAMETOOLONG', os.constants.errno.ENAMETOOLONG] as const;
    const missing = path.join(directory, 'missing');
    const causes = [
      [missing, 'ENOENT', os.constants.errno.ENOENT],
      [directory, 'EISDIR', os.constants.errno.EISDIR],
      ['a\0b', 'EINVAL', os.constants.errno.EINVAL],
      // Windows takes it for a name that cannot be.
      [`${directory}/${'x'.repeat(300)}`, ...(process.platform === 'win32' ? NO_ENTRY : TOO_LONG)],
    ] as const;
    for (const [bad, code, errno] of causes) {
      const { cause } = await rejection(run('file-info', bad));
      expect(cause).toMatchObject({ code, path: bad });
      // Numbers are those of libuv, which elsewhere are its own.
      if (process.platform !== 'win32') expect(cause).toMatchObject({ errno: -errno });
      expect(cause).toBeInstanceOf(Error);
    }
    const { message } = await rejection(fs.promises.readFile(missing));
    const { cause } = await rejection(run('sha256', { path: missing }));
    expect((cause as Error).message).toBe(message.replace(', open', ','));
  });

  test('an error that is not of the system has no cause', async () => {
    expect(await rejection(run('sum', 'no list'))).not.toHaveProperty('cause');
  });
});

describe('operations on numbers', () => {
  test.each<[string, unknown]>([
    ['a plain array', [3, 1, 2]],
    ['a Float64Array', Float64Array.of(3, 1, 2)],
    ['a Uint8Array', Uint8Array.of(3, 1, 2)],
    ['an Int32Array over shared memory', Int32Array.from([3, 1, 2])],
    ['an object with values', { values: Float32Array.of(3, 1, 2) }],
    ['an object with an array', { values: [3, 1, 2] }],
  ])('sum, min, max and mean of %s', async (_what, data) => {
    const results = await Promise.all(['sum', 'min', 'max', 'mean'].map((operation) => run(operation, data)));
    expect(results).toEqual([6, 1, 3, 2]);
  });

  test.each<[string, number]>([
    ['sum', 0],
    ['min', Infinity],
    ['max', -Infinity],
    ['mean', Number.NaN],
  ])('%s of no numbers is %p', async (operation, expected) => {
    await expect(run(operation, [])).resolves.toBe(expected);
    await expect(run(operation, new Float64Array(0))).resolves.toBe(expected);
  });

  test('negative zero and NaN count as in Math.min and Math.max, in plain and typed arrays', async () => {
    for (const make of [(list: number[]) => list, (list: number[]) => Float64Array.from(list)]) {
      expect(Object.is(await run('min', make([0, -0])), -0)).toBe(true);
      expect(Object.is(await run('max', make([-0, 0])), 0)).toBe(true);
      await expect(run('min', make([1, Number.NaN]))).resolves.toBeNaN();
      await expect(run('max', make([Number.NaN, Infinity]))).resolves.toBeNaN();
      await expect(run('sum', make([1, -Infinity]))).resolves.toBe(-Infinity);
    }
  });

  test('sort works in the memory of a typed array and gives that array back', async () => {
    const numbers = Float64Array.from({ length: 100_000 }, (_, i) => Math.sin(i) * 1e6);
    const expected = numbers.slice().sort();
    const view = numbers.subarray(0);
    await expect(run('sort', numbers)).resolves.toBe(numbers);
    expect(numbers).toEqual(expected);
    expect(view[0]).toBe(expected[0]);
  });

  test('sort touches the part that a view shows, and nothing beside it', async () => {
    const all = Int16Array.of(9, 3, 1, 2, 0);
    await run('sort', all.subarray(1, 4));
    expect([...all]).toEqual([9, 1, 2, 3, 0]);
  });

  test('sort works in shared memory', async () => {
    const numbers = shared(3, 1, 2);
    await expect(run('sort', { values: numbers, descending: true })).resolves.toBe(numbers);
    expect([...numbers]).toEqual([3, 2, 1]);
  });

  test('sort of a plain array gives a new one, by number, NaN last', async () => {
    const numbers = [10, 9, -1, 2];
    await expect(run('sort', numbers)).resolves.toEqual([-1, 2, 9, 10]);
    expect(numbers).toEqual([10, 9, -1, 2]);
    await expect(run('sort', [0, Number.NaN, -0, -5])).resolves.toEqual([-5, -0, 0, Number.NaN]);
    const typed = Float64Array.of(1, Number.NaN, 2);
    await run('sort', { values: typed, descending: true });
    expect([...typed]).toEqual([2, 1, Number.NaN]);
  });

  test('a moved-away array counts as empty', async () => {
    const numbers = Float64Array.of(1, 2);
    structuredClone(numbers, { transfer: [numbers.buffer] });
    await expect(run('sum', numbers)).resolves.toBe(0);
  });

  test('histogram counts by bins, and beside them', async () => {
    const values = Float64Array.of(-1, 0, 1, 2, 3.9, 4, 5, Number.NaN);
    await expect(run('histogram', { values, bins: 2, min: 0, max: 4 })).resolves.toEqual({
      ...{ min: 0, max: 4, bins: 2, width: 2 },
      ...{ counts: [2, 3], below: 1, above: 1, nan: 1 },
    });
    await expect(run('histogram', { values: [1, 1], bins: 0 })).rejects.toMatchObject(INVALID_DATA);
    await expect(run('histogram', { values: [1], min: 4, max: 0 })).rejects.toMatchObject(INVALID_DATA);
  });

  test('quantiles are interpolated; a share outside 0 to 1 is refused', async () => {
    await expect(run('quantiles', { values: [9, 1, 3, 2], q: [0, 0.5, 1] })).resolves.toEqual([1, 2.5, 9]);
    await expect(run('quantiles', { values: [1], q: [1.5] })).rejects.toMatchObject(INVALID_DATA);
  });

  test.each(['sum', 'min', 'max', 'mean', 'sort', 'histogram', 'quantiles'])(
    '%s refuses what is no list of numbers, saying what it takes or which element is wrong',
    async (operation) => {
      for (const data of [
        undefined,
        null,
        5,
        'abc',
        {},
        { values: 5 },
        new Map(),
        [1, '2'],
        [1, undefined],
        [2n],
      ]) {
        await expect(run(operation, data)).rejects.toMatchObject({
          ...INVALID_DATA,
          message: expect.stringMatching(/takes an array of numbers|at index/) as unknown,
        });
      }
      await expect(run(operation, new BigInt64Array(2))).rejects.toMatchObject(INVALID_DATA);
    },
  );
});

test('a task that fails leaves the tasks beside it alone', async () => {
  const tasks = [[1], ['x'], [Number.NaN], Uint8Array.of(4), new Map(), [5]].map((data) => ({
    operation: 'sum',
    data,
  }));
  const outcomes = await outcomesOf(processor, tasks);
  expect(
    outcomes.map(({ result, error }) => (error as { code?: string } | undefined)?.code ?? result),
  ).toEqual([...[1, INVALID_DATA.code, Number.NaN, 4, INVALID_DATA.code, 5]]);
});

test('a map over native operations of many files keeps their order', async () => {
  const files = fs
    .readdirSync(__dirname, { withFileTypes: true })
    .flatMap((one) => (one.isFile() ? [path.join(__dirname, one.name)] : []));
  const digests = await runParallel(files, (file) =>
    processor.run({ operation: 'sha256', data: { path: file } }),
  );
  expect(digests).toEqual(files.map((file) => sha256(fs.readFileSync(file))));
});
