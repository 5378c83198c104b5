/** The public types of TrillionProcessor. */
import type { WorkerOptions } from 'node:worker_threads';

/** Options of a processor. An explicit `undefined` means the default. */
export interface ProcessorOptions {
  /** How many tasks run at once, and the most threads of either kind. Default: the number of available cores. */
  maxWorkers?: number | undefined;
  /** Native threads that stay when there is nothing to do. Default: 1. */
  minWorkers?: number | undefined;
  /** How many tasks may wait. Default: 1,000,000. */
  taskQueueSize?: number | undefined;
  /** What a submission does when the queue has no room: `'wait'` for it, or `'reject'` with `ERR_PROCESSOR_QUEUE_FULL`. Default: `'wait'`. */
  overflow?: 'wait' | 'reject' | undefined;
  /** Items per batch of `parallelMap`: how many run at once in the caller's isolate, and how often `batchComplete` comes. Default: 10,000. */
  batchSize?: number | undefined;
  /**
   * Share of the memory that the process may use (the container's limit, else the machine's memory) above which no tasks are
   * taken in: above 0, at most 1. Default: 0.9.
   */
  memoryThreshold?: number | undefined;
  /** Whether workers that have nothing to do end after `idleTimeout`, and come back with the load. Default: true. */
  autoScale?: boolean | undefined;
  /** Milliseconds after which an idle worker ends. Default: 10,000. */
  idleTimeout?: number | undefined;
  /** How many finished tasks `results()` can still tell of; beyond, the oldest are dropped. Default: 1,000,000. */
  resultLimit?: number | undefined;
  /** The same in bytes of encoded results. Default: 64 MiB. */
  resultBytes?: number | undefined;
  /** For the worker threads that run users' operations: `env`, `execArgv`, `resourceLimits`, ... */
  workerOptions?:
    Pick<WorkerOptions, 'env' | 'execArgv' | 'resourceLimits' | 'stdout' | 'stderr' | 'argv'> | undefined;
}

/** What is to be done. */
export interface Task<D = unknown> {
  /** A native operation, or a name given to `define`. Absent: the data comes back as it is. */
  operation?: string | undefined;
  data?: D | undefined;
  /** The task's id; by default one is made. Must not be in use. */
  id?: string | undefined;
  /** Higher starts first. A whole number from -2^31 to 2^31-1. Default: 0. */
  priority?: number | undefined;
  /** How often the task is tried again after a failure. Default: 0. */
  retries?: number | undefined;
  /** Objects that move to the worker instead of being copied; only for users' operations. */
  transferList?: readonly Transferable[] | undefined;
}

/** What may stand in a transfer list. */
export type Transferable =
  ArrayBuffer | import('node:worker_threads').MessagePort | import('node:fs/promises').FileHandle;

/** Options of `run`; `priority`, `retries` and `transferList` go before those of the task. */
export interface RunOptions {
  /** Ends the task: the promise rejects with the signal's reason, what runs is stopped. */
  signal?: AbortSignal | undefined;
  /** Milliseconds from the call, waiting included, after which the promise rejects with `ERR_PROCESSOR_TIMEOUT` and what runs is stopped. */
  timeout?: number | undefined;
  priority?: number | undefined;
  retries?: number | undefined;
  transferList?: readonly Transferable[] | undefined;
}

/** Options of `parallelMap`. */
export interface MapOptions {
  /** Items per batch: in the caller's isolate so many run at once; `batchComplete` comes after each. Default: the processor's. */
  batchSize?: number | undefined;
  /** How many run at once in the caller's isolate. Default: `batchSize`. */
  concurrency?: number | undefined;
  /** Run `fn` on the worker threads. A function is moved there as text and must not close over anything. Default: false. */
  thread?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Higher starts first, on workers. Default: 0. */
  priority?: number | undefined;
  /** How often an item is tried again after a failure, on workers. Default: 0. */
  retries?: number | undefined;
}

/** How a task ended. */
export type TaskOutcome<R = unknown> =
  | { readonly taskId: string; readonly result: R; readonly error?: undefined }
  | { readonly taskId: string; readonly result?: undefined; readonly error: Error };

/** What `getStats` tells. */
export interface ProcessorStats {
  /** Tasks and items finished with a result. */
  processed: number;
  /** Tasks and items finished with an error. */
  failed: number;
  /** When `initialize` began, in milliseconds since 1970; null before. */
  startTime: number | null;
  /** When the processor was shut down; null before. */
  endTime: number | null;
  /** Time between the two (or until now), e.g. "0.52s". */
  elapsed: string;
  /** Finished tasks per second of it, e.g. "11.58/s". */
  rate: string;
  elapsedMs: number;
  ratePerSecond: number;
  /** Native threads. */
  workers: number;
  /** Worker isolates for users' operations. */
  hosts: number;
  /** Tasks that wait. */
  queueLength: number;
  /** Chunks of tasks that run. */
  running: number;
  /** Tasks that were tried again after a failure. */
  retried: number;
  /** Tasks that ran again because the worker that held them ended. */
  rerun: number;
  /** Finished tasks that `results()` can tell of, and those it no longer can. */
  resultsHeld: number;
  resultsDropped: number;
  /** Whether intake stands still because of `memoryThreshold`. */
  paused: boolean;
  memoryUsage: NodeJS.MemoryUsage;
}

/** Options of `shutdown`. */
export interface ShutdownOptions {
  /** Milliseconds to wait for unfinished tasks; what is then left fails with `ERR_PROCESSOR_SHUT_DOWN`. Default: as long as it takes. */
  timeout?: number | undefined;
  /** Do not wait at all. Default: false. */
  force?: boolean | undefined;
}

/** Events by name, with the arguments of their listeners. */
export interface ProcessorEvents {
  initialized: [{ workers: number }];
  taskComplete: [{ taskId: string; result: unknown }];
  taskError: [{ taskId: string; error: Error; message: string }];
  batchComplete: [{ completed: number; total: number }];
  /** A worker isolate ended by a fault; what it held runs again or has failed. */
  workerError: [{ workerId: number; error: Error }];
  /** The number of native workers changed. */
  scale: [{ workers: number }];
  /** Intake stands still: the process uses more than `memoryThreshold`. */
  paused: [{ reason: 'memory'; used: number; limit: number }];
  resumed: [];
  shutdown: [ProcessorStats];
}

/** What a user's operation gets besides the data. */
export interface OperationContext {
  /** 0 the first time, then 1, 2, ... */
  readonly attempt: number;
  /** Returned by an operation: `value` goes back with the objects of `transferList` moved instead of copied. */
  transfer(value: unknown, transferList: readonly Transferable[]): unknown;
}

/** A user's operation. */
// oxlint-disable-next-line typescript/no-explicit-any -- the data's type is the user's to name
export type UserOperation = (data: any, context: OperationContext) => unknown;
