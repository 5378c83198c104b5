/**
 * `GenServer`: start, call, cast, lifecycle events, and how a process ends that has servers. Faults of handlers are in `actor-server-faults`, stop and kill in
 * `actor-server-end`, the order of messages and bounds in `actor-mailbox`, timeouts in `actor-timeouts`, monitors and links in `actor-links`, other threads in
 * `actor-threads`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { GenServer, InitializationError, Registry, ServerNotRunningError } from '../dist/actor';
import type { GenServerBehavior, GenServerOptions, GenServerRef } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { genServer, quickStart, registry } from './fixtures/actor-readme';
import {
  type CallWork,
  type Doer,
  fail,
  gate,
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
    ['throws an object without a text', fail(Object.create(null)), '[Object: null prototype] {}'],
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
