/** The types of tasks. Nothing here runs. */
import type { GenServerRef, SupervisorRef } from './types';

/**
 * What a task does. The signal aborts when the task is shut down or killed before it has finished, with the reason of that.
 */
export type TaskFunction<T> = (signal: AbortSignal) => T | PromiseLike<T>;

/** The message that asks a task for its result. */
export interface TaskCall {
  readonly type: 'get_result';
}

/** Names a task; holds its result as long as the reference itself is held. */
export type TaskRef<T> = GenServerRef<unknown, TaskCall, never, T>;

/** Names a supervisor of tasks. */
export type TaskSupervisorRef = SupervisorRef;

/** Options of `Task.Supervisor.start`. */
export interface TaskSupervisorOptions {
  /** Registers the supervisor under this name. */
  readonly name?: string | undefined;
}

/** Options of `Task.await`. */
export interface TaskAwaitOptions {
  /**
   * Milliseconds until it rejects with `TaskTimeoutError`; `Infinity`: never. Without it, it rejects with `CallTimeoutError` after 5000.
   * The task goes on in either case.
   */
  readonly timeout?: number | undefined;
}

/** Options of `Task.Supervisor.asyncStreamSettled`. */
export interface AsyncStreamSettledOptions {
  /** Most tasks at the same time; default `Infinity`. */
  readonly concurrency?: number | undefined;
  /** Milliseconds for each task, which is shut down then and counts as failed with `TaskTimeoutError`; default `Infinity`. */
  readonly timeout?: number | undefined;
  /** `true` (default): results in the order of the functions. `false`: in the order in which the tasks finish. */
  readonly ordered?: boolean | undefined;
}

/** Options of `Task.Supervisor.asyncStream`. */
export interface AsyncStreamOptions extends AsyncStreamSettledOptions {
  /**
   * `false` (default): with the first failure the stream rejects, and the tasks that still run are shut down. `true`: the error of a failed
   * task stands among the results.
   */
  readonly onErrorContinue?: boolean | undefined;
}

/** How one task of a stream has ended. */
export type StreamResult<T> =
  { readonly status: 'ok'; readonly value: T } | { readonly status: 'error'; readonly error: Error };
