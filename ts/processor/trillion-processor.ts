/**
 * TrillionProcessor: many tasks on all cores, with a bounded queue. The engine's `processor/` does the work.
 */
import { EventEmitter } from 'node:events';
import { NoizylabError } from '../errors';
import { mapConcurrently } from '../parallel/map-concurrently';
import type { OperationSource } from './definitions';
import { type ProcessorConfig, read, readConfig, readManner } from './options';
import type * as Parts from './parts';
import type { SegmentHead } from './submission';
import type { BatchOwner } from './task-batch';
import type {
  MapOptions,
  ProcessorEvents,
  ProcessorOptions,
  ProcessorStats,
  RunOptions,
  ShutdownOptions,
  Task,
  TaskOutcome,
  Transferable,
} from './types';

/** Loaded by the first constructor. */
let parts: typeof Parts;

/**
 * A parallel processor.
 *
 * Native operations (`docs/processor.md` lists them) run on threads of the engine, users' operations in worker threads;
 * at most `maxWorkers` chunks of tasks run at once. It is ready at once; `initialize` only starts its threads early.
 */
export class TrillionProcessor extends EventEmitter<ProcessorEvents> {
  /** The options in force. */
  readonly config: Readonly<ProcessorConfig>;
  readonly #core: Parts.Core;
  readonly #operations: Parts.Operations;
  readonly #table: Parts.ResultTable;
  readonly #batchOwner: BatchOwner;
  readonly #idPrefix: string;
  /** Items that `parallelMap` and `streamProcess` finished in this isolate. */
  readonly #local = { processed: 0, failed: 0 };
  #nextTask = 1;
  #startTime: number | null = null;
  #endTime: number | null = null;
  #initialized: Promise<this> | undefined;
  #shutdown: Promise<void> | undefined;

  /**
   * @throws TypeError `ERR_PROCESSOR_INVALID_TYPE`, RangeError `ERR_PROCESSOR_OUT_OF_RANGE`: an option. NoizylabError
   * `ERR_CORE_UNAVAILABLE`, `ERR_CORE_DUPLICATE`: the native part.
   */
  constructor(options?: ProcessorOptions) {
    super();
    this.config = Object.freeze(readConfig(options));
    // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
    parts ??= require('./parts') as typeof Parts;
    this.#core = new parts.Core(this.config, { emit: (event, ...args) => this.#tell(event, ...args) });
    this.#operations = new parts.Operations(this.#core);
    this.#idPrefix = `task_${Date.now()}_${this.#core.key}_`;
    this.#table = new parts.ResultTable(this.#idPrefix, this.config.resultLimit, this.config.resultBytes);
    this.#batchOwner = this.#ownBatches();
  }

  /**
   * Starts the native threads now instead of with the first tasks. Calling it again changes nothing.
   * @returns this processor, when `initialized` has been emitted.
   */
  initialize(): Promise<this> {
    this.#initialized ??= this.#initialize();
    return this.#initialized;
  }

  /**
   * Adds tasks to the queue: all of them or, where the call rejects at once, none. Their results come as events `taskComplete` and
   * `taskError`, and through `results`.
   * @param options.signal ends the wait for room; what has been accepted by then still runs
   * @returns the tasks' ids in order, when all have been accepted: with a full queue only when there is room.
   * @throws TypeError, RangeError for a task that is not one; NoizylabError `ERR_PROCESSOR_UNKNOWN_OPERATION`,
   * `ERR_PROCESSOR_DUPLICATE_ID`, `ERR_PROCESSOR_NOT_CLONEABLE`, `ERR_PROCESSOR_QUEUE_FULL`, `ERR_PROCESSOR_MEMORY`,
   * `ERR_PROCESSOR_SHUT_DOWN`
   */
  async addTasks(tasks: readonly Task[], options?: { signal?: AbortSignal | undefined }): Promise<string[]> {
    const signal = read.signal('signal', read.object('options', options).signal);
    this.#begin();
    signal?.throwIfAborted();
    const list = parts.readTasks(tasks, this.#operations, (id) => this.#table.hasId(id));
    const { length } = list.data;
    if (length === 0) return [];
    const core = this.#core;
    const layouts = core.submission.layouts('tasks', list.data, (index) => list.headOf(index).target);
    const refusal = core.intake.refusal(length);
    if (refusal !== undefined) throw refusal;

    const group = core.nextGroup();
    // An id that looks like one of ours will not be given out again.
    for (const id of list.ids?.values() ?? []) {
      this.#nextTask = Math.max(this.#nextTask, (this.#table.numberOf(id) ?? 0) + 1);
    }
    const first = this.#nextTask;
    this.#nextTask += length;
    const given = (index: number): unknown => parts.handedBack(list.headOf(index).target, list.data[index]);
    const batch = new parts.TaskBatch(
      group,
      first,
      length,
      given,
      list.ids,
      this.#idPrefix,
      this.#batchOwner,
    );
    this.#table.add(batch);
    core.expect(group, batch);
    let entered = 0;
    try {
      while (entered < length) {
        // Without a wait where there is room: what was added before a shutdown is accepted.
        const entry = core.enter(length - entered, signal);
        const tasksIn = typeof entry === 'number' ? entry : await entry;
        for (const [head, from, to] of list.runs(entered, entered + tasksIn)) {
          if (head.transferList === undefined)
            core.submission.add({ ...head, group }, list.data, layouts, from, to);
          else this.#send({ ...head, group }, from, list.data[from], head.transferList);
          entered = to;
        }
      }
    } catch (error) {
      const reason =
        error instanceof Error ? error : new NoizylabError('ERR_PROCESSOR_CANCELLED', String(error));
      this.#table.cut(batch, entered, reason);
      if (batch.done) core.forget(group);
      throw error;
    }
    const turn = core.intake.turn(length);
    if (turn !== undefined) await this.#table.hold(turn);
    const ids = parts.filled<string>(length);
    for (let index = 0; index < length; index++) ids[index] = batch.idOf(index);
    return ids;
  }

  /**
   * Runs one task.
   * @returns its result. Rejects with what the operation threw, with the signal's reason, or with `ERR_PROCESSOR_TIMEOUT`,
   * `ERR_PROCESSOR_WORKER_DIED`, `ERR_PROCESSOR_SHUT_DOWN`, and as `addTasks`.
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its operation returns
  run<R = unknown>(task: Task, options?: RunOptions): Promise<R> {
    try {
      this.#begin();
      return parts.runTask(this.#core, this.#operations, task, options) as Promise<R>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Calls `fn` for every item.
   *
   * A function runs in this isolate, `concurrency` calls at once; with `thread: true`, or where `fn` is the path or URL of a
   * module, it runs on the worker threads in chunks. Every call gets one argument, the item.
   * @returns the results in the order of the items. Rejects with the first failure; nothing new starts then.
   * @throws TypeError `ERR_PROCESSOR_CLOSURE`: the function cannot move to a thread.
   */
  parallelMap<T, R>(
    items: readonly T[],
    fn: ((item: T) => R | PromiseLike<R>) | string | URL,
    options?: MapOptions,
  ): Promise<Awaited<R>[]>;
  async parallelMap(
    items: readonly unknown[],
    fn: ((item: unknown) => unknown) | string | URL,
    options?: MapOptions,
  ): Promise<unknown[]> {
    read.array('items', items);
    if (typeof fn !== 'string' && !parts.isUrl(fn)) read.callback('fn', fn);
    const given = read.object('options', options);
    const batchSize = read.integer('batchSize', given.batchSize, this.config.batchSize, {
      min: 1,
      orInfinity: true,
    });
    const concurrency = read.integer('concurrency', given.concurrency, batchSize, {
      min: 1,
      orInfinity: true,
    });
    const thread = read.boolean('thread', given.thread, typeof fn !== 'function');
    const signal = read.signal('signal', given.signal);
    const manner = readManner(given);
    this.#begin();
    const progress = this.#progress(items.length, batchSize);
    if (thread || typeof fn !== 'function') {
      return this.#operations.useFunction(fn, (target) =>
        parts.mapOnWorkers(this.#core, target, items, { manner, signal, progress }),
      );
    }
    try {
      return await mapConcurrently(items, fn, {
        concurrency,
        signal,
        onSettled: (completed) => {
          this.#local.processed++;
          progress(completed);
        },
      });
    } catch (error) {
      this.#local.failed++;
      throw error;
    }
  }

  /**
   * Calls `fn` for the items of an iterable as they come, with bounded memory: at most `concurrency` (default 1) items are
   * taken before their results are asked for.
   * @returns an async generator of the results, in order.
   */
  streamProcess<T, R>(
    source: Iterable<T> | AsyncIterable<T>,
    fn: (item: T) => R | PromiseLike<R>,
    options?: { concurrency?: number | undefined; signal?: AbortSignal | undefined },
  ): AsyncGenerator<Awaited<R>, void, undefined> {
    this.#begin();
    return parts.streamProcess(source, fn, options, this.#local);
  }

  /**
   * The outcomes of tasks: `await` it for all of them in the order of the ids, or iterate it with `for await` to get each as it
   * comes. Outcomes are kept up to `resultLimit` and `resultBytes`; one that was dropped is told as an error
   * `ERR_PROCESSOR_RESULT_DROPPED`.
   */
  results<R = unknown>(ids: readonly string[]): Parts.TaskResults<R> {
    read.array('ids', ids);
    for (const id of ids) if (typeof id !== 'string') throw read.type('an id', id, 'a string');
    return new parts.TaskResults<R>(this.#table, [...ids]);
  }

  /**
   * Registers an operation for tasks `{ operation: name, data }`. It runs in worker threads as `fn(data, context)`.
   * @param source a function that stands alone, or the path or URL of a module; `#name` picks one of its exports
   * @returns this processor
   * @throws TypeError `ERR_PROCESSOR_CLOSURE`, NoizylabError `ERR_PROCESSOR_MODULE_NOT_FOUND`, `ERR_PROCESSOR_OPERATION_EXISTS`
   */
  define(name: string, source: OperationSource): this {
    this.#operations.define(read.text('name', name), parts.readDefinition(name, source));
    return this;
  }

  /** Figures, read from memory without a call into the engine (but `memoryUsage`, which is Node's). */
  getStats(): ProcessorStats {
    return parts.statsOf(this.#core, this.#table, this.#local, this.#startTime, this.#endTime);
  }

  /**
   * Finishes all tasks, then ends the workers and emits `shutdown`. Nothing new is accepted from the call on. Calling it again
   * waits for the same end; with `force` it also hurries it.
   */
  async shutdown(options?: ShutdownOptions): Promise<void> {
    const given = read.object('options', options);
    const timeout =
      given.timeout === undefined
        ? undefined
        : read.number('timeout', given.timeout, 0, { min: 0, orInfinity: true });
    const force = read.boolean('force', given.force, false) || timeout === 0;
    if (this.#shutdown !== undefined && force) this.#core.force();
    this.#shutdown ??= this.#end(timeout === Infinity ? undefined : timeout, force);
    return this.#shutdown;
  }

  /** As `shutdown()`; for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #initialize(): Promise<this> {
    this.#begin();
    const workers = this.#core.bridge.native.processorStart(this.#core.handle);
    await Promise.resolve();
    this.#tell('initialized', { workers });
    return this;
  }

  /** Nothing may begin after a shutdown; the first beginning starts the clock. */
  #begin(): void {
    if (this.#shutdown !== undefined) throw shutDown();
    this.#startTime ??= Date.now();
  }

  async #end(timeout: number | undefined, force: boolean): Promise<void> {
    // Those that wait for room cannot get in any more.
    this.#core.intake.close(shutDown());
    await this.#core.shutdown(timeout, force);
    this.#startTime ??= Date.now();
    this.#endTime = Date.now();
    this.#tell('shutdown', this.getStats());
  }

  /** Emits `batchComplete` each time another `batchSize` items are done. */
  #progress(total: number, batchSize: number): (completed: number) => void {
    let told = 0;
    return (completed) => {
      for (let next = Math.min(total, told + batchSize); completed >= next && told < total;) {
        told = next;
        this.#tell('batchComplete', { completed: told, total });
        next = Math.min(total, told + batchSize);
      }
    };
  }

  #ownBatches(): BatchOwner {
    const core = this.#core;
    return {
      wantsEvents: () => this.listenerCount('taskComplete') > 0 || this.listenerCount('taskError') > 0,
      emitOutcome: (outcome) => this.#emitOutcome(outcome),
      keep: (batch, chunk) => this.#table.keep(batch, chunk),
      get sharesMemory() {
        return core.sharesMemory;
      },
      fromPort: (group, index) => core.fromPort(group, index),
      idOf: (buffer) => core.idOf(buffer),
      byId: (id) => core.byId(id),
    };
  }

  #emitOutcome({ taskId, result, error }: TaskOutcome): void {
    if (error === undefined) this.#tell('taskComplete', { taskId, result });
    else this.#tell('taskError', { taskId, error, message: error.message });
  }

  /** What a listener throws is an uncaught exception and stops nothing else. */
  #tell<K extends keyof ProcessorEvents>(event: K, ...args: ProcessorEvents[K]): void {
    try {
      (this as EventEmitter).emit(event, ...args);
    } catch (thrown) {
      parts.throwLater(thrown);
    }
  }

  /** A task whose data moves waits for a worker by itself; where it cannot be sent it fails. */
  #send(head: SegmentHead, index: number, data: unknown, transferList: readonly Transferable[]): void {
    const core = this.#core;
    core
      .sendByPort(head, index, data, transferList)
      .catch((error: Error) => core.failed(head.group, index, error));
  }
}

function shutDown(): NoizylabError {
  return new NoizylabError('ERR_PROCESSOR_SHUT_DOWN', 'the processor was shut down; it takes no more tasks');
}
