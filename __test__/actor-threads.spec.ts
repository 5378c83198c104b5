/**
 * Actors on several threads: servers that are started on threads of their own, servers of worker threads that a program starts, and all that works across:
 * messages, ends, monitors, links, names.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  CallTimeoutError,
  GenServer,
  InitializationError,
  RateLimitExceededError,
  Registry,
  ServerNotRunningError,
  Supervisor,
} from '../dist/actor';
import type { BehaviorModule, GenServerOptions, GenServerRef } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { nextEvent, read, startDoer } from './fixtures/actor-servers';
import { untyped } from './fixtures/parallel';
import { FILE, listening, type Remote, startFar, startTrapping, TestThread } from './lib/actor-threads';
import { eventually } from './lib/broker';
import { toldBy } from './lib/child';
import { rejection } from './lib/processors';

describe('a server on a thread of its own', () => {
  test('the thread that is kept ready has loaded the module of the last start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'noizylab-actor-'));
    const file = join(folder, 'loaded');
    try {
      const module = pathToFileURL(join(__dirname, 'fixtures', 'actor-loaded.mjs'));
      module.searchParams.set('mark', file);
      const ref = await GenServer.start({ module }, { thread: { preload: true } });
      await eventually(() => readFileSync(file).length === 2);
      await GenServer.stop(ref);
      const thread = untyped({ preload: 'always' });
      await expect(GenServer.start({ module }, { thread })).rejects.toMatchObject({
        name: 'TypeError',
        code: 'ERR_ACTOR_INVALID_TYPE',
      });
    } finally {
      reset();
      rmSync(folder, { recursive: true });
    }
  });

  test('runs its handlers there; call, cast, stop and isRunning work as for any', async () => {
    const ref = await startFar();
    expect(ref).toEqual({ id: expect.stringMatching(/^genserver_/) });
    expect(await GenServer.call(ref, { do: 'thread' })).toBeGreaterThan(0);
    for (let by = 1; by <= 100; by += 1) GenServer.cast(ref, by);
    expect(await GenServer.call(ref, { do: 'get' })).toBe(5050);
    expect(await GenServer.call({ id: ref.id }, { do: 'get' })).toBe(5050);
    expect(GenServer.isRunning(ref)).toBe(true);
    await GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(false);
    expect(await rejection(GenServer.call(ref, { do: 'get' }))).toBeInstanceOf(ServerNotRunningError);
    expect(() => GenServer.cast(ref, 1)).toThrow(ServerNotRunningError);
    expect(await GenServer.stop(ref)).toBeUndefined();
  });

  test('the messages of one sender keep their order, and those of each of its servers its own thread', async () => {
    const refs = await Promise.all([startFar(), startFar(), startFar()]);
    const ids = await Promise.all(refs.map((ref) => GenServer.call(ref, { do: 'thread' })));
    expect(new Set(ids).size).toBe(3);
    const seen = await Promise.all(
      refs.flatMap((ref) =>
        Array.from({ length: 500 }, () => {
          GenServer.cast(ref, 1);
          return GenServer.call(ref, { do: 'get' });
        }),
      ),
    );
    expect(seen).toEqual(refs.flatMap(() => Array.from({ length: 500 }, (_, i) => i + 1)));
  });

  test.each<[string, Partial<BehaviorModule>, unknown]>([
    ['a path that starts at the file of the caller', { module: './fixtures/actor-remote.mjs' }, 0],
    ['a URL', { module: pathToFileURL(FILE) }, 0],
    ['the text of a URL', { module: pathToFileURL(FILE).href }, 0],
    ['a function that is called with arguments and returns a promise', { export: 'from', args: [41] }, 41],
    ['a CommonJS module', { module: FILE.replace('.mjs', '.cjs') }, 'of CommonJS'],
  ])('comes from %s', async (_, module, state) => {
    const ref = await GenServer.start({ module: FILE, ...module }, { thread: true });
    expect(await GenServer.call(ref, { do: 'get' })).toBe(state);
  });

  test.each<[string, unknown]>([
    [
      'plain data',
      { text: 'é☃', list: [1, 2.5, -0, Number.NaN, null, undefined, true], deep: { a: { b: 'c' } } },
    ],
    [
      'what can be cloned besides',
      [new Map([[1, new Set([new Date(5)])]]), 10n ** 30n, /x/g, new Float64Array([1, 2])],
    ],
    ['much', Array.from({ length: 20_000 }, (_, i) => ({ i, text: `number ${i}` }))],
    ['an error', new RangeError('no')],
    ['bytes', new Uint8Array(3_000_000).fill(7)],
  ])('takes and gives %s', async (_, value) => {
    const ref = await startFar();
    expect(await GenServer.call(ref, { do: 'echo', value })).toEqual(value);
  });

  test('what cannot be cloned is refused with ERR_ACTOR_NOT_CLONEABLE, and no harm is done', async () => {
    const ref = await startFar();
    const refused = expect.objectContaining({ name: 'TypeError', code: 'ERR_ACTOR_NOT_CLONEABLE' });
    const before = GenServer.call(ref, { do: 'echo', value: 'before' });
    expect(await rejection(GenServer.call(ref, { do: 'echo', value: () => 1 }))).toEqual(refused);
    expect(() => GenServer.cast(ref, (() => 1) as unknown as number)).toThrow(refused);
    expect(await rejection(GenServer.call(ref, { do: 'unsendable' }))).toEqual(refused);
    expect([await before, await GenServer.call(ref, { do: 'echo', value: 'behind' })]).toEqual([
      'before',
      'behind',
    ]);
  });

  test('errors arrive in their class, with their fields', async () => {
    const ref = await startFar();
    const failure = (how: string): Promise<Error> => rejection(GenServer.call(ref, { do: 'fail', how }));
    const [type, fields, ours, text] = await Promise.all(['type', 'fields', 'ours', 'text'].map(failure));
    expect(type).toBeInstanceOf(TypeError);
    expect(type).toMatchObject({ name: 'TypeError', message: 'a type' });
    expect(type!.stack).toContain('actor-remote.mjs');
    expect(fields).toBeInstanceOf(RangeError);
    expect(fields).toMatchObject({ code: 'ERR_MINE', limit: 5, cause: { message: 'deep' } });
    expect(ours).toBeInstanceOf(RateLimitExceededError);
    expect(ours).toMatchObject({ code: 'ERR_ACTOR_RATE_LIMIT_EXCEEDED', key: 'key', retryAfterMs: 12 });
    expect(text).toMatchObject({ message: 'a text' });
    expect(await GenServer.call(ref, { do: 'get' })).toBe(0);
  });

  test('a call that is not answered in time rejects, and its answer is dropped', async () => {
    const ref = await startFar();
    const error = await rejection(GenServer.call(ref, { do: 'never' }, { timeout: 20 }));
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(error).toMatchObject({ serverId: ref.id, timeoutMs: 20 });
    GenServer.kill(ref);
  });

  test('its name is known here, and free when it has ended', async () => {
    const ref = await startFar({ name: 'far' });
    expect([Registry.lookup('far'), Registry.getNames(), Registry.count()]).toEqual([
      { id: ref.id },
      ['far'],
      1,
    ]);
    const error = await rejection(startFar({ name: 'far' }));
    expect(error).toMatchObject({ name: 'AlreadyRegisteredError', registeredName: 'far' });
    await GenServer.stop(ref);
    expect(Registry.isRegistered('far')).toBe(false);
    expect(await GenServer.call(await startFar({ name: 'far' }), { do: 'get' })).toBe(0);
  });

  test('terminate runs there with the reason, on stop and on kill', async () => {
    const told: unknown[] = [];
    const listener = await GenServer.start(listening(told));
    for (const end of ['stop', 'kill'] as const) {
      const ref = await startFar({}, { export: 'reporting', args: [listener] });
      GenServer.cast(ref, 7);
      await GenServer.call(ref, { do: 'get' });
      const heard = GenServer.call(listener, told.length + 1, { timeout: Infinity });
      await GenServer[end](ref, 'shutdown');
      expect(GenServer.isRunning(ref)).toBe(false);
      await heard;
    }
    expect(told).toEqual([1, 2].map(() => ['terminate', 'shutdown', 7]));
  });

  test.each<[string, Partial<BehaviorModule>, GenServerOptions, object]>([
    ['whose init rejects', { export: 'failing' }, {}, { name: 'RangeError', message: 'no room' }],
    [
      'whose init takes too long',
      { export: 'notReady' },
      { initTimeout: 20 },
      { message: 'Init timed out after 20ms' },
    ],
  ])('one %s rejects with InitializationError', async (_, module, options, cause) => {
    const error = await rejection(startFar({ ...options, name: 'failing' }, module));
    expect(error).toBeInstanceOf(InitializationError);
    expect(error).toMatchObject({ code: 'ERR_ACTOR_INITIALIZATION', cause });
    expect(Registry.isRegistered('failing')).toBe(false);
  });

  test.each<[string, object, object, string]>([
    ['a module that is not there', { module: './nowhere.mjs' }, {}, 'ERR_ACTOR_MODULE_NOT_FOUND'],
    ['a URL of nothing', { module: pathToFileURL('/nowhere.mjs') }, {}, 'ERR_ACTOR_MODULE_NOT_FOUND'],
    ['an export that is not there', { module: FILE, export: 'nothing' }, {}, 'ERR_ACTOR_MODULE_INVALID'],
    ['an export that is no behaviour', { module: FILE, export: 'noBehavior' }, {}, 'ERR_ACTOR_INVALID_TYPE'],
    ['no module', {}, {}, 'ERR_ACTOR_INVALID_TYPE'],
    ['a module 5', { module: 5 }, {}, 'ERR_ACTOR_INVALID_TYPE'],
    ['arguments that are no array', { module: FILE, args: 5 }, {}, 'ERR_ACTOR_INVALID_TYPE'],
    ['arguments that cannot be cloned', { module: FILE, args: [() => 1] }, {}, 'ERR_ACTOR_NOT_CLONEABLE'],
    ['a bad option', { module: FILE }, { initTimeout: -1 }, 'ERR_ACTOR_OUT_OF_RANGE'],
  ])('is refused with %s', async (_, module, options, code) => {
    const start = GenServer.start as (module: object, options: object) => Promise<unknown>;
    expect(await rejection(start(module, { thread: true, ...options }))).toMatchObject({ code });
  });

  test('a thread that is blocked delays no other, and can be killed', async () => {
    const [stuck, free] = await Promise.all([startFar({ name: 'stuck' }), startFar()]);
    const here = await startDoer();
    const waiting = rejection(GenServer.call(stuck, { do: 'block' }, { timeout: Infinity }));
    for (let i = 1; i <= 100; i += 1) {
      GenServer.cast(free, 1);
      expect(await GenServer.call(free, { do: 'get' })).toBe(i);
    }
    expect(await GenServer.call(here, read)).toEqual([]);
    expect(GenServer.isRunning(stuck)).toBe(true);
    GenServer.kill(stuck);
    expect([GenServer.isRunning(stuck), Registry.isRegistered('stuck')]).toEqual([false, false]);
    expect(() => GenServer.cast(stuck, 1)).toThrow(ServerNotRunningError);
    expect(await waiting).toBeInstanceOf(ServerNotRunningError);
  });
});

describe('a thread that ends under its server', () => {
  const WORKER_DIED = { code: 'ERR_ACTOR_WORKER_DIED' };
  const limits = { thread: { resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 } } };

  test.each([
    ['by process.exit', 'exit', {}],
    ['by an uncaught exception', 'uncaught', {}],
    ['by running out of memory', 'hoard', limits],
  ])(
    '%s: calls reject, links and monitors are told ERR_ACTOR_WORKER_DIED, its name is free',
    async (_, how, options) => {
      const ref = await startFar({ ...options, name: 'doomed' });
      const { trapping, signals, signalled } = await startTrapping();
      GenServer.link(trapping, ref);
      const monitor = GenServer.monitor(trapping, ref);
      const down = nextEvent('process_down');
      const calls = [how, 'get'].map((word) =>
        rejection(GenServer.call(ref, { do: word }, { timeout: Infinity })),
      );
      expect((await calls[0])!).toBeInstanceOf(ServerNotRunningError);
      await signalled;
      expect(signals).toEqual([
        {
          type: 'EXIT',
          from: { id: ref.id, nodeId: 'local' },
          reason: { error: expect.objectContaining(WORKER_DIED) },
        },
      ]);
      expect(await down).toMatchObject({ ref: trapping, ...monitor, reason: { type: 'error' } });
      expect([GenServer.isRunning(ref), Registry.isRegistered('doomed')]).toEqual([false, false]);
      expect(await rejection(GenServer.call(ref, { do: 'get' }))).toBeInstanceOf(ServerNotRunningError);
    },
  );

  test('a supervisor starts it again', async () => {
    const start = (): Promise<Remote> => startFar({ name: 'kept' });
    const supervisor = await Supervisor.start({ children: [{ id: 'far', start }] });
    const restarted = new Promise<number>((resolve) => {
      Supervisor.onLifecycleEvent((event) => {
        if (event.type === 'restarted') resolve(event.attempt);
      });
    });
    const first = Registry.lookup('kept');
    await rejection(GenServer.call(first, { do: 'exit' }));
    expect(await restarted).toBe(1);
    const second = Registry.lookup('kept');
    expect(second.id).not.toBe(first.id);
    expect(await GenServer.call(second, { do: 'get' })).toBe(0);
    await Supervisor.stop(supervisor);
    expect([GenServer.isRunning(second), Registry.getNames()]).toEqual([false, []]);
  });
});

describe('worker threads that the program starts', () => {
  test('references work in every thread, however they get there', async () => {
    const [a, b] = [new TestThread(), new TestThread()];
    const [here, ofA] = [await startDoer({ name: 'here' }), await a.start({ name: 'of a' })];
    const ofB = await b.start();
    expect(new Set([here.id, ofA.id, ofB.id]).size).toBe(3);
    // From here to a, from b to a, from a to b.
    GenServer.cast(ofA, 1);
    expect(await GenServer.call(ofA, 'get')).toBe(1);
    await b.do('cast', ofA, 10);
    expect(await b.do('call', ofA, 'get')).toBe(11);
    expect(await a.do('call', ofB, 'thread')).toBe(b.id);
    expect(await b.do('call', await b.do('lookup', 'of a'), 'thread')).toBe(a.id);
    expect(await a.do('lookup', 'here')).toEqual(here);
    expect(await b.do('running', here)).toBe(true);
    await a.do('stop', here);
    expect(GenServer.isRunning(here)).toBe(false);
    await b.do('kill', ofA);
    expect(await b.do('running', ofA)).toBe(false);
    expect(await a.do<string[]>('names')).toEqual([]);
    expect(GenServer.isRunning(ofB)).toBe(true);
  });

  test('ids of servers of several threads are never the same', async () => {
    const all = [new TestThread(), new TestThread()];
    const refs = await Promise.all(all.flatMap((thread) => Array.from({ length: 50 }, () => thread.start())));
    for (let i = 0; i < 50; i += 1)
      refs.push((await startDoer()) as unknown as GenServerRef<number, string, number, number>);
    expect(new Set(refs.map(({ id }) => id)).size).toBe(150);
  });

  test('servers on threads of their own are known to them too, and know theirs', async () => {
    const thread = new TestThread();
    const [far, theirs] = await Promise.all([startFar({ name: 'far' }), thread.start({ name: 'theirs' })]);
    expect(await thread.do('call', far, { do: 'get' })).toBe(0);
    expect(await GenServer.call(far, { do: 'ask', ref: theirs, message: 'thread' })).toBe(thread.id);
    expect(await GenServer.call(far, { do: 'lookup', name: 'theirs' })).toBe(theirs.id);
    const error = await rejection(GenServer.call(far, { do: 'register', name: 'theirs', ref: far }));
    expect(error).toMatchObject({ name: 'AlreadyRegisteredError', registeredName: 'theirs' });
    await GenServer.call(far, { do: 'register', name: 'second', ref: far });
    expect(Registry.lookup('second')).toEqual({ id: far.id });
    await thread.do('kill', far);
    await thread.do('unregister', 'theirs');
    expect([
      Registry.isRegistered('far'),
      Registry.isRegistered('second'),
      Registry.isRegistered('theirs'),
    ]).toEqual([false, false, false]);
    expect(GenServer.isRunning(theirs)).toBe(true);
  });

  test('one name is given to one process, however many threads want it at the same time', async () => {
    const all = [new TestThread(), new TestThread(), new TestThread()];
    for (let round = 0; round < 10; round += 1) {
      const name = `round ${round}`;
      const starts = await Promise.allSettled([
        ...all.map((thread) => thread.start({ name })),
        startDoer({ name }),
      ]);
      const won = starts.filter(
        ({ status }) => status === 'fulfilled',
      ) as PromiseFulfilledResult<GenServerRef>[];
      expect(won.map(({ value }) => value.id)).toEqual([Registry.lookup(name).id]);
      for (const start of starts) {
        if (start.status === 'rejected') {
          expect(start.reason).toMatchObject({
            name: 'AlreadyRegisteredError',
            code: 'ERR_ACTOR_ALREADY_REGISTERED',
          });
        }
      }
    }
  });

  test('a monitor is told of an end in another thread, either way', async () => {
    const thread = new TestThread();
    const [here, theirs] = [await GenServer.start(listening([])), await thread.start()];
    const told = thread.do('monitor', theirs, here);
    await thread.do('call', here, 0); // it is known here before
    GenServer.kill(here, { error: new Error('why') });
    expect(await told).toMatchObject({
      ref: theirs,
      monitoredRef: { id: here.id },
      reason: { type: 'error', message: 'why' },
    });
    const watcher = await startDoer();
    const monitor = GenServer.monitor(watcher, theirs);
    const down = nextEvent('process_down');
    await GenServer.call(theirs, 'get');
    await thread.do('stop', theirs);
    expect(await down).toEqual({
      type: 'process_down',
      ref: watcher,
      ...monitor,
      reason: { type: 'normal' },
    });
    expect(await thread.do('monitor', await thread.start(), here)).toMatchObject({
      reason: { type: 'noproc' },
    });
  });

  test('a link ends the other wherever it was made, and not at a normal end', async () => {
    const thread = new TestThread();
    const startPair = async () => [await startDoer(), await thread.start()] as const;
    const [here, theirs] = await startPair();
    GenServer.link(here, theirs);
    const ended = nextEvent('terminated', ({ ref }) => ref.id === here.id);
    await thread.do('kill', theirs);
    expect(await ended).toMatchObject({
      reason: { error: { code: 'ERR_ACTOR_LINK_BROKEN', processId: theirs.id } },
    });

    const [second, theirSecond] = await startPair();
    await thread.do('link', theirSecond, second);
    const down = nextEvent('process_down');
    GenServer.monitor(await startDoer(), theirSecond);
    GenServer.kill(second);
    expect(await down).toMatchObject({
      reason: { type: 'error', message: `Linked process '${second.id}' exited` },
    });

    const [third, theirThird] = await startPair();
    GenServer.link(third, theirThird);
    await GenServer.call(theirThird, 'get'); // the link is known there before
    await thread.do('stop', theirThird);
    await thread.do('running', third);
    expect(GenServer.isRunning(third)).toBe(true);
  });

  test('when a thread is terminated, its servers have ended for all others', async () => {
    const [thread, other] = [new TestThread(), new TestThread()];
    const [theirs, watcher, watching] = await Promise.all([
      thread.start({ name: 'theirs' }),
      startDoer(),
      other.start(),
    ]);
    GenServer.monitor(watcher, theirs);
    const [here, there] = [nextEvent('process_down'), other.do('monitor', watching, theirs)];
    await other.do('running', theirs); // it monitors by now
    const waiting = rejection(GenServer.call(theirs, 'block', { timeout: Infinity }));
    await thread.blocked();
    const behind = rejection(GenServer.call(theirs, 'get', { timeout: Infinity }));
    await thread.terminate();
    for (const error of await Promise.all([waiting, behind]))
      expect(error).toBeInstanceOf(ServerNotRunningError);
    for (const event of await Promise.all([here, there])) {
      expect(event).toMatchObject({ monitoredRef: { id: theirs.id }, reason: { type: 'error' } });
    }
    expect([GenServer.isRunning(theirs), Registry.isRegistered('theirs')]).toEqual([false, false]);
    expect(await other.do('running', theirs)).toBe(false);
    expect(() => GenServer.cast(theirs, 1)).toThrow(ServerNotRunningError);
  });

  test('a thread that is blocked delays no other, and goes on with all that was sent to it', async () => {
    const [stuck, free] = [new TestThread(), new TestThread()];
    const [late, quick] = await Promise.all([stuck.start(), free.start()]);
    const blocked = GenServer.call(late, 'block', { timeout: Infinity });
    await stuck.blocked();
    for (let i = 0; i < 1000; i += 1) GenServer.cast(late, 1);
    const behind = GenServer.call(late, 'get', { timeout: Infinity });
    expect(await GenServer.call(quick, 'thread')).toBe(free.id);
    expect(await free.do('flood', quick, 1000)).toBe(1000);
    stuck.release();
    expect([await blocked, await behind]).toEqual([0, 1000]);
  });

  test('thousands of calls from several threads at once are each answered', async () => {
    const all = [new TestThread(), new TestThread(), new TestThread()];
    const here = await startDoer();
    const refs = await Promise.all(all.map((thread) => thread.start()));
    const floods = all.map((thread, i) => thread.do('flood', refs[(i + 1) % 3], 2000));
    const own = refs.map((ref) =>
      Promise.all(Array.from({ length: 2000 }, () => GenServer.call(ref, 'get'))),
    );
    expect(await Promise.all(floods)).toEqual([2000, 2000, 2000]);
    expect((await Promise.all(own)).flat()).toEqual(Array(6000).fill(0));
    expect(GenServer.isRunning(here)).toBe(true);
  });
});

describe('reset', () => {
  test('ends the servers on threads of their own, and the threads', async () => {
    const ref = await startFar({ name: 'far' });
    const waiting = rejection(GenServer.call(ref, { do: 'never' }, { timeout: Infinity }));
    reset();
    expect(await waiting).toBeInstanceOf(ServerNotRunningError);
    const again = await startFar({ name: 'far' });
    expect([GenServer.isRunning(ref), await GenServer.call(again, { do: 'get' })]).toEqual([false, 0]);
  });

  test('leaves the servers of other threads alone', async () => {
    const thread = new TestThread();
    const theirs = await thread.start({ name: 'theirs' });
    reset();
    expect(await thread.do('running', theirs)).toBe(true);
    expect([await GenServer.call(theirs, 'get'), Registry.lookup('theirs')]).toEqual([0, { id: theirs.id }]);
  });
});

describe('how a process ends', () => {
  const HEAD = `
    const { GenServer } = require('@noizylab/core/actor');
    const start = () => GenServer.start({ module: ${JSON.stringify(FILE)} }, { thread: true });
  `;

  test('an idle server on a thread of its own does not keep it alive', async () => {
    expect(await toldBy(`${HEAD} tell(await GenServer.call(await start(), { do: 'get' }));`)).toEqual([0]);
  });

  test('a call to one does, until it is answered or its time is over', async () => {
    const code = `${HEAD}
      const ref = await start();
      GenServer.call(ref, { do: 'echo', value: 'answered' }).then(tell);
      GenServer.call(ref, { do: 'never' }, { timeout: 50 }).catch(({ code }) => tell(code));
    `;
    expect(await toldBy(code)).toEqual(['answered', 'ERR_ACTOR_CALL_TIMEOUT']);
  });

  test('process.exit ends it whatever its threads do', async () => {
    const code = `${HEAD}
      const refs = await Promise.all([start(), start(), start()]);
      for (const [i, word] of ['block', 'never', 'get'].entries()) {
        GenServer.call(refs[i], { do: word }, { timeout: Infinity }).catch(() => {});
      }
      await GenServer.call(refs[2], { do: 'get' });
      await tell('exits');
      process.exit(0);
    `;
    expect(await toldBy(code)).toEqual(['exits']);
  });

  test('threads of servers that have ended end as well', async () => {
    const thread = new Worker(
      `const { GenServer } = require(${JSON.stringify(join(__dirname, '..', 'dist', 'actor'))});
       const module = ${JSON.stringify(FILE)};
       (async () => {
         const refs = await Promise.all([1, 2].map(() => GenServer.start({ module }, { thread: true })));
         await GenServer.stop(refs[0]);
         GenServer.kill(refs[1]);
       })();`,
      { eval: true },
    );
    expect(await once(thread, 'exit')).toEqual([0]);
  });
});
