/** Errors between threads: they arrive in their class and with what they hold, or say why they cannot. */
import * as actor from '../dist/actor';
import { GenServer, InitializationError } from '../dist/actor';
import { FILE, runAt, startFar } from './lib/actor-threads';
import { rejection } from './lib/processors';

type Made = new (...args: unknown[]) => Error & { code: string };

describe('an error of the actors', () => {
  test.each([
    ['ApplicationNotRunningError', ['app']],
    ['ApplicationAlreadyRunningError', ['app']],
    ['ApplicationStopTimeoutError', ['app', 5]],
    ['ApplicationStartError', ['app', 'no', new TypeError('why')]],
    ['CallTimeoutError', ['server', 5]],
    ['MailboxFullError', ['server', 5]],
    ['NotRegisteredError', ['name']],
    ['DeadlockError', ['server', 'advice']],
    ['MaxRestartsExceededError', ['supervisor', 3, 5000]],
  ] as const)('%s arrives in its class, with its fields, also from within another', async (name, args) => {
    const far = await startFar();
    const type = actor[name] as unknown as Made;
    const { message, ...fields } = Object.assign(new type(...args), { message: new type(...args).message });
    const expected = expect.objectContaining({ message, ...fields });
    const alone = rejection(
      runAt(
        far,
        (there, kind, given) => {
          throw new (there[kind] as unknown as Made)(...given);
        },
        name,
        args,
      ),
    );
    const holding = await rejection(
      runAt(
        far,
        (there, kind, given) => {
          const inner = (): Error => new (there[kind] as unknown as Made)(...given);
          const cause = new Error('deep', { cause: inner() });
          throw new AggregateError([inner(), 5], 'of all', { cause });
        },
        name,
        args,
      ),
    );
    const { errors, cause } = holding as AggregateError;
    expect(holding).toMatchObject({ name: 'AggregateError', message: 'of all' });
    expect([errors.length, errors[1]]).toEqual([2, 5]);
    for (const error of [await alone, errors[0], (cause as Error).cause]) {
      expect(error).toBeInstanceOf(type);
      expect(error).toEqual(expected);
    }
  });
});

test.each([
  ['null', 'null'],
  ['a text', '"a text"'],
  ['a symbol', 'Symbol("s")'],
  ['an object without a prototype', 'Object.create(null)'],
  ['an object whose toString throws', '({ toString() { throw new Error("no text") } })'],
])('%s that is thrown or rejects arrives as an Error, and the server goes on', async (_, thrown) => {
  const far = await startFar();
  for (const code of [`() => { throw ${thrown}; }`, `() => Promise.reject(${thrown})`]) {
    const error = await rejection(GenServer.call(far, { do: 'run', code, args: [] }));
    expect([Object.prototype.toString.call(error), typeof error.message, error.code]).toEqual([
      '[object Error]',
      'string',
      undefined,
    ]);
  }
  expect(await GenServer.call(far, { do: 'get' })).toBe(0);
});

test('what cannot be cloned says why, in the words of the clone', async () => {
  const far = await startFar();
  const here = await rejection(GenServer.call(far, { do: 'echo', value: () => 1 }));
  const there = await rejection(GenServer.call(far, { do: 'unsendable' }));
  for (const error of [here, there]) {
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_ACTOR_NOT_CLONEABLE' });
    expect(error.message).toMatch(/\(\) ?=> ?1/);
    expect((error.cause as { code?: string } | undefined)?.code).toBeUndefined();
  }
});

test('a start whose init runs out of memory says so, whatever is heard of first', async () => {
  for (let round = 0; round < 4; round++) {
    const thread = { resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 } };
    const error = await rejection(GenServer.start({ module: FILE, export: 'hoarding' }, { thread }));
    expect(error).toBeInstanceOf(InitializationError);
    expect(error.cause).toMatchObject({
      code: 'ERR_ACTOR_WORKER_DIED',
      cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
    });
  }
});
