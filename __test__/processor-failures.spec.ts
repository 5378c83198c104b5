/** What users' operations throw, workers that die, and tasks that are tried again. */
import { types } from 'node:util';
import type { NoizylabError, TrillionProcessor } from '..';
import type { OperationContext } from '..';
import { open, outcomesOf, rejection } from './lib/processors';

const DIED = { name: 'NoizylabError', code: 'ERR_PROCESSOR_WORKER_DIED' };
const TIMEOUT = { name: 'NoizylabError', code: 'ERR_PROCESSOR_TIMEOUT' };

let processor: TrillionProcessor;
let deaths: { workerId: number; error: Error }[];
beforeEach(() => {
  processor = open({ maxWorkers: 2 });
  deaths = [];
  processor.on('workerError', (event) => deaths.push(event));
});
const run = <R = unknown>(operation: string, data?: unknown): Promise<R> => processor.run<R>({ operation, data });

/** What running `fn` as an operation rejects with. */
function failureOf(fn: (data: never, context: OperationContext) => unknown, data?: unknown): Promise<NoizylabError> {
  processor.define('failing', fn);
  return rejection(run('failing', data)) as Promise<NoizylabError>;
}

describe('what an operation throws', () => {
  test('arrives with name, message, stack, code, cause and own properties', async () => {
    const error = await failureOf(function thrower(data: number) {
      const cause = Object.assign(new RangeError('inner'), { code: 'INNER' });
      throw Object.assign(new TypeError('outer', { cause }), { code: 'OUTER', details: new Map([[data, 'x']]) });
    }, 5);
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ name: 'TypeError', message: 'outer', code: 'OUTER', details: new Map([[5, 'x']]) });
    expect(error.stack).toMatch(/^TypeError: outer\n.*thrower/);
    expect(error.cause).toMatchObject({ name: 'RangeError', message: 'inner', code: 'INNER' });
    expect(Object.keys(error)).toEqual(['code', 'details']);
  });

  test('comes from a rejected promise the same way', async () => {
    const error = await failureOf(async () => {
      await null;
      throw new SyntaxError('later');
    });
    expect(error).toMatchObject({ name: 'SyntaxError', message: 'later' });
  });

  test('keeps the name of its own class, and the properties of an error of Node', async () => {
    const error = await failureOf(() => {
      class LateError extends Error {
        override name = 'LateError';
      }
      throw new LateError('mine');
    });
    expect(error).toMatchObject({ name: 'LateError', message: 'mine' });
    processor.define('read', () => (require('node:fs') as typeof import('node:fs')).readFileSync('/does/not/exist'));
    await expect(run('read')).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open', path: '/does/not/exist' });
  });

  test('keeps the errors of an AggregateError', async () => {
    const error = await failureOf(() => {
      throw new AggregateError([new RangeError('a'), 'b'], 'both');
    });
    expect(error).toMatchObject({ name: 'AggregateError', message: 'both' });
    expect((error as unknown as AggregateError).errors).toMatchObject([{ name: 'RangeError', message: 'a' }, 'b']);
  });

  test('may be a DOMException, as of an aborted fetch', async () => {
    const error = await failureOf(() => AbortSignal.abort().throwIfAborted());
    expect(error).toMatchObject({ name: 'AbortError', message: 'This operation was aborted' });
  });

  test.each<[string, () => unknown, object]>([
    ['a getter that throws', () => throwWith({ enumerable: true, get: () => JSON.parse('{') as unknown }), {}],
    ['a method', () => throwWith({ enumerable: true, value: () => 1 }), {}],
    ['a symbol', () => throwWith({ enumerable: true, value: Symbol('s') }), {}],
  ])('leaves behind what cannot be cloned: %s', async (_what, make, _expected) => {
    void make;
    const error = await failureOf((kind: string) => {
      const odd: PropertyDescriptor =
        kind === 'a getter that throws' ? { get: () => JSON.parse('{') as unknown } : { value: kind === 'a method' ? () => 1 : Symbol('s') };
      throw Object.defineProperty(Object.assign(new Error('odd'), { kept: 1 }), 'odd', { ...odd, enumerable: true });
    }, _what);
    expect(error).toMatchObject({ message: 'odd', kept: 1 });
    expect(deaths).toEqual([]);
  });

  test('may be an error whose message cannot be read', async () => {
    const get = (): never => {
      throw new Error('from the getter');
    };
    void get;
    const error = await failureOf(() => {
      throw Object.defineProperty(new Error('x'), 'message', { get: () => JSON.parse('{') as unknown });
    });
    expect(types.isNativeError(error)).toBe(true);
    expect(deaths).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['a text', 'oops'],
    ['a number', 0],
    ['null', null],
    ['undefined', undefined],
    ['an object', { code: 5 }],
  ])('that is no error but %s is the cause of one', async (_what, thrown) => {
    const error = await failureOf((data: unknown) => {
      throw data; // oxlint-disable-line no-throw-literal -- the point of it
    }, thrown);
    expect(error).toMatchObject({ name: 'NoizylabError', code: 'ERR_PROCESSOR_TASK_THREW' });
    expect(error.cause).toEqual(thrown);
  });

  test('an object with a `then` that throws fails the task', async () => {
    const error = await failureOf(() => ({
      get then() {
        return JSON.parse('{') as unknown;
      },
    }));
    expect(error).toMatchObject({ name: 'SyntaxError' });
  });
});
