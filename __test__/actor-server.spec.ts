/**
 * `GenServer`: start, call, cast, stop, kill, lifecycle events, faults of handlers, and how a process ends that has servers. The order of messages, timeouts and
 * bounds are in `actor-mailbox`, monitors and links in `actor-links`, other threads in `actor-threads`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { GenServer, InitializationError, Registry, ServerNotRunningError } from '../dist/actor';
import type { ExitReason, GenServerBehavior, GenServerOptions, GenServerRef } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { genServer, quickStart, registry } from './fixtures/actor-readme';
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
import { ROOT, toldBy } from './lib/child';
import { rejection } from './lib/processors';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

const counter: GenServerBehavior<number, 'get', number, number> = {
  init: () => 0,
  handleCall: (_message, state) => [state, state],
  handleCast: (message, state) => state + message,
};

/** A cast of a function that what is not typed may send. */
const untyped = GenServer as unknown as Record<keyof typeof GenServer, (...args: unknown[]) => unknown>;

describe('start', () => {
  test('gives a plain reference; one made by hand from its id works as well', async () => {
    const ref = await GenServer.start(counter);
    expect(ref).toEqual({ id: expect.stringMatching(/^genserver_\d+_[0-9a-z]+$/) });
    GenServer.cast({ id: ref.id }, 3);
    expect(await GenServer.call(structuredClone(ref), 'get')).toBe(3);
  });

  test('each server has its own id and state', async () => {
    const refs = await Promise.all(Array.from({ length: 100 }, () => GenServer.start(counter)));
    expect(new Set(refs.map(({ id }) => id)).size).toBe(100);
    GenServer.cast(refs[0]!, 1);
    expect(await Promise.all(refs.map((ref) => GenServer.call(ref, 'get')))).toEqual([
      1,
      ...Array(99).fill(0),
    ]);
  });

  test('waits for an init that returns a promise', async () => {
    const ref = await GenServer.start({ ...counter, init: async () => 5 });
    expect(await GenServer.call(ref, 'get')).toBe(5);
  });

  test("emits 'started' once, after the name is given and before it resolves", async () => {
    const seen: unknown[] = [];
    GenServer.onLifecycleEvent((event) =>
      seen.push(event, Registry.whereis('named'), GenServer.isRunning(event.ref)),
    );
    const starting = GenServer.start(counter, { name: 'named' }).then((ref) => {
      seen.push('resolved');
      return ref;
    });
    const ref = await starting;
    expect(seen).toEqual([{ type: 'started', ref }, ref, true, 'resolved']);
  });

  test.each<[string, () => number | Promise<number>, string]>([
    ['throws', fail(new Error('no disk')), 'no disk'],
    ['rejects', () => Promise.reject(new Error('no net')), 'no net'],
    ['throws no error', fail('text'), 'text'],
    ['throws undefined', fail(undefined), 'undefined'],
  ])(
    'rejects with InitializationError where init %s, and leaves nothing behind',
    async (_, init, message) => {
      const events = recordEvents();
      const error = await rejection(GenServer.start({ ...counter, init }, { name: 'failing' }));
      expect(error).toBeInstanceOf(InitializationError);
      const { serverId } = error as InitializationError;
      expect(error).toMatchObject({
        name: 'InitializationError',
        code: 'ERR_ACTOR_INITIALIZATION',
        message: `GenServer '${serverId}' failed to initialize: ${message}`,
        cause: { message },
      });
      expect(serverId).toMatch(/^genserver_/);
      expect([events, Registry.isRegistered('failing'), GenServer.isRunning({ id: serverId })]).toEqual([
        [],
        false,
        false,
      ]);
    },
  );

  test('an init that takes longer than initTimeout is given up, and its late state dropped', async () => {
    jest.useFakeTimers();
    const events = recordEvents();
    const late = gate();
    const init = () => late.opened.then(() => 1);
    const starting = rejection(GenServer.start({ ...counter, init }, { initTimeout: 50 }));
    await jest.advanceTimersByTimeAsync(50);
    expect(await starting).toMatchObject({
      name: 'InitializationError',
      cause: { message: 'Init timed out after 50ms' },
    });
    late.open();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(events).toEqual([]);
  });

  test('no timer is left of a start, however it ends', async () => {
    jest.useFakeTimers();
    await GenServer.start({ ...counter, init: async () => 1 });
    await rejection(GenServer.start({ ...counter, init: fail(new Error('sync')) }));
    await rejection(GenServer.start({ ...counter, init: () => Promise.reject(new Error('async')) }));
    expect(jest.getTimerCount()).toBe(0);
  });

  test('of two that start under one name at the same time one has it, and the other does not run', async () => {
    const events = recordEvents();
    const starts = await Promise.allSettled(
      [1, 2].map(() => GenServer.start({ ...counter, init: async () => 0 }, { name: 'one' })),
    );
    const [won, lost] = starts.toSorted((a, b) => a.status.localeCompare(b.status)) as [
      PromiseFulfilledResult<GenServerRef>,
      PromiseRejectedResult,
    ];
    expect(lost.reason).toMatchObject({
      name: 'AlreadyRegisteredError',
      code: 'ERR_ACTOR_ALREADY_REGISTERED',
      registeredName: 'one',
    });
    expect(Registry.whereis('one')).toBe(won.value);
    expect(events.filter(({ type }) => type === 'started')).toEqual([{ type: 'started', ref: won.value }]);
  });

  test.each<[string, unknown, unknown, string]>([
    ['no behaviour', undefined, undefined, 'ERR_ACTOR_INVALID_TYPE'],
    ['null', null, undefined, 'ERR_ACTOR_INVALID_TYPE'],
    [
      'a behaviour without handleCall',
      { init: () => 0, handleCast: () => 0 },
      undefined,
      'ERR_ACTOR_INVALID_TYPE',
    ],
    ['a terminate that is no function', { ...counter, terminate: 1 }, undefined, 'ERR_ACTOR_INVALID_TYPE'],
    ['options that are no object', counter, 5, 'ERR_ACTOR_INVALID_TYPE'],
    ['a name that is no text', counter, { name: 5 }, 'ERR_ACTOR_INVALID_TYPE'],
    ['initTimeout -1', counter, { initTimeout: -1 }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['initTimeout NaN', counter, { initTimeout: Number.NaN }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ["initTimeout '5'", counter, { initTimeout: '5' }, 'ERR_ACTOR_INVALID_TYPE'],
    ['initTimeout 2^31', counter, { initTimeout: 2 ** 31 }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['an unknown onError', counter, { onError: 'restart' }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['trapExit 1', counter, { trapExit: 1 }, 'ERR_ACTOR_INVALID_TYPE'],
    ['a mailbox of 0', counter, { mailbox: { limit: 0 } }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['a mailbox of 1.5', counter, { mailbox: { limit: 1.5 } }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['an unknown overflow', counter, { mailbox: { overflow: 'block' } }, 'ERR_ACTOR_OUT_OF_RANGE'],
  ])('refuses %s', async (_, behavior, options, code) => {
    const events = recordEvents();
    expect(await rejection(untyped.start(behavior, options) as Promise<unknown>)).toMatchObject({ code });
    expect(events).toEqual([]);
  });

  test('undefined options are the defaults', async () => {
    const options = { name: undefined, initTimeout: undefined, mailbox: undefined, onError: undefined };
    const ref = await GenServer.start(counter, options as unknown as GenServerOptions);
    expect(await GenServer.call(ref, 'get', { timeout: undefined as unknown as number })).toBe(0);
  });
});

describe('messages', () => {
  test('an idle server handles a message inside call or cast, the next ones when that turn is over', async () => {
    const ref = await startDoer();
    const log: string[] = [];
    const work = (word: string) => (done: readonly string[]) => {
      log.push(word);
      return done;
    };
    GenServer.cast(ref, work('first'));
    log.push('after first');
    GenServer.cast(ref, work('second'));
    log.push('after second');
    const third = GenServer.call(ref, (done) => [log.push('third'), done]);
    log.push('after third');
    await third;
    expect(log).toEqual(['first', 'after first', 'after second', 'after third', 'second', 'third']);
    const idle = GenServer.call(ref, (done) => [log.push('at once'), done]);
    log.push('after at once');
    expect(await idle).toBe(7);
    expect(log.slice(6)).toEqual(['at once', 'after at once']);
  });

  test('values travel as they are: functions, class instances, cycles, undefined', async () => {
    class Socket {
      peer: unknown = this;
    }
    const socket = new Socket();
    const echo: GenServerBehavior<unknown, unknown, unknown, unknown> = {
      init: () => undefined,
      handleCall: (message) => [message, message],
      handleCast: (message) => message,
    };
    const ref = await GenServer.start(echo);
    for (const value of [socket, fail, undefined, null, 0, '', [1]])
      expect(await GenServer.call(ref, value)).toBe(value);
  });

  test('a promise as the reply is waited for by the caller alone', async () => {
    const ref = await startDoer();
    const reply = gate();
    const waiting = GenServer.call(ref, (done) => [reply.opened.then(() => 'late'), done]);
    expect(await GenServer.call(ref, say('meanwhile'))).toBe('meanwhile');
    reply.open();
    expect(await waiting).toBe('late');
  });

  test('handlers that return promises run one at a time, each on the state of the one before', async () => {
    const ref = await startDoer();
    let running = 0;
    let most = 0;
    const slow =
      (word: string): CallWork =>
      async (done) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return [word, [...done, word]];
      };
    const words = Array.from({ length: 20 }, (_, i) => `word ${i}`);
    expect(await Promise.all(words.map((word) => GenServer.call(ref, slow(word))))).toEqual(words);
    expect(await GenServer.call(ref, read)).toEqual(words);
    expect(most).toBe(1);
  });

  test('servers may call one another in their handlers', async () => {
    const [a, b] = await Promise.all([startDoer(), startDoer()]);
    const asked = await GenServer.call(a, async (done) => [await GenServer.call(b, say('from b')), done]);
    expect(asked).toBe('from b');
  });

  test('a chain of ten thousand servers that cast and call in their handlers does not exhaust the stack', async () => {
    const servers = await Promise.all(Array.from({ length: 10_000 }, () => startDoer()));
    const end = gate();
    const cast = (at: number): void => {
      if (at === servers.length) end.open();
      else
        GenServer.cast(servers[at]!, (done) => {
          cast(at + 1);
          return done;
        });
    };
    cast(0);
    await end.opened;
    const call = (at: number): Promise<unknown> =>
      at === servers.length
        ? Promise.resolve('the end')
        : GenServer.call(servers[at]!, (done) => [call(at + 1), done], { timeout: Infinity });
    expect(await call(0)).toBe('the end');
  });

  test.each([
    ['never started', async () => ({ id: 'genserver_0_none' })],
    [
      'stopped',
      async () => {
        const ref = await startDoer();
        await GenServer.stop(ref);
        return ref;
      },
    ],
    [
      'killed',
      async () => {
        const ref = await startDoer();
        GenServer.kill(ref);
        return ref;
      },
    ],
  ])('a server that was %s: call rejects, cast throws at once, stop and kill do nothing', async (_, make) => {
    const ref = (await make()) as Doer;
    const events = recordEvents();
    const error = await rejection(GenServer.call(ref, read));
    expect(error).toBeInstanceOf(ServerNotRunningError);
    expect(error).toMatchObject({
      name: 'ServerNotRunningError',
      code: 'ERR_ACTOR_SERVER_NOT_RUNNING',
      message: `GenServer '${ref.id}' is not running`,
      serverId: ref.id,
    });
    expect(() => GenServer.cast(ref, note('x'))).toThrow(ServerNotRunningError);
    expect(await GenServer.stop(ref)).toBeUndefined();
    expect([GenServer.kill(ref), GenServer.isRunning(ref), events]).toEqual([undefined, false, []]);
  });

  test.each([undefined, null, 5, 'genserver_1', {}, { id: 5 }])('%p is no reference', async (ref) => {
    const code = 'ERR_ACTOR_INVALID_TYPE';
    expect(await rejection(untyped.call(ref, 'x') as Promise<unknown>)).toMatchObject({ code });
    expect(await rejection(untyped.stop(ref) as Promise<unknown>)).toMatchObject({ code });
    for (const name of ['cast', 'kill', 'isRunning'] as const) {
      expect(() => untyped[name](ref, undefined)).toThrow(expect.objectContaining({ code }));
    }
  });
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
});

describe('stop', () => {
  test('comes behind all that waits, then runs terminate with the reason and the last state', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({}, async (reason, done) => {
      ends.push(reason, done, GenServer.isRunning(ref));
    });
    const events = recordEvents();
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const replies = ['a', 'b'].map((word) => GenServer.call(ref, say(word)));
    const stopped = GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(true);
    hold.open();
    await stopped;
    expect(await Promise.all(replies)).toEqual(['a', 'b']);
    expect(ends).toEqual(['normal', ['held', 'a', 'b'], false]);
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'normal' }]);
  });

  test.each<[ExitReason]>([['normal'], ['shutdown'], [{ error: new Error('why') }]])(
    'the reason %p is told to terminate and to listeners',
    async (reason) => {
      const told: unknown[] = [];
      const ref = await startDoer({}, (given) => void told.push(given));
      const events = recordEvents();
      await GenServer.stop(ref, reason);
      expect([told, events]).toEqual([[reason], [{ type: 'terminated', ref, reason }]]);
    },
  );

  test.each([null, 'because', 5, {}, { error: 'text' }])(
    'the reason %p is refused, and the server runs on',
    async (reason) => {
      const ref = await startDoer();
      const error = await rejection(untyped.stop(ref, reason) as Promise<unknown>);
      expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_ACTOR_(INVALID_TYPE|OUT_OF_RANGE)$/) });
      expect(() => untyped.kill(ref, reason)).toThrow();
      expect(GenServer.isRunning(ref)).toBe(true);
    },
  );

  test('many stops, queued and while it stops: terminate runs once, one event, the first reason, and all wait until it is down', async () => {
    const closing = gate();
    const terminating = gate();
    let terminated = 0;
    const ref = await startDoer({}, async () => {
      terminated += 1;
      terminating.open();
      await closing.opened;
    });
    const events = recordEvents();
    const hold = gate();
    let resolved = 0;
    const stop = (reason?: ExitReason): Promise<void> =>
      GenServer.stop(ref, reason).then(() => {
        resolved += 1;
      });
    GenServer.cast(ref, holdUntil(hold));
    const stops = [stop('shutdown'), stop(), stop({ error: new Error('third') })];
    hold.open();
    await terminating.opened;
    stops.push(stop(), stop());
    await new Promise((resolve) => setImmediate(resolve));
    expect([resolved, events]).toEqual([0, []]);
    closing.open();
    await Promise.all(stops);
    expect([resolved, terminated, events]).toEqual([5, 1, [{ type: 'terminated', ref, reason: 'shutdown' }]]);
  });

  test('what comes behind a stop is not handled: calls reject as soon as it is down, casts are dropped', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({}, (_reason, done) => void ends.push(done));
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const stopped = GenServer.stop(ref);
    const behind = [
      rejection(GenServer.call(ref, say('x'), { timeout: Infinity })),
      rejection(GenServer.call(ref, read)),
    ];
    GenServer.cast(ref, note('y'));
    hold.open();
    await stopped;
    for (const error of await Promise.all(behind)) expect(error).toBeInstanceOf(ServerNotRunningError);
    expect(ends).toEqual([['held']]);
  });

  test('while terminate is under way calls reject and casts throw', async () => {
    const closing = gate();
    const ref = await startDoer({}, () => closing.opened);
    const stopped = GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(false);
    expect(await rejection(GenServer.call(ref, read))).toBeInstanceOf(ServerNotRunningError);
    expect(() => GenServer.cast(ref, note('x'))).toThrow(ServerNotRunningError);
    closing.open();
    await stopped;
  });

  test.each([
    ['throws', fail(new Error('no end'))],
    ['rejects', async () => Promise.reject(new Error('no end'))],
  ])('rejects where terminate %s, with the server down all the same', async (_, ends) => {
    const ref = await startDoer({ name: 'ending' }, ends);
    const events = recordEvents();
    expect(await rejection(GenServer.stop(ref))).toEqual(new Error('no end'));
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'normal' }]);
    expect([GenServer.isRunning(ref), Registry.isRegistered('ending')]).toEqual([false, false]);
  });
});

describe('kill', () => {
  test('ends a server within the call: names, waiting calls and stops are through, terminate has begun, the event was told', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({ name: 'killed' }, (reason, done) => {
      ends.push(reason, done);
      return new Promise(() => {});
    });
    GenServer.cast(ref, note('a'));
    const hold = gate();
    const inFlight = GenServer.call(ref, async (done) => {
      await hold.opened;
      return ['answered', done];
    });
    const queued = rejection(GenServer.call(ref, read, { timeout: Infinity }));
    const stopped = GenServer.stop(ref);
    const events = recordEvents();
    // The first cast ended in the turn in which it was sent; the call is handled in the next.
    await Promise.resolve();
    GenServer.kill(ref);
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'shutdown' }]);
    expect([GenServer.isRunning(ref), Registry.isRegistered('killed'), ends]).toEqual([
      false,
      false,
      ['shutdown', ['a']],
    ]);
    expect(await queued).toBeInstanceOf(ServerNotRunningError);
    await stopped;
    hold.open();
    expect(await inFlight).toBe('answered');
  });

  test('takes a reason, and does nothing the second time', async () => {
    const ref = await startDoer();
    const events = recordEvents();
    const reason = { error: new Error('why') };
    GenServer.kill(ref, reason);
    GenServer.kill(ref, 'normal');
    expect(events).toEqual([{ type: 'terminated', ref, reason }]);
  });

  test('a server that kills itself in a handler still answers the call that is being handled', async () => {
    const ref = await startDoer();
    const reply = GenServer.call(ref, (done) => {
      GenServer.kill(ref);
      return ['last words', done];
    });
    expect([await reply, GenServer.isRunning(ref)]).toEqual(['last words', false]);
  });

  test('ends a stop whose terminate never does, with one event and without a second terminate', async () => {
    let terminated = 0;
    const ref = await startDoer({}, () => {
      terminated += 1;
      return new Promise(() => {});
    });
    const events = recordEvents();
    const stopped = GenServer.stop(ref);
    GenServer.kill(ref, 'normal');
    await stopped;
    expect([terminated, events]).toEqual([1, [{ type: 'terminated', ref, reason: 'normal' }]]);
  });

  test.each([
    ['throws', fail(new Error('no end'))],
    ['rejects', async () => Promise.reject(new Error('no end'))],
  ])("a terminate that %s is told as an 'error' event", async (_, ends) => {
    const ref = await startDoer({}, ends);
    const events = recordEvents();
    GenServer.kill(ref);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events.filter(({ type }) => type === 'error')).toEqual([
      { type: 'error', ref, error: new Error('no end'), message: 'shutdown' },
    ]);
    expect(events.filter(({ type }) => type === 'terminated')).toHaveLength(1);
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

describe('lifecycle events', () => {
  test('reach listeners synchronously in the order of registration, whatever one of them throws', async () => {
    const seen: string[] = [];
    GenServer.onLifecycleEvent(({ type }) => seen.push(`first ${type}`));
    GenServer.onLifecycleEvent(fail(new Error('listener')));
    const off = GenServer.onLifecycleEvent(({ type }) => seen.push(`last ${type}`));
    const ref = await startDoer();
    GenServer.kill(ref);
    expect(seen).toEqual(['first started', 'last started', 'first terminated', 'last terminated']);
    off();
    off();
    await startDoer();
    expect(seen.slice(4)).toEqual(['first started']);
  });

  test('a listener that takes itself back or adds another does not disturb the others', async () => {
    const seen: string[] = [];
    const off = GenServer.onLifecycleEvent(() => {
      seen.push('once');
      off();
      GenServer.onLifecycleEvent(() => seen.push('added'));
    });
    GenServer.onLifecycleEvent(() => seen.push('other'));
    const ref = await startDoer();
    expect(seen).toEqual(['once', 'other']);
    GenServer.kill(ref);
    expect(seen.slice(2)).toEqual(['other', 'added']);
  });

  test('a listener may start, call and end servers', async () => {
    const ended = gate();
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'started') GenServer.kill(event.ref);
      else ended.open();
    });
    const ref = await startDoer();
    await ended.opened;
    expect(GenServer.isRunning(ref)).toBe(false);
  });

  test.each([undefined, null, {}, 'started'])('%p is no listener', (handler) => {
    expect(() => untyped.onLifecycleEvent(handler)).toThrow(
      expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
    );
  });
});

describe('what keeps a process alive', () => {
  const HEAD = `
    const { GenServer, Registry } = require('@noizylab/core/actor');
    const counter = { init: async () => 0, handleCall: (_, n) => [n, n], handleCast: (by, n) => n + by };
    const hours = 3_600_000;
  `;

  test.each([
    ['idle servers', `await GenServer.start(counter, { initTimeout: hours }); tell('end');`],
    [
      'answered calls',
      `const ref = await GenServer.start({ ...counter, handleCall: async (_, n) => [n, n] });
       await Promise.all([1, 2, 3].map(() => GenServer.call(ref, 'get', { timeout: hours })));
       tell('end');`,
    ],
    [
      'calls that were refused by an end',
      `const ref = await GenServer.start({ ...counter, handleCast: () => new Promise(() => {}) });
       GenServer.cast(ref, 1);
       const calls = [1, 2].map(() => GenServer.call(ref, 'get', { timeout: hours }).catch(() => {}));
       GenServer.kill(ref);
       await Promise.all(calls);
       tell('end');`,
    ],
    [
      'a start that failed',
      `await GenServer.start({ ...counter, init: () => { throw new Error('x'); } }, { initTimeout: hours }).catch(() => tell('end'));`,
    ],
    [
      'timers whose target has ended or that were cancelled',
      `const [a, b] = [await GenServer.start(counter), await GenServer.start(counter)];
       GenServer.sendAfter(a, 1, hours);
       GenServer.cancelTimer(GenServer.sendAfter(b, 1, hours));
       await GenServer.stop(a);
       tell('end');`,
    ],
    [
      'monitors, links, names and listeners',
      `const [a, b] = [await GenServer.start(counter), await GenServer.start(counter)];
       GenServer.link(a, b);
       GenServer.monitor(a, b);
       Registry.register('a', a);
       GenServer.onLifecycleEvent(() => {});
       tell('end');`,
    ],
  ])('not %s', async (_, code) => {
    expect(await toldBy(HEAD + code)).toEqual(['end']);
  });

  test('a message to come does', async () => {
    const code = `${HEAD}
      GenServer.sendAfter(await GenServer.start({ ...counter, handleCast: (word) => tell(word) }), 'came', 50);
    `;
    expect(await toldBy(code)).toEqual(['came']);
  });

  test('a caught InitializationError has no consequences', async () => {
    const code = `${HEAD}
      const init = () => { throw new Error('x'); };
      await GenServer.start({ ...counter, init }, { initTimeout: 20 }).catch(({ name }) => tell(name));
      setTimeout(() => tell('still here'), 60);
    `;
    expect(await toldBy(code)).toEqual(['InitializationError', 'still here']);
  });
});

describe('reset', () => {
  test('ends all servers, and removes names, listeners and timers', async () => {
    const ref = await startDoer({ name: 'gone' });
    const events = recordEvents();
    const waiting = rejection(GenServer.call(ref, () => new Promise<never>(() => {}), { timeout: 20 }));
    const queued = rejection(GenServer.call(ref, read));
    reset();
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'shutdown' }]);
    expect(await queued).toBeInstanceOf(ServerNotRunningError);
    expect((await waiting).name).toBe('CallTimeoutError');
    const next = await startDoer();
    expect(events).toHaveLength(1);
    expect([Registry.getNames(), next.id]).toEqual([[], expect.stringMatching(/^genserver_1_/)]);
  });

  test('a server whose init is under way does not start', async () => {
    const init = gate();
    const starting = rejection(
      GenServer.start({ ...counter, init: () => init.opened.then(() => 1) }, { name: 'late' }),
    );
    reset();
    init.open();
    expect(await starting).toBeInstanceOf(ServerNotRunningError);
    expect(Registry.isRegistered('late')).toBe(false);
  });
});

describe('the examples of the documentation', () => {
  test('Quick Start', async () => {
    const { value, counter: ref } = await quickStart();
    expect([value, GenServer.isRunning(ref), Registry.getNames()]).toEqual([2, false, []]);
  });

  test('GenServer', async () => {
    const printed: string[] = [];
    expect(await genServer((line) => printed.push(line))).toEqual({ name: 'Alice' });
    expect(printed).toEqual(['Cache shutting down: normal']);
  });

  test('Registry', async () => {
    const pong: GenServerBehavior<number, string, string, string> = {
      init: () => 0,
      handleCall: (message, state) => [`${message} pong`, state],
      handleCast: (_message, state) => state,
    };
    expect(await registry(pong)).toEqual({ pong: 'ping pong', maybeService: undefined, isRegistered: false });
  });
});

test('the types compile in a strict program, and refuse what is wrong', () => {
  const options = [
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--target',
    'es2023',
    '--types',
    'node',
  ];
  const modules = ['--module', 'nodenext', '--moduleResolution', 'nodenext', '--ignoreConfig'];
  const files = ['actor-types.ts', 'actor-readme.ts'].map((name) => join(__dirname, 'fixtures', name));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, status } = spawnSync(process.execPath, [tsc, ...options, ...modules, ...files], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect([stdout, status]).toEqual(['', 0]);
});
