/** Servers on threads of their own, worker threads with servers in them, and what is done there. All of them end with the test. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GenServer } from '../../dist/actor';
import type {
  BehaviorModule,
  ExitReason,
  ExitSignal,
  GenServerBehavior,
  GenServerOptions,
  GenServerRef,
  Ref,
  ThreadOptions,
} from '../../dist/actor';
import { reset } from '../../dist/actor/testing';
import { gate, nextEvent } from '../fixtures/actor-servers';

type Actor = typeof import('../../dist/actor');

/** What an action has in its thread. */
export interface There extends Actor {
  threadId: number;
  /** What actions leave for later ones. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test keeps what it likes
  kept: Record<string, any>;
  /** In a `TestThread`: says that it begins, see `blocked`, and keeps the thread until `release`. */
  pause(): void;
}

/** Runs in another thread: what it needs from outside comes as `args`. */
export type Action<A extends unknown[], R> = (there: There, ...args: A) => R;

interface Work {
  code: string;
  args: unknown[];
}

const workOf = <A extends unknown[], R>(action: Action<A, R>, args: A): Work => ({
  code: action.toString(),
  args,
});

/** The module of the servers that `startFar` starts. */
export const FILE = join(__dirname, '..', 'fixtures', 'actor-remote.mjs');

export type Remote = GenServerRef<number, { do: string; [field: string]: unknown }, number | 'fail' | Work>;

/** A server of a `TestThread`. */
export type Counter = GenServerRef<number, string | Work, number | Work, number>;

/** Starts a server of the fixture on a thread of its own. */
export const startFar = (
  options?: GenServerOptions & { thread?: ThreadOptions },
  module?: Partial<BehaviorModule>,
): Promise<Remote> => GenServer.start({ module: FILE, ...module }, { thread: true, ...options });

/** Has a server run an action while it handles a call, and gives the result; a promise of it does not hold the server. */
export function runAt<A extends unknown[], R>(
  ref: Remote | Counter,
  action: Action<A, R>,
  ...args: A
): Promise<Awaited<R>> {
  const message = { do: 'run', ...workOf(action, args) };
  return GenServer.call(ref as Remote, message, { timeout: Infinity }) as Promise<Awaited<R>>;
}

/** Has a server run an action while it handles a cast; a promise holds the server until it is settled. */
export function castTo<A extends unknown[]>(
  ref: Remote | Counter,
  action: Action<A, unknown>,
  ...args: A
): void {
  GenServer.cast(ref as Remote, workOf(action, args));
}

/** Blocks this thread until the worker thread of a server has ended, of which this thread then knows nothing yet. */
export function blockUntilGone(ref: Counter, act: () => void): void {
  act();
  // Nobody ends the server: its place is taken away with its thread.
  while (GenServer.isRunning(ref)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

const threads = new Set<TestThread>();

afterEach(async () => {
  reset();
  await Promise.all([...threads].map((thread) => thread.terminate()));
});

/** A worker thread of the test's own, see `fixtures/actor-thread.js`. */
export class TestThread {
  readonly words = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(join(__dirname, '..', 'fixtures', 'actor-thread.js'), {
    workerData: this.words,
  });
  readonly #waiting = new Map<number, (answer: { value?: unknown; error?: unknown }) => void>();
  #ticket = 0;

  constructor() {
    threads.add(this);
    this.#worker.on('message', ({ ticket, ...answer }: { ticket: number }) =>
      this.#waiting.get(ticket)!(answer),
    );
    this.#worker.on('error', () => {}); // some are to end by one
  }

  get id(): number {
    return this.#worker.threadId;
  }

  /** What a task gives there; rejects with an error's name, code and message. */
  do<Result>(name: string, ...given: unknown[]): Promise<Result> {
    const ticket = (this.#ticket += 1);
    this.#worker.postMessage({ ticket, name, given });
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, ({ value, error }) => {
        if (error === undefined) resolve(value as Result);
        else reject(Object.assign(new Error('a task failed'), error));
      });
    });
  }

  /** Runs an action there and gives its result. */
  run<A extends unknown[], R>(action: Action<A, R>, ...args: A): Promise<Awaited<R>> {
    return this.do('run', workOf(action, args));
  }

  start(options?: GenServerOptions): Promise<Counter> {
    return this.do('start', options);
  }

  /** Resolves when this thread, which was asked to, is kept from all else. */
  async blocked(): Promise<void> {
    // Absent from the typings of this language level.
    const { waitAsync } = Atomics as unknown as {
      waitAsync(words: Int32Array, index: number, value: number): { value: unknown };
    };
    await waitAsync(this.words, 0, 0).value;
  }

  release(): void {
    Atomics.store(this.words, 1, 1);
    Atomics.notify(this.words, 1);
  }

  async terminate(): Promise<void> {
    threads.delete(this);
    await this.#worker.terminate();
  }
}

/** A server that collects casts; a call waits until there are so many. */
export function listening(told: unknown[]): GenServerBehavior<number, number, unknown, number> {
  const waiting: { count: number; open: () => void }[] = [];
  return {
    init: () => 0,
    handleCall(count, state) {
      const { opened, open } = gate();
      if (told.length >= count) open();
      else waiting.push({ count, open });
      // The promise is the reply: the mailbox is open meanwhile.
      return [opened.then(() => told.length), state];
    },
    handleCast(message, state) {
      told.push(message);
      for (const { count, open } of waiting) if (told.length >= count) open();
      return state;
    },
  };
}

/** A server of this thread that traps exits: what it was told, and a promise of the first of that. */
export async function startTrapping(): Promise<{
  trapping: GenServerRef;
  signals: ExitSignal[];
  signalled: Promise<ExitSignal>;
}> {
  const signals: ExitSignal[] = [];
  const { opened, open } = gate();
  const trapping = await GenServer.start(
    {
      init: () => 0,
      handleCall: (_message: 'get', state: number) => [state, state] as const,
      handleCast: (_message: never, state: number) => state,
      handleInfo: (signal: ExitSignal, state: number) => {
        signals.push(signal);
        open();
        return state;
      },
    },
    { trapExit: true },
  );
  return { trapping, signals, signalled: opened.then(() => signals[0]!) };
}

/** Resolves with the reason when a server of this thread ends. */
export const endOf = async ({ id }: Ref): Promise<ExitReason> =>
  (await nextEvent('terminated', ({ ref }) => ref.id === id)).reason;

/** Resolves with the reason that a monitor gives for the end of a process of whatever thread. */
export async function downOf(ref: Ref, watcher: Ref): Promise<unknown> {
  const down = nextEvent('process_down', ({ monitoredRef }) => monitoredRef.id === ref.id);
  GenServer.monitor(watcher, ref);
  return (await down).reason;
}

/** What the reason of an end by a broken link has: the other process has ended. */
export const brokenBy = ({ id }: Ref): object => ({
  error: { name: 'LinkBrokenError', code: 'ERR_ACTOR_LINK_BROKEN', processId: id },
});
