/** What a GenServer does where a handler fails: throws, returns what is no result, or awaits its own server. */
import { GenServer, Registry, ServerNotRunningError } from '../dist/actor';
import type { ExitReason } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import {
  type CallWork,
  type Doer,
  fail,
  gate,
  holdUntil,
  note,
  read,
  recordEvents,
  say,
  startDoer,
} from './fixtures/actor-servers';
import { toldBy } from './lib/child';
import { rejection } from './lib/processors';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

describe('faults of handlers', () => {
  test.each<[string, unknown, CallWork]>([
    ['throws', new RangeError('bad'), fail(new RangeError('bad'))],
    ['rejects', new RangeError('bad'), async () => Promise.reject(new RangeError('bad'))],
    ['throws a text', new Error('text'), fail('text')],
    ['rejects with undefined', new Error('undefined'), async () => Promise.reject(undefined)],
  ])(
    'a handleCall that %s rejects the call, and the server goes on with its state',
    async (_, error, work) => {
      const ref = await startDoer();
      GenServer.cast(ref, note('before'));
      const events = recordEvents();
      const results = await Promise.allSettled(
        [work, say('behind'), work, read].map((each) => GenServer.call(ref, each)),
      );
      expect(results).toEqual([
        { status: 'rejected', reason: error },
        { status: 'fulfilled', value: 'behind' },
        { status: 'rejected', reason: error },
        { status: 'fulfilled', value: ['before', 'behind'] },
      ]);
      expect([events, GenServer.isRunning(ref)]).toEqual([[], true]);
    },
  );

  test('the caller gets the very error that was thrown', async () => {
    const ref = await startDoer();
    const error = new Error('this one');
    expect(await rejection(GenServer.call(ref, fail(error)))).toBe(error);
  });

  test.each([undefined, null, 5, {}, 'ab'])(
    'a handleCall that returns %p rejects the call',
    async (result) => {
      const ref = await startDoer();
      for (const work of [() => result, async () => result]) {
        const error = await rejection(GenServer.call(ref, work as unknown as CallWork));
        expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' });
        expect(error.message).toContain('handleCall');
      }
      expect(await GenServer.call(ref, read)).toEqual([]);
    },
  );

  test.each([
    ['throws', fail(new Error('bad'))],
    ['rejects', async () => Promise.reject(new Error('bad'))],
  ])(
    "a handleCast that %s is told as an 'error' event, and the server goes on with its state",
    async (_, work) => {
      const ref = await startDoer();
      const events = recordEvents();
      GenServer.cast(ref, note('a'));
      GenServer.cast(ref, work);
      GenServer.cast(ref, note('b'));
      expect(await GenServer.call(ref, read)).toEqual(['a', 'b']);
      expect(events).toEqual([{ type: 'error', ref, error: new Error('bad'), message: work }]);
    },
  );

  test('where nobody listens to events, a fault of a cast is a warning of the process, once for each server', async () => {
    const code = `
      const { GenServer } = require('@noizylab/core/actor');
      process.on('warning', ({ name, code, message }) => tell({ name, code, message: message.includes('no luck') }));
      const start = () => GenServer.start({ init: () => 0, handleCall: (_, n) => [n, n], handleCast: () => { throw new Error('no luck'); } });
      const refs = [await start(), await start()];
      for (const ref of refs) for (let i = 0; i < 3; i++) GenServer.cast(ref, i);
      tell(await GenServer.call(refs[1], 'get'));
    `;
    const warning = { name: 'ActorWarning', code: 'ERR_ACTOR_UNHANDLED_FAULT', message: true };
    const told = await toldBy(code, { nodeArgs: ['--no-warnings'] });
    expect(told.filter((value) => value !== 0)).toEqual([warning, warning]);
  });

  test('it is one also where calls had failed before, or a listener that is gone had heard of the first', async () => {
    const code = `
      const { GenServer } = require('@noizylab/core/actor');
      process.on('warning', ({ message }) => tell(message.slice(message.lastIndexOf(': ') + 2)));
      const behavior = { init: () => 0, handleCall: (m) => { throw new Error(m); }, handleCast: (m) => { throw new Error(m); } };
      const [called, heard] = [await GenServer.start(behavior), await GenServer.start(behavior)];
      await GenServer.call(called, 'a call').catch(() => {});
      GenServer.cast(called, 'after a call');
      const off = GenServer.onLifecycleEvent(() => {});
      GenServer.cast(heard, 'heard');
      await GenServer.call(heard, 'both go on').catch(() => {});
      off();
      GenServer.cast(heard, 'not heard');
    `;
    expect(await toldBy(code, { nodeArgs: ['--no-warnings'] })).toEqual(['after a call', 'not heard']);
  });

  describe("with onError: 'crash'", () => {
    const startCrashing = async (ends: (reason: ExitReason, done: readonly string[]) => void) =>
      startDoer({ onError: 'crash', name: 'crashing' }, ends);

    test.each([
      ['handleCast throws', fail(new Error('bad'))],
      ['handleCast rejects', async () => Promise.reject(new Error('bad'))],
    ])('a server ends whose %s', async (_, work) => {
      const ends: unknown[] = [];
      const ref = await startCrashing((reason, done) => ends.push(reason, done));
      const events = recordEvents();
      const error = new Error('bad');
      const hold = gate();
      GenServer.cast(ref, holdUntil(hold));
      GenServer.cast(ref, work);
      GenServer.cast(ref, note('never'));
      const behind = rejection(GenServer.call(ref, read, { timeout: Infinity }));
      const stopped = GenServer.stop(ref);
      hold.open();
      expect(await behind).toBeInstanceOf(ServerNotRunningError);
      await stopped;
      expect(ends).toEqual([{ error }, ['held']]);
      expect(events).toEqual([
        { type: 'crashed', ref, error },
        { type: 'terminated', ref, reason: { error } },
      ]);
      expect([GenServer.isRunning(ref), Registry.isRegistered('crashing')]).toEqual([false, false]);
    });

    test('a server ends whose handleCall throws, and the caller gets that error', async () => {
      const ends: unknown[] = [];
      const ref = await startCrashing((reason) => ends.push(reason));
      const events = recordEvents();
      const error = new Error('bad');
      const failed = GenServer.call(ref, fail(error));
      expect(GenServer.isRunning(ref)).toBe(false);
      expect(await rejection(failed)).toBe(error);
      expect([ends, events.map(({ type }) => type)]).toEqual([[{ error }], ['crashed', 'terminated']]);
    });

    test('a terminate that throws as well changes nothing', async () => {
      const ref = await startCrashing(fail(new Error('terminate')));
      const events = recordEvents();
      GenServer.cast(ref, fail(new Error('bad')));
      expect(events.map(({ type }) => type)).toEqual(['crashed', 'error', 'terminated']);
      expect(GenServer.isRunning(ref)).toBe(false);
    });
  });

  test('a handleCall that gives a reply without a state rejects the call, and the state stays', async () => {
    const ref = await startDoer();
    GenServer.cast(ref, note('kept'));
    for (const result of [[], ['the reply alone']]) {
      for (const work of [() => result, async () => result]) {
        const error = await rejection(GenServer.call(ref, work as unknown as CallWork));
        expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' });
      }
    }
    expect(await GenServer.call(ref, read)).toEqual(['kept']);
  });
});

describe('a handler that awaits its own server', () => {
  const deadlock = { name: 'DeadlockError', code: 'ERR_ACTOR_DEADLOCK' };

  test.each<[string, (ref: Doer) => CallWork]>([
    ['awaits a call', (ref) => async (done) => [await GenServer.call(ref, read), done]],
    ['returns a call', (ref) => () => GenServer.call(ref, read)],
    [
      'awaits a stop',
      (ref) => async (done) => {
        await GenServer.stop(ref);
        return ['stopped', done];
      },
    ],
    [
      'awaits a call with more',
      (ref) => async (done) => [(await GenServer.call(ref, read).then(String)).length, done],
    ],
  ])('%s is refused at once with ERR_ACTOR_DEADLOCK and advice', async (_, work) => {
    const ref = await startDoer();
    const error = await rejection(GenServer.call(ref, work(ref), { timeout: Infinity }));
    expect(error).toMatchObject({ ...deadlock, serverId: ref.id });
    expect(error.message).toContain('do not await');
  });

  test('goes on where it catches that, and the call that was refused is not made', async () => {
    const ref = await startDoer();
    const reply = GenServer.call(ref, async (done) => {
      const error = await rejection(GenServer.call(ref, say('never')));
      return [error, [...done, 'caught']];
    });
    expect(await reply).toMatchObject(deadlock);
    expect(await GenServer.call(ref, read)).toEqual(['caught']);
  });

  test('a call or stop of its own server that a handler does not await is made when the handler has ended', async () => {
    const ref = await startDoer();
    let later: Promise<unknown> | undefined;
    let stopped: Promise<void> | undefined;
    await GenServer.call(ref, (done) => {
      later = GenServer.call(ref, say('later'));
      return [1, [...done, 'first']];
    });
    expect(await later).toBe('later');
    const seen = await GenServer.call(ref, async (done) => {
      stopped = GenServer.stop(ref);
      await Promise.resolve();
      return [done, done];
    });
    await stopped;
    expect([seen, GenServer.isRunning(ref)]).toEqual([['first', 'later'], false]);
  });
});

/**
 * `String` throws for an object without `toString`. That once came out of the very place that handles what a handler throws: the server stayed busy for ever, and
 * where its message had been queued, no server of the thread handled queued messages any more.
 */
describe('what is thrown and cannot be written into a text', () => {
  const revoked = (target: object): unknown => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  };
  const unreadable = (message: PropertyDescriptor): Error =>
    Object.defineProperty(new Error('lost'), 'message', message);
  const THROWN: [string, () => unknown][] = [
    ['an object without a prototype', () => Object.create(null)],
    ['an object whose toString is no function', () => ({ toString: 1 })],
    ['an object whose toString throws', () => ({ toString: fail(new Error('no text')) })],
    ['a revoked proxy of an object', () => revoked({})],
    ['a revoked proxy of a function', () => revoked(() => {})],
    ['an Error whose message cannot be read', () => unreadable({ get: fail(new Error('no message')) })],
    ['an Error whose message has no text', () => unreadable({ value: Object.create(null) })],
    ['an Error whose message is a symbol', () => unreadable({ value: Symbol('message') })],
  ];

  test.each(THROWN)('%s is told as an Error, and all servers go on', async (_, make) => {
    const [ref, other] = [await startDoer(), await startDoer()];
    const events = recordEvents();
    const throwing = fail(make());
    const rejecting = async (): Promise<never> => throwing();
    const errors: unknown[] = [];
    for (const work of [throwing, rejecting]) {
      errors.push(await rejection(GenServer.call(ref, work))); // idle
      GenServer.cast(ref, note('before'));
      errors.push(await rejection(GenServer.call(ref, work))); // queued
      GenServer.cast(ref, work);
      GenServer.cast(ref, work);
      const behind = [read, read].flatMap((each) => [ref, other].map((at) => GenServer.call(at, each)));
      expect((await Promise.all(behind)).length).toBe(4);
    }
    for (const event of events) errors.push(event.type === 'error' && event.error);
    expect(errors.length).toBe(8);
    for (const error of errors) expect(String(error)).toMatch(/^Error: ./);
    expect(await GenServer.call(ref, read)).toEqual(['before', 'before']);
  });

  test.each(THROWN.slice(0, 5))('%s ends a server with onError crash, as any other', async (_, make) => {
    const ref = await startDoer({ onError: 'crash' });
    const events = recordEvents();
    GenServer.cast(ref, fail(make()));
    expect([events.map(({ type }) => type), GenServer.isRunning(ref)]).toEqual([
      ['crashed', 'terminated'],
      false,
    ]);
  });

  test('where nobody listens it is a warning, and the server goes on', async () => {
    const code = `
      const { GenServer } = require('@noizylab/core/actor');
      process.on('warning', ({ code }) => tell(code));
      const behavior = {
        init: () => 0,
        handleCall: (_, n) => [n, n],
        handleCast: () => { throw Object.assign(new Error(), { message: Object.create(null) }); },
      };
      const ref = await GenServer.start(behavior);
      GenServer.cast(ref, 1);
      tell(await GenServer.call(ref, 'get'));
    `;
    const told = await toldBy(code, { nodeArgs: ['--no-warnings'] });
    expect(new Set(told)).toEqual(new Set([0, 'ERR_ACTOR_UNHANDLED_FAULT']));
  });

  test.each(['get stack() { throw new Error(); }', 'stack: Object.create(null)', 'stack: Symbol()'])(
    'an Error with %s is a warning where nobody listens',
    async (stack) => {
      const code = `
        const { GenServer } = require('@noizylab/core/actor');
        process.on('warning', ({ message }) => tell(message));
        const error = Object.defineProperties(new Error('odd'), Object.getOwnPropertyDescriptors({ ${stack} }));
        const ref = await GenServer.start({
          init: () => 0,
          handleCall: (_, n) => [n, n],
          handleCast: () => { throw error; },
        });
        GenServer.cast(ref, 'idle');
        GenServer.cast(ref, 'queued');
        await GenServer.call(ref, 'behind');
      `;
      expect(await toldBy(code, { nodeArgs: ['--no-warnings'] })).toEqual([
        expect.stringMatching(/could not handle a message: ./),
      ]);
    },
  );

  test('a result whose reply cannot be read fails the call, and the server goes on with its state', async () => {
    const [ref, other] = [await startDoer(), await startDoer()];
    const result = new Proxy(['reply', ['lost']], {
      get(target, key) {
        if (key === '0') throw new Error('no reply');
        return Reflect.get(target, key) as unknown;
      },
    });
    for (const work of [() => result, async () => result] as unknown as CallWork[]) {
      const idle = rejection(GenServer.call(ref, work));
      const queued = rejection(GenServer.call(ref, work));
      expect([await idle, await queued]).toEqual([new Error('no reply'), new Error('no reply')]);
    }
    expect(await Promise.all([GenServer.call(ref, read), GenServer.call(other, read)])).toEqual([[], []]);
  });

  test('a revoked proxy of a function is refused as an option by name', async () => {
    const error = await rejection(startDoer({ name: revoked(() => {}) as string }));
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' });
    expect(error.message).toContain('name must be');
  });

  test('a promise that cannot be asked for its value fails the call, and the server goes on', async () => {
    const ref = await startDoer();
    const promise = Object.defineProperty(Promise.resolve(), 'constructor', { get: fail(new Error('no')) });
    GenServer.onLifecycleEvent(() => {}); // the fault of the cast is expected
    for (const work of [() => promise, () => [promise, []]])
      expect(await rejection(GenServer.call(ref, work as unknown as CallWork))).toEqual(new Error('no'));
    GenServer.cast(ref, (() => promise) as never);
    expect(await GenServer.call(ref, say('on'))).toBe('on');
  });

  test.each(['get', 'value'])('nor does one whose own then throws (%s) stop the server', async (kind) => {
    const ref = await startDoer();
    const broken = { [kind]: fail(new Error('no')) };
    const work = () => Object.defineProperty(Promise.resolve(), 'then', broken);
    GenServer.onLifecycleEvent(() => {}); // the fault of the cast is expected
    expect(await rejection(GenServer.call(ref, work as unknown as CallWork))).toEqual(new Error('no'));
    GenServer.cast(ref, work as never);
    expect(await GenServer.call(ref, say('on'))).toBe('on');
  });
});

test('where one that is to be run throws, against its promise, Node tells of it, and it and all others go on', async () => {
  const code = `
    const { schedule } = require('./dist/actor/scheduler');
    process.on('unhandledRejection', ({ message }) => tell(message));
    const turns = [];
    const runnable = (name, run) => ({ run: (quantum) => { turns.push(name); run(); return 1; } });
    let faults = 0;
    schedule(runnable('bad', () => { if (faults++ === 0) throw new Error('a fault'); }));
    schedule(runnable('good', () => {}));
    setImmediate(() => {
      schedule(runnable('later', () => {}));
      setImmediate(async () => { await tell(turns); process.disconnect(); });
    });
  `;
  expect(await toldBy(code)).toEqual(['a fault', ['bad', 'good', 'bad', 'later']]);
});

test('what a listener of lifecycle events throws or rejects with reaches nobody, and the other listeners are told', async () => {
  const code = `
    const { GenServer } = require('@noizylab/core/actor');
    GenServer.onLifecycleEvent(() => { throw new Error('thrown'); });
    GenServer.onLifecycleEvent(async () => { throw new Error('rejected'); });
    GenServer.onLifecycleEvent(() => ({ then() { throw new Error('no promise'); } }));
    GenServer.onLifecycleEvent(({ type }) => tell(type));
    await GenServer.stop(await GenServer.start({ init: () => 0, handleCall: () => [0, 0], handleCast: () => 0 }));
  `;
  expect(await toldBy(code)).toEqual(['started', 'terminated']);
});
