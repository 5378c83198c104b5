/** Users' operations in worker threads: where their code comes from, what goes in and out, and what they throw. */
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { TrillionProcessor } from '..';
import type { OperationContext } from '..';
import { untyped } from './fixtures/parallel';
import { fixture, open, outcomesOf, rejection } from './lib/processors';

const modern = fixture('operations.mjs');
const common = fixture('operations.cjs');

let processor: TrillionProcessor;
beforeEach(() => {
  processor = open({ maxWorkers: 2 });
});
const run = <R = unknown>(operation: string, data?: unknown): Promise<R> =>
  processor.run<R>({ operation, data });

/** What the operation made of a function gives for `data`. */
function call<R = unknown>(
  fn: (data: never, context: OperationContext) => unknown,
  data?: unknown,
): Promise<R> {
  processor.define('called', fn);
  return run<R>('called', data);
}

describe('define', () => {
  test.each<[string, string | URL, unknown, unknown]>([
    ['the path of an ES module: its default export', modern, 4, 8],
    ['the same as a URL object', pathToFileURL(modern), 4, 8],
    ['the same as the text of a URL', pathToFileURL(modern).href, 4, 8],
    ['a path with the name of an export', `${modern}#square`, 3, 9],
    ['a URL with the name of an export', new URL('#square', pathToFileURL(modern)), 3, 9],
    ['an async export', `${modern}#firstByte`, common, 39],
    ['a CommonJS module: what it exports', common, 2, 6],
    ['a CommonJS module with the name of an export', `${common}#negate`, 2, -2],
    ['a module of Node', 'node:path#dirname', '/a/b', '/a'],
    ['a data: URL', 'data:text/javascript,export default (x) => x + 1', 1, 2],
  ])('takes %s', async (_what, source, data, expected) => {
    processor.define('given', source);
    await expect(run('given', data)).resolves.toBe(expected);
  });

  test('takes a function that stands alone, and gives the processor back', async () => {
    expect(processor.define('add', ({ a, b }: { a: number; b: number }) => a + b)).toBe(processor);
    await expect(run('add', { a: 1, b: 2 })).resolves.toBe(3);
  });

  test('runs operations in other threads, with require at hand', async () => {
    const threads = await call<number>(
      () => (require('node:worker_threads') as { threadId: number }).threadId,
    );
    expect(threads).toBeGreaterThan(0);
  });

  test('operations that come while others run are found too', async () => {
    processor.define('one', () => 1);
    await run('one');
    processor.define('two', () => 2);
    await expect(Promise.all([run('one'), run('two')])).resolves.toEqual([1, 2]);
  });

  test.each<[string, unknown, unknown, object]>([
    ['a name of the engine', 'sum', (x: unknown) => x, { code: 'ERR_PROCESSOR_OPERATION_EXISTS' }],
    ['a name that is taken', 'taken', (x: unknown) => x, { code: 'ERR_PROCESSOR_OPERATION_EXISTS' }],
    ['an empty name', '', (x: unknown) => x, { name: 'RangeError', code: 'ERR_PROCESSOR_OUT_OF_RANGE' }],
    [
      'a name that is no text',
      5,
      (x: unknown) => x,
      { name: 'TypeError', code: 'ERR_PROCESSOR_INVALID_TYPE' },
    ],
    ['nothing', 'op', undefined, { name: 'TypeError', code: 'ERR_PROCESSOR_INVALID_TYPE' }],
    ['an empty path', 'op', '', { name: 'RangeError', code: 'ERR_PROCESSOR_OUT_OF_RANGE' }],
    ['a module that is not there', 'op', './missing.js', { code: 'ERR_PROCESSOR_MODULE_NOT_FOUND' }],
    [
      'a function that closes over something',
      'op',
      () => modern,
      { name: 'TypeError', code: 'ERR_PROCESSOR_CLOSURE' },
    ],
    ['a bound function', 'op', (() => 1).bind(null), { code: 'ERR_PROCESSOR_CLOSURE' }],
    ['a native function', 'op', Math.sqrt, { code: 'ERR_PROCESSOR_CLOSURE' }],
    ['a class', 'op', class {}, { code: 'ERR_PROCESSOR_CLOSURE' }],
  ])('refuses %s', (_what, name, source, expected) => {
    processor.define('taken', (x: unknown) => x);
    expect(() => processor.define(untyped(name), untyped(source))).toThrow(
      expect.objectContaining(expected) as Error,
    );
  });

  test('the refusal of a closure names what it closes over and says what to do', () => {
    const message =
      /^Function 'area' cannot move .* closes over 'modern' and 'common'\. Pass the values with the data/;
    expect(() => processor.define('area', () => modern + common)).toThrow(message);
  });

  test('a refused definition leaves the name free', async () => {
    expect(() => processor.define('op', () => modern)).toThrow();
    processor.define('op', () => 1);
    await expect(run('op')).resolves.toBe(1);
  });
});

describe('a module that is broken fails its tasks, not its worker', () => {
  test.each<[string, string, object]>([
    [
      'throws while it loads',
      fixture('throwing.mjs'),
      { name: 'RangeError', message: 'this module does not load' },
    ],
    ['is no JavaScript', 'data:text/javascript,this is no JavaScript', { name: 'SyntaxError' }],
    ['lacks the export', `${modern}#missing`, { code: 'ERR_PROCESSOR_MODULE_INVALID' }],
    ['exports no function', `${modern}#notAFunction`, { code: 'ERR_PROCESSOR_MODULE_INVALID' }],
    ['is a folder', __dirname, { code: expect.stringMatching(/^ERR_/) as unknown }],
    ['is of a kind that Node does not know', 'nope:x', { code: expect.stringMatching(/^ERR_/) as unknown }],
  ])('one that %s', async (_what, source, expected) => {
    const deaths: unknown[] = [];
    processor.on('workerError', (event) => deaths.push(event));
    processor.define('broken', source).define('whole', (x: unknown) => x);
    const broken = { operation: 'broken', data: 1 };
    const outcomes = await outcomesOf(processor, [broken, { operation: 'whole', data: 2 }, broken]);
    expect(outcomes).toMatchObject([{ error: expected }, { result: 2 }, { error: expected }]);
    await expect(processor.parallelMap([1], source)).rejects.toMatchObject(expected);
    expect(deaths).toEqual([]);
  });
});

describe('data and results', () => {
  const cyclic: { name: string; self?: unknown } = { name: 'me' };
  cyclic.self = cyclic;

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['negative zero', -0],
    ['a list of numbers that JSON cannot say', [Number.NaN, Infinity, -0]],
    ['an object with a property that is undefined', { a: undefined, b: [undefined] }],
    ['a big integer', { big: -(2n ** 65n) }],
    ['Maps, Sets and Dates', new Map<unknown, unknown>([[{ k: 1 }, new Set([new Date(7)])]])],
    ['a regular expression', /x\/y/su],
    ['boxed primitives', [Object(1), Object('s'), Object(true)]],
    ['cycles', cyclic],
    ['holes', [1, , 3]], // oxlint-disable-line no-sparse-arrays -- the point of it
    [
      'typed arrays',
      { f: Float32Array.of(0.5, Number.NaN), b: BigInt64Array.of(-1n), c: Uint8ClampedArray.of(255) },
    ],
    ['an odd piece of memory', new Uint16Array(Uint16Array.of(1, 2, 3).buffer, 2, 1)],
    ['memory', new ArrayBuffer(3)],
    ['a DataView', new DataView(new ArrayBuffer(4), 1, 2)],
    ['text with half a surrogate pair', ['\ud800', 'x'.repeat(10_000)]],
    ['a deeply nested value', JSON.parse('['.repeat(500) + ']'.repeat(500)) as unknown],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['a large array', Array.from({ length: 100_000 }, (_, i) => i / 3)],
    ['an empty text, object and array', ['', {}, []]],
  ])('%s goes in and comes out as a structured clone', async (_what, data) => {
    const result = await call((x: unknown) => x, data);
    expect(result).toStrictEqual(structuredClone(data));
    expect(Object.is(result, -0)).toBe(Object.is(data, -0));
    await expect(processor.parallelMap([data], (x) => [x], { thread: true })).resolves.toStrictEqual([
      [structuredClone(data)],
    ]);
  });

  test('a Buffer stays a Buffer', async () => {
    const result = await call<{ b: Buffer }>(
      (x: { b: Buffer }) => ({ b: Buffer.concat([x.b, Buffer.from('!')]) }),
      {
        b: Buffer.from('abc'),
      },
    );
    expect(Buffer.isBuffer(result.b)).toBe(true);
    expect(result.b.toString()).toBe('abc!');
  });

  test('the operation works on a copy', async () => {
    const data = { list: [1, 2], bytes: Uint8Array.of(1) };
    const back = await call((x: typeof data) => {
      x.list.push(3);
      x.bytes[0] = 9;
      return x;
    }, data);
    expect(back).toEqual({ list: [1, 2, 3], bytes: Uint8Array.of(9) });
    expect(data).toEqual({ list: [1, 2], bytes: Uint8Array.of(1) });
  });

  test('an error is a value like others', async () => {
    const error = await call<Error>((x: Error) => x, new TypeError('as data'));
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toMatchObject({ name: 'TypeError', message: 'as data' });
  });

  test.each<[string, () => unknown]>([
    ['a function', () => () => 1],
    ['a symbol', () => Symbol('s')],
    ['an object with a method', () => ({ list: [{ f() {} }] })],
    ['a promise of a function', () => Promise.resolve(() => 1)],
    ['a WeakMap', () => new WeakMap()],
  ])('%s as a result fails that task alone', async (_what, fn) => {
    processor.define('bad', fn).define('good', (x: unknown) => x);
    const outcomes = await outcomesOf(processor, [
      { operation: 'good', data: 1 },
      { operation: 'bad' },
      { operation: 'good', data: 3 },
    ]);
    expect(outcomes).toMatchObject([
      { result: 1 },
      { error: { code: 'ERR_PROCESSOR_NOT_CLONEABLE' } },
      { result: 3 },
    ]);
  });
});

describe('memory that moves or is shared', () => {
  test('what stands in the transfer list moves: the sender keeps nothing', async () => {
    processor.define('first', (bytes: Uint8Array) => bytes[0]);
    const bytes = Uint8Array.of(7, 8);
    await expect(
      processor.run({ operation: 'first', data: bytes }, { transferList: [bytes.buffer] }),
    ).resolves.toBe(7);
    expect(bytes.byteLength).toBe(0);
    const other = Uint8Array.of(9);
    const tasks = [
      { operation: 'first', data: [1] },
      { operation: 'first', data: other, transferList: [other.buffer] },
    ];
    await expect(outcomesOf(processor, tasks)).resolves.toMatchObject([{ result: 1 }, { result: 9 }]);
    expect(other.byteLength).toBe(0);
  });

  test('a port can move', async () => {
    const { port1, port2 } = new MessageChannel();
    const heard = new Promise((resolve) => {
      port1.on('message', resolve);
    });
    processor.define('say', (port: MessagePort) => port.postMessage('from the worker'));
    await processor.run({ operation: 'say', data: port2, transferList: [untyped(port2)] });
    await expect(heard).resolves.toBe('from the worker');
    port1.close();
  });

  test.each<[string, string, unknown, string]>([
    ['one buffer twice', 'any', 'twice', 'ERR_PROCESSOR_NOT_CLONEABLE'],
    ['what cannot move', 'any', [{}], 'ERR_PROCESSOR_NOT_CLONEABLE'],
    ['no list', 'any', {}, 'ERR_PROCESSOR_INVALID_TYPE'],
    ['a native operation', 'sum', [], 'ERR_PROCESSOR_UNKNOWN_OPERATION'],
  ])('a transfer list with %s is refused', async (_what, operation, list, code) => {
    processor.define('any', (x: unknown) => x);
    const data = Uint8Array.of(1);
    const transferList = untyped(list === 'twice' ? [data.buffer, data.buffer] : list);
    await expect(processor.run({ operation, data, transferList })).rejects.toMatchObject({ code });
    expect(data.byteLength).toBe(1);
    await expect(run('any', 1)).resolves.toBe(1);
  });

  test('context.transfer moves memory back', async () => {
    const fill = (size: number, context: OperationContext): unknown => {
      const bytes = new Uint8Array(size).fill(3);
      return context.transfer({ bytes }, [bytes.buffer]);
    };
    await expect(call(fill, 1000)).resolves.toEqual({ bytes: new Uint8Array(1000).fill(3) });
  });

  test('context.transfer of what cannot move fails the task', async () => {
    const error = await rejection(
      call((_: unknown, context: OperationContext) => context.transfer(1, [{}] as never)),
    );
    expect(error.message).toMatch(/transfer/i);
    await expect(call2()).resolves.toBe(1);
    function call2(): Promise<unknown> {
      processor.define('next', () => 1);
      return run('next');
    }
  });

  test.each<[string, (s: SharedArrayBuffer) => unknown]>([
    ['itself', (s) => s],
    ['under a view', (s) => new Int32Array(s, 4)],
    ['inside an object', (s) => ({ deep: [{ s }] })],
  ])('a SharedArrayBuffer is one memory on both sides: %s', async (_what, wrap) => {
    const memory = new SharedArrayBuffer(8);
    const add = (data: unknown): unknown => {
      const find = (x: unknown): ArrayBufferLike => {
        if (x instanceof SharedArrayBuffer) return x;
        if (ArrayBuffer.isView(x)) return x.buffer;
        return find(Object.values(x as object)[0]);
      };
      Atomics.add(new Int32Array(find(data)), 0, 1);
      return data;
    };
    const back = await call(add, wrap(memory));
    await Promise.all(Array.from({ length: 99 }, () => run('called', wrap(memory))));
    expect(new Int32Array(memory)[0]).toBe(100);
    expect(back).toEqual(wrap(memory));
    if (ArrayBuffer.isView(back)) expect(back.buffer).toBe(memory);
    if (types.isSharedArrayBuffer(back)) expect(back).toBe(memory);
  });

  test('a SharedArrayBuffer where it cannot be shared is refused with the reason', async () => {
    const error = await rejection(call((x: unknown) => x, new Map([['s', new SharedArrayBuffer(8)]])));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PROCESSOR_NOT_CLONEABLE' });
    expect(error.message).toMatch(/inside a Map/);
  });

  test("a worker's own shared memory comes out through context.transfer", async () => {
    const memory = await call<SharedArrayBuffer>((_: unknown, context: OperationContext) => {
      const made = new SharedArrayBuffer(4);
      new Uint8Array(made)[0] = 5;
      return context.transfer(made, []);
    });
    expect(types.isSharedArrayBuffer(memory)).toBe(true);
    expect(new Uint8Array(memory)[0]).toBe(5);
  });
});
