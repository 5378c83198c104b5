/** Threads that end: what was said before arrives, the names are free for the next one, and nobody else comes to harm. */
import { GenServer, Registry, ServerNotRunningError, Supervisor } from '../dist/actor';
import type { GenServerRef, Ref } from '../dist/actor';
import { nextEvent, startDoer } from './fixtures/actor-servers';
import {
  type Action,
  blockUntilGone,
  castTo,
  type Counter,
  FILE,
  listening,
  type Remote,
  runAt,
  startFar,
  startTrapping,
  TestThread,
} from './lib/actor-threads';
import { rejection } from './lib/processors';
import { told } from './lib/supervised';

/** A server of this thread that collects what is cast to it. */
async function startListener(): Promise<{ listener: GenServerRef; heard: unknown[] }> {
  const heard: unknown[] = [];
  return { listener: await GenServer.start(listening(heard)), heard };
}

/** A supervisor of one server on a thread of its own, of that name. */
const supervise = (name: string) =>
  Supervisor.start({ children: [{ id: name, start: () => startFar({ name }) }] });

// Each of them lets the thread be for a while after the error that ends it.
const ENDINGS: [string, Action<[], unknown>][] = [
  [
    'an error that nobody catches',
    () => {
      setImmediate(() => {
        throw new Error('a bug');
      });
    },
  ],
  [
    'such an error where a handler of `exit` takes its time',
    () => {
      process.on('exit', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100));
      setImmediate(() => {
        throw new Error('a bug');
      });
    },
  ],
  [
    'a handler of `uncaughtException` that exits later',
    () => {
      process.on('uncaughtException', () => setTimeout(() => process.exit(1), 50));
      setImmediate(() => {
        throw new Error('a bug');
      });
    },
  ],
  [
    'process.exit where a handler of `exit` takes its time',
    () => {
      process.on('exit', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100));
      setImmediate(() => process.exit(0));
    },
  ],
];

describe('when the thread of a server ends', () => {
  // A supervisor that heard of the end before the name was free tried in vain until it gave up.
  test.each(ENDINGS)('by %s, its name is free when anybody hears of it', async (_, end) => {
    const supervisor = await supervise('kept');
    const first: Remote = Registry.lookup('kept');
    const heard: unknown[] = [];
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'process_down')
        heard.push([
          event.monitoredRef.id,
          Registry.whereis('kept')?.id === first.id,
          GenServer.isRunning(first),
        ]);
    });
    GenServer.monitor(await startDoer(), first);
    const restarted = told('restarted');
    await runAt(first, end);
    expect((await restarted).attempt).toBe(1);
    expect(heard).toEqual([[first.id, false, false]]);
    const second: Remote = Registry.lookup('kept');
    expect(second.id).not.toBe(first.id);
    expect(await GenServer.call(second, { do: 'get' })).toBe(0);
    expect(Supervisor.getChildren(supervisor)).toMatchObject([{ ref: { id: second.id }, restartCount: 1 }]);
  });

  test('it has not ended where a handler of `uncaughtException` lets it go on', async () => {
    const supervisor = await supervise('kept');
    const ref: Remote = Registry.lookup('kept');
    const { listener, heard } = await startListener();
    GenServer.cast(ref, 5);
    await runAt(
      ref,
      (there, to) => {
        process.on('uncaughtException', (error) => there.GenServer.cast(to, error.message));
        setImmediate(() => {
          throw new Error('handled');
        });
      },
      listener,
    );
    await GenServer.call(listener, 1, { timeout: Infinity });
    expect([heard, await GenServer.call(ref, { do: 'get' })]).toEqual([['handled'], 5]);
    expect(Registry.whereis('kept')).toEqual({ id: ref.id });
    expect(Supervisor.getChildren(supervisor)).toMatchObject([{ ref: { id: ref.id }, restartCount: 0 }]);

    const restarted = told('restarted');
    castTo(ref, () => process.exit(1));
    expect((await restarted).attempt).toBe(1);
  });

  test.each([
    ['an error that nobody has caught is its cause', false, { message: 'a bug' }],
    ['one that was handled is not', true, undefined],
  ])('those who are linked with it are told why: %s', async (_, isHandled, cause) => {
    const [ref, { trapping, signalled }] = [await startFar(), await startTrapping()];
    GenServer.link(trapping, ref);
    castTo(
      ref,
      (_there, handled) => {
        if (handled) process.on('uncaughtException', () => process.exit(1));
        setImmediate(() => {
          throw new Error('a bug');
        });
      },
      isHandled,
    );
    const { error } = (await signalled).reason as { error: Error };
    expect(error).toMatchObject({ code: 'ERR_ACTOR_WORKER_DIED' });
    expect(error.cause).toEqual(cause && expect.objectContaining(cause));
  });
});

describe('what a thread has said before it ends', () => {
  const STARTS: [string, () => Promise<Remote | Counter>][] = [
    ['a thread of its own', () => startFar()],
    ['a worker thread', () => new TestThread().start()],
  ];

  test('arrives, also where this thread has only just found out that it is gone', async () => {
    const { listener, heard } = await startListener();
    const thread = new TestThread();
    const ref = await thread.start();
    // The texts are repeated: they travel as what the other side has seen before.
    const say = (
      { GenServer: servers, pause }: { GenServer: typeof GenServer; pause(): void },
      to: Ref,
      last: boolean,
    ) => {
      servers.cast(to, { kind: 'result', value: 'a value', last });
      if (last) {
        setImmediate(() => {
          pause();
          process.exit(0);
        });
      }
      return { kind: 'answer', value: 'a value' };
    };
    await runAt(ref, say, listener, false);
    const answer = runAt(ref, say, listener, true);
    // The call leaves at the end of this turn. From here on nothing that comes is read until the thread is gone: the answer and the cast wait.
    for (let step = 0; step < 5; step++) await Promise.resolve();
    expect(Atomics.wait(thread.words, 0, 0, 20_000)).not.toBe('timed-out');
    GenServer.cast(ref, 1);
    const late = rejection(GenServer.call(ref, 'get', { timeout: Infinity }));
    blockUntilGone(ref, () => thread.release());
    expect(await answer).toEqual({ kind: 'answer', value: 'a value' });
    expect(await late).toBeInstanceOf(ServerNotRunningError);
    expect(heard).toEqual([false, true].map((last) => ({ kind: 'result', value: 'a value', last })));
    expect(GenServer.isRunning(listener)).toBe(true);
  });

  test.each(STARTS)('in a handler of %s that exits is not lost', async (_, start) => {
    const { listener, heard } = await startListener();
    const ref = await start();
    const before = runAt(ref, () => 'handled');
    const last = rejection(
      runAt(
        ref,
        ({ GenServer: servers }, to) => {
          servers.cast(to, 'bye');
          process.exit(0);
        },
        listener,
      ),
    );
    expect(await before).toBe('handled');
    expect(await last).toBeInstanceOf(ServerNotRunningError);
    expect(heard).toEqual(['bye']);
  });

  test.each(STARTS)('in a handler of `exit` of %s is not lost', async (_, start) => {
    const { listener, heard } = await startListener();
    const ref = await start();
    const last = rejection(
      runAt(
        ref,
        ({ GenServer: servers }, to) => {
          process.on('exit', () => servers.cast(to, 'bye'));
          process.exit(0);
        },
        listener,
      ),
    );
    expect(await last).toBeInstanceOf(ServerNotRunningError);
    expect(heard).toEqual(['bye']);
  });

  test('in the turn of an error that nobody catches is not lost', async () => {
    const { listener, heard } = await startListener();
    const ref = await startFar();
    const ended = nextEvent('process_down');
    GenServer.monitor(listener, ref);
    castTo(
      ref,
      ({ GenServer: servers }, to) => {
        servers.cast(to, 'first');
        setImmediate(() => {
          servers.cast(to, 'second');
          throw new Error('a bug');
        });
      },
      listener,
    );
    await ended;
    expect(heard).toEqual(['first', 'second']);
  });
});

describe('kill', () => {
  /** Lets a server loop for ever, once it has answered this. */
  const loop = (ref: Remote): Promise<unknown> =>
    runAt(ref, () => {
      setImmediate(() => {
        for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
      });
    });

  test('by a third thread ends a server that loops, and its supervisor starts it again', async () => {
    await supervise('looping');
    const ref: Remote = Registry.lookup('looping');
    await loop(ref);
    const waiting = rejection(GenServer.call(ref, { do: 'get' }, { timeout: Infinity }));
    const restarted = told('restarted');
    await new TestThread().do('kill', ref);
    await restarted;
    const next: Remote = Registry.lookup('looping');
    expect([GenServer.isRunning(ref), next.id === ref.id]).toEqual([false, false]);
    expect(await GenServer.call(next, { do: 'get' })).toBe(0);
    expect(await waiting).toBeInstanceOf(ServerNotRunningError);
  });

  test('ends one that loops on a thread that another thread has started', async () => {
    const owner = new TestThread();
    const ref = await owner.run(
      ({ GenServer: servers }, module) => servers.start({ module }, { thread: true, name: 'looping' }),
      FILE,
    );
    await loop(ref as unknown as Remote);
    const waiting = owner.run(
      ({ GenServer: servers }, to) =>
        servers.call(to, { do: 'get' }, { timeout: Infinity }).catch((error: Error) => error.name),
      ref,
    );
    GenServer.kill(ref);
    expect([GenServer.isRunning(ref), Registry.isRegistered('looping')]).toEqual([false, false]);
    expect(await waiting).toBe('ServerNotRunningError');
    expect(await owner.do('running', ref)).toBe(false);
  });
});
