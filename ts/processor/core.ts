/**
 * The part of a processor that talks to the engine: groups of tasks out, results in, worker isolates between.
 */
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { type Channel, type FrameView, getBridge, RecordKind, type Bridge } from '../bridge/bridge';
import { readFrame } from '../bridge/frame';
import { crossing } from '../bridge/native';
import { AT_PORT, Failure } from '../bridge/payload';
import { NoizylabError } from '../errors';
import { Figures } from './figures';
import { type Group, type Results, RunGroup } from './groups';
import { Hosts, type HostsOwner } from './hosts';
import { Intake } from './intake';
import type { ProcessorConfig, TaskManner } from './options';
import { handedBack, type SegmentHead, Submission, type Target } from './submission';
import type { ProcessorEvents, Transferable } from './types';

const LAST_INDEX = 2 ** 32 - 1;
/** Longer timers of Node fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What a core tells its processor. */
export interface CoreOwner {
  emit<K extends keyof ProcessorEvents>(event: K, ...args: ProcessorEvents[K]): void;
}

/** Running workers hold their `Hosts`, which must not hold a processor that nobody else does. */
function weakOwner(owner: WeakRef<CoreOwner>): HostsOwner {
  return { hostFailed: (workerId, error) => owner.deref()?.emit('workerError', { workerId, error }) };
}

/** A processor that was dropped without `shutdown` is closed when it is collected. */
const collected = new FinalizationRegistry<{ bridge: Bridge; handle: number; hosts: Hosts }>(
  ({ bridge, handle, hosts }) => {
    bridge.close(handle);
    bridge.native.processorClose(handle);
    void hosts.close();
  },
);

export class Core implements Channel, Results {
  readonly bridge = getBridge();
  readonly handle: number;
  /** The engine's number for this processor, one in the process. */
  readonly key: number;
  readonly figures: Figures;
  readonly hosts: Hosts;
  readonly intake: Intake;
  readonly submission: Submission;
  readonly #groups = new Map<number, Group>();
  #lastGroup = 0;
  #runs: { number: number; group: RunGroup; next: number } | undefined;
  #onClosed: (() => void) | undefined;
  #closed = false;
  /** Tasks that are in and whose data waits for a worker to be sent to. */
  #sending = 0;
  #onSent: (() => void) | undefined;
  /** Those who wait for room want it once so many tasks wait; asked for when nothing is being sent. */
  #roomWanted: number | undefined;

  constructor(
    config: ProcessorConfig,
    private readonly owner: CoreOwner,
  ) {
    const { native, load } = this.bridge;
    const { maxWorkers, minWorkers, autoScale, idleTimeout } = config;
    const idle = Math.min(idleTimeout, Number.MAX_SAFE_INTEGER);
    this.handle = native.processorCreate(load, maxWorkers, minWorkers, autoScale, idle)!;
    this.key = native.processorKey(this.handle)!;
    this.figures = new Figures(native, this.handle);
    this.hosts = new Hosts(native, this.handle, config.workerOptions, weakOwner(new WeakRef(owner)));
    this.submission = new Submission(
      (...submission) => crossing(() => native.processorSubmit(this.handle, ...submission)),
      (group, index, count, error) => this.#answer(group, (found) => found.failed(index, count, error)),
      this.hosts.shared,
    );
    this.intake = new Intake(config, {
      queued: () => this.queued,
      unfinished: () => this.queued + this.figures.running,
      awaitRoom: (most) => {
        this.#roomWanted = most;
        if (this.#sending === 0) this.#askForRoom();
      },
      paused: (used, limit) => this.owner.emit('paused', { reason: 'memory', used, limit }),
      resumed: () => this.owner.emit('resumed'),
    });
    this.bridge.open(this.handle, this);
    collected.register(this, { bridge: this.bridge, handle: this.handle, hosts: this.hosts }, this);
  }

  /** Tasks that wait, wherever they do. */
  get queued(): number {
    return this.figures.queued + this.submission.pending + this.#sending;
  }

  /** A number for a group. */
  nextGroup(): number {
    return ++this.#lastGroup;
  }

  /** Submits a task that cannot be cancelled. */
  run(target: Target, manner: TaskManner, given: unknown): Promise<unknown> {
    this.#runs ??= this.#openRuns();
    const runs = this.#runs;
    const index = runs.next++;
    // Indices are 32 bits on the wire: then another group begins.
    if (runs.next >= LAST_INDEX) this.#runs = undefined;
    return new Promise((resolve, reject) => {
      // Expected first: a task that cannot be added is answered at once.
      runs.group.expect(index, { resolve, reject, given: handedBack(target, given) });
      try {
        this.submission.addOne({ target, group: runs.number, manner }, index, given);
      } catch (error) {
        runs.group.failed(index, 1, error as Error);
      }
    });
  }

  #openRuns(): { number: number; group: RunGroup; next: number } {
    const number = this.nextGroup();
    const group = new RunGroup(number, this, (waits) => {
      if (waits) this.bridge.retain(this);
      else this.bridge.release(this);
    });
    this.#groups.set(number, group);
    return { number, group, next: 0 };
  }

  /** Lets in some of `wanted` tasks, at once or as soon as there is room. */
  enter(wanted: number, signal: AbortSignal | undefined): number | Promise<number> {
    return this.intake.tryEnter(wanted) || this.waitFor(this.intake.enter(wanted, signal));
  }

  /**
   * Submits a task whose data moves: it goes to one worker over a port, and only that worker can run it.
   * Rejects with `ERR_PROCESSOR_NOT_CLONEABLE`, `ERR_PROCESSOR_WORKER_DIED`.
   * @param wanted asked when there is a worker: whether anybody still waits for the task
   */
  async sendByPort(
    head: SegmentHead,
    index: number,
    data: unknown,
    transferList: readonly Transferable[],
    wanted: () => boolean = () => true,
  ): Promise<void> {
    const began = performance.now();
    this.#sending++;
    try {
      let host: number;
      do {
        host = await this.hosts.pick();
        if (!wanted()) {
          this.hosts.letGo(host);
          return;
        }
      } while (!this.hosts.send(host, head.group, index, data, transferList));
      // Starting a worker counts towards the timeout.
      const left =
        head.timeout === undefined ? undefined : Math.max(1, head.timeout - (performance.now() - began));
      this.submission.addAtPort({ ...head, host, timeout: left }, index);
    } finally {
      if (--this.#sending === 0) {
        this.#onSent?.();
        this.#askForRoom();
      }
    }
  }

  #askForRoom(): void {
    if (this.#roomWanted === undefined) return;
    this.submission.flush();
    this.bridge.native.processorAwaitRoom(this.handle, this.#roomWanted);
    this.#roomWanted = undefined;
  }

  /** A task that could not be sent fails. */
  failed(number: number, index: number, error: Error): void {
    this.#answer(number, (group) => group.failed(index, 1, error));
  }

  /** Waits for the results of a group: from now on it keeps the process alive. */
  expect(number: number, group: Group): void {
    this.#groups.set(number, group);
    this.bridge.retain(this);
  }

  /** Does not wait any more; what waits of the group will not run, and with `stop` what runs is stopped. */
  cancel(number: number, stop: boolean): void {
    this.submission.flush();
    this.bridge.native.processorCancel(this.handle, number, stop);
    this.forget(number);
  }

  /** Does not wait for a group any more. */
  forget(number: number): void {
    if (this.#groups.delete(number)) this.bridge.release(this);
  }

  /** Keeps the process alive while `promise` is pending. */
  async waitFor<T>(promise: Promise<T>): Promise<T> {
    this.bridge.retain(this);
    try {
      return await promise;
    } finally {
      this.bridge.release(this);
    }
  }

  /** Ends the processor as its `shutdown` says. */
  async shutdown(timeout: number | undefined, force: boolean): Promise<void> {
    this.submission.flush();
    if (!this.#closed) {
      const closed = new Promise<void>((resolve) => {
        this.#onClosed = resolve;
      });
      const began = performance.now();
      // What was accepted reaches the engine first, while there is time.
      if (this.#sending > 0 && !force) await this.#allSent(timeout);
      const left = timeout === undefined ? undefined : Math.max(0, timeout - (performance.now() - began));
      const timer = this.#beginShutdown(left, force);
      await this.waitFor(closed);
      clearTimeout(timer);
    }
    this.#closed = true;
    await this.hosts.close();
    this.bridge.close(this.handle);
    this.figures.keep();
    this.bridge.native.processorClose(this.handle);
    collected.unregister(this);
  }

  /** Where the system refuses the engine what it measures time with, a timer of Node's ends the patience: the result. */
  #beginShutdown(patience: number | undefined, force: boolean): NodeJS.Timeout | undefined {
    const { native } = this.bridge;
    try {
      crossing(() => native.processorShutdown(this.handle, patience, force));
      return undefined;
    } catch (error) {
      if (!(error instanceof NoizylabError) || error.code !== 'ERR_CORE_RESOURCES') throw error;
      crossing(() => native.processorShutdown(this.handle, undefined, false));
      return setTimeout(() => this.force(), Math.min(patience!, LONGEST_TIMER));
    }
  }

  async #allSent(timeout: number | undefined): Promise<void> {
    const until = timeout === undefined ? Infinity : performance.now() + timeout;
    let timer: NodeJS.Timeout | undefined;
    while (this.#sending > 0 && !this.#closed && performance.now() < until) {
      await new Promise<void>((resolve) => {
        this.#onSent = resolve;
        if (timeout !== undefined) timer = setTimeout(resolve, until - performance.now() + 1);
      });
      clearTimeout(timer);
    }
    this.submission.flush();
  }

  /** Makes a shutdown that is under way impatient. */
  force(): void {
    this.bridge.native.processorShutdown(this.handle, undefined, true);
  }

  record(kind: number, number: number, index: number, count: number, frame: FrameView): void {
    switch (kind) {
      case RecordKind.results:
        this.hosts.settled(number, index, count);
        if (!this.#answer(number, (group) => group.results(index, frame)))
          this.#discard(number, index, frame);
        break;
      case RecordKind.failed:
        this.hosts.settled(number, index, count);
        this.#answer(number, (group) => group.failed(index, count, readError(frame)));
        break;
      case RecordKind.room:
        this.intake.room();
        break;
      case RecordKind.hostsWanted:
        this.hosts.start(count);
        break;
      case RecordKind.hostEnd:
        this.hosts.end(index);
        break;
      case RecordKind.retry:
        this.#retryIn(count);
        break;
      case RecordKind.scaled:
        this.owner.emit('scale', { workers: count });
        break;
      case RecordKind.closed:
        this.#closed = true;
        this.#onSent?.();
        this.#onClosed?.();
        break;
    }
  }

  /** The engine has no thread that could try again what the system refused. */
  #retryIn(milliseconds: number): void {
    const { handle } = this;
    const { native } = this.bridge;
    setTimeout(() => native.processorRetry(handle), milliseconds).unref();
  }

  fromPort(group: number, index: number): unknown {
    return this.hosts.take(group, index);
  }

  get sharesMemory(): boolean {
    return this.hosts.shared.isUsed;
  }

  idOf(buffer: SharedArrayBuffer): number {
    return this.hosts.shared.idOf(buffer);
  }

  byId(id: number): SharedArrayBuffer {
    return this.hosts.shared.byId(id);
  }

  /** Tells a group; `false`: it was given up. */
  #answer(number: number, tell: (group: Group) => void): boolean {
    const group = this.#groups.get(number);
    if (group === undefined) return false;
    try {
      tell(group);
    } finally {
      if (group.done) this.forget(number);
    }
    return true;
  }

  /** Results that nobody waits for: what came for them over a port goes too. */
  #discard(group: number, index: number, frame: FrameView): void {
    readFrame(frame, this, (value, i) => {
      if (value === AT_PORT) this.hosts.take(group, index + i);
    });
  }
}

function readError(frame: FrameView): Error {
  let error: Error = new NoizylabError(
    'ERR_CORE_UNREADABLE',
    'the engine reported a failure without saying which',
  );
  // The count of the record is that of the tasks; they have one error in common.
  readFrame({ ...frame, count: 1 }, undefined, (value) => {
    if (value instanceof Failure) ({ error } = value);
  });
  return error;
}
