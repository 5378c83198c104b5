/**
 * `Task`: a function that runs once, as a process: it can be awaited, supervised, monitored and shut down.
 *
 * The process ends when the function has finished: with `normal`, or where it failed, with its error. Its result stays with the reference,
 * for as long as somebody holds that very object, and can be awaited any number of times.
 */
import {
  CallTimeoutError,
  ServerNotRunningError,
  TaskExecutionError,
  TaskTimeoutError,
  toError,
} from './errors';
import { GenServer } from './gen-server';
import { named } from './services';
import { within } from './time-limit';
import { milliseconds, options as read } from './settings';
import { Supervisor } from './supervisor';
import { runAll } from './task-stream';
import type {
  AsyncStreamOptions,
  AsyncStreamSettledOptions,
  StreamResult,
  TaskAwaitOptions,
  TaskCall,
  TaskFunction,
  TaskRef,
  TaskSupervisorOptions,
  TaskSupervisorRef,
} from './task-types';
import { isThenable } from './thenable';
import { DEFAULTS, type ExitReason, type Ref } from './types';

/** How long `Task.yield` waits, in milliseconds, where it is not told. */
const YIELD_TIMEOUT = 10;

/** The function of one task and what comes of it. */
class Work<T> {
  /** Rejects with `TaskExecutionError`, or where the process ends first, with `ServerNotRunningError`. */
  readonly outcome: Promise<T>;
  readonly #fn: TaskFunction<T>;
  readonly #abort = new AbortController();
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;
  #ref: Ref | undefined;
  /** The function has finished, or the process has ended. */
  #over = false;

  constructor(fn: TaskFunction<T>) {
    this.#fn = fn;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody has to await a task.
    this.outcome.catch(() => {});
  }

  /** Runs the function, in the process `ref`. */
  run(ref: Ref): void {
    this.#ref = ref;
    if (this.#over) {
      this.#reject(new ServerNotRunningError(ref.id));
      return;
    }
    try {
      const result = this.#fn(this.#abort.signal);
      if (isThenable(result))
        result.then(
          (value) => this.#finish(value),
          (error: unknown) => this.#fail(error),
        );
      else this.#finish(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The process has ended. */
  end(reason: ExitReason): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#ref !== undefined) this.#reject(new ServerNotRunningError(this.#ref.id));
    this.#abort.abort(typeof reason === 'string' ? undefined : reason.error);
  }

  #finish(value: T): void {
    if (this.#over) return;
    this.#over = true;
    this.#resolve(value);
    this.#endProcess('normal');
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const error = toError(thrown);
    this.#reject(new TaskExecutionError(error));
    this.#endProcess({ error });
  }

  #endProcess(reason: ExitReason): void {
    void GenServer.stop(this.#ref!, reason);
  }
}

/** By the reference that its start returned. */
const works = new WeakMap<Ref, Work<unknown>>();

async function startTask<T>(fn: TaskFunction<T>): Promise<TaskRef<T>> {
  read.callback('fn', fn);
  const work = new Work(fn);
  const ref: TaskRef<T> = await GenServer.start<Work<T>, TaskCall, never, T>({
    init: () => work,
    // The promise is the reply, so the server is not held up by it.
    handleCall: (_getResult, state) => [state.outcome, state],
    handleCast: (_none, state) => state,
    terminate: (reason, state) => state.end(reason),
  });
  works.set(ref, work as unknown as Work<unknown>);
  work.run(ref);
  return ref;
}

/** The result of a task; by the mailbox where the reference is not the one that its start returned. */
function outcomeOf<T>(ref: TaskRef<T>): Promise<T> {
  const work = works.get(ref) as Work<T> | undefined;
  return work?.outcome ?? GenServer.call(ref, { type: 'get_result' }, { timeout: Infinity });
}

const TaskSupervisor = {
  /**
   * Starts a supervisor of tasks, which are `temporary`: none is restarted.
   * @throws (rejects) AlreadyRegisteredError: the name is in use
   */
  start(options?: TaskSupervisorOptions): Promise<TaskSupervisorRef> {
    return Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: { start: startTask, restart: 'temporary' },
      ...named(read.object('options', options).name),
    });
  },

  /** Starts a task under a supervisor, which shuts it down when it stops. Rejects as `Supervisor.startChild` does. */
  async async<T>(supervisor: TaskSupervisorRef, fn: TaskFunction<T>): Promise<TaskRef<T>> {
    read.callback('fn', fn);
    const ref: Ref = await Supervisor.startChild(supervisor, [fn]);
    return ref;
  },

  /**
   * Runs functions as tasks under a supervisor, at most `concurrency` at the same time, and resolves to their results.
   * @throws (rejects) without `onErrorContinue` the first failure: TaskExecutionError, TaskTimeoutError, or what `Supervisor.startChild` rejects with
   */
  async asyncStream<T>(
    supervisor: TaskSupervisorRef,
    fns: readonly TaskFunction<T>[],
    options?: AsyncStreamOptions,
  ): Promise<T[]> {
    const onErrorContinue = read.boolean(
      'onErrorContinue',
      read.object('options', options).onErrorContinue,
      false,
    );
    const results = await runAll<T>(starting(supervisor), fns, options, !onErrorContinue);
    return results.map((result) => (result.status === 'ok' ? result.value : (result.error as T)));
  },

  /** As `asyncStream`, but never rejects for a task: resolves to how each has ended. */
  asyncStreamSettled<T>(
    supervisor: TaskSupervisorRef,
    fns: readonly TaskFunction<T>[],
    options?: AsyncStreamSettledOptions,
  ): Promise<StreamResult<T>[]> {
    return runAll<T>(starting(supervisor), fns, options, false);
  },

  /** Stops the supervisor and shuts its tasks down. */
  stop(supervisor: TaskSupervisorRef, reason?: ExitReason): Promise<void> {
    return Supervisor.stop(supervisor, reason);
  },
} as const;

/** Functions that run once, as processes. */
export const Task = {
  /**
   * Starts a task; the function runs at once.
   * @throws (rejects) TypeError `ERR_ACTOR_INVALID_TYPE`: `fn` is no function
   */
  async<T>(fn: TaskFunction<T>): Promise<TaskRef<T>> {
    return startTask(fn);
  },

  /**
   * The result of a task.
   * @throws (rejects) TaskExecutionError, with `cause`: the function has failed. TaskTimeoutError, CallTimeoutError: see `timeout`.
   * ServerNotRunningError: the task was shut down, or is not known
   */
  async await<T>(ref: TaskRef<T>, options?: TaskAwaitOptions): Promise<T> {
    const { timeout } = read.object('options', options);
    const ms = milliseconds('timeout', timeout, DEFAULTS.CALL_TIMEOUT);
    return within(outcomeOf(ref), ms, () => {
      throw timeout === undefined ? new CallTimeoutError(ref.id, ms) : new TaskTimeoutError(ms);
    });
  },

  /**
   * The result of a task if it is there within `timeout` milliseconds (default 10), else `undefined`.
   * @throws (rejects) as `await` does, but not for the time
   */
  async yield<T>(ref: TaskRef<T>, options?: TaskAwaitOptions): Promise<T | undefined> {
    const ms = milliseconds('timeout', read.object('options', options).timeout, YIELD_TIMEOUT);
    return within(outcomeOf(ref), ms, () => undefined);
  },

  /** Ends a task that has not finished: its signal aborts, and those who await it get `ServerNotRunningError`. */
  shutdown(ref: TaskRef<unknown>): Promise<void> {
    return GenServer.stop(ref, 'shutdown');
  },

  /** Whether the task has not finished. */
  isRunning(ref: TaskRef<unknown>): boolean {
    return GenServer.isRunning(ref);
  },

  /** Supervisors of tasks. */
  Supervisor: TaskSupervisor,
} as const;

/** How a stream starts, awaits and ends its tasks. */
function starting<T>(supervisor: TaskSupervisorRef) {
  return {
    start: (fn: TaskFunction<T>) => TaskSupervisor.async(supervisor, fn),
    wait: (ref: TaskRef<T>, timeout: number) => Task.await(ref, { timeout }),
    shutDown: (ref: TaskRef<T>) => Task.shutdown(ref),
  };
}
