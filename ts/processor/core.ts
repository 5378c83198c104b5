/**
 * The part of a processor that talks to the engine: groups of tasks out, results in, worker isolates between.
 */
import { performance } from 'node:perf_hooks';
import { type Channel, type FrameView, getBridge, RecordKind, type Bridge } from '../bridge/bridge';
import { readFrame } from '../bridge/frame';
import { crossing } from '../bridge/native';
import { AT_PORT, Failure } from '../bridge/payload';
import { NoizylabError, typeError } from '../errors';
import { Figures } from './figures';
import { type Group, type Results, RunGroup } from './groups';
import { Hosts } from './hosts';
import { Intake } from './intake';
import type { ProcessorConfig, TaskManner } from './options';
import { handedBack, type SegmentHead, Submission, type Target } from './submission';
import type { ProcessorEvents, Transferable } from './types';

const LAST_INDEX = 2 ** 32 - 1;

/** What a core tells its processor. */
export interface CoreOwner {
  emit<K extends keyof ProcessorEvents>(event: K, ...args: ProcessorEvents[K]): boolean;
}

/** A processor that was dropped without `shutdown` is closed when it is collected. */
const collected = new FinalizationRegistry<{ bridge: Bridge; handle: number }>(({ bridge, handle }) => {
  bridge.close(handle);
  bridge.native.processorClose(handle);
});

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
    this.hosts = new Hosts(native, this.handle, config.workerOptions, {
      hostFailed: (workerId, error) => this.owner.emit('workerError', { workerId, error }),
    });
    this.submission = new Submission(
      (wire, length, arrays) => crossing(() => native.processorSubmit(this.handle, wire, length, arrays)),
      (group, index, count, error) => this.#answer(group, (found) => found.failed(index, count, error)),
      this.hosts.shared,
    );
    this.intake = new Intake(config, {
      queued: () => this.figures.queued + this.submission.pending,
      awaitRoom: (most) => {
        this.submission.flush();
        native.processorAwaitRoom(this.handle, most);
      },
      paused: (used, limit) => this.owner.emit('paused', { reason: 'memory', used, limit }),
      resumed: () => this.owner.emit('resumed'),
    });
    this.bridge.open(this.handle, this);
    collected.register(this, { bridge: this.bridge, handle: this.handle }, this);
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
    this.submission.addOne({ target, group: runs.number, manner }, index, given);
    return new Promise((resolve, reject) =>
      runs.group.expect(index, { resolve, reject, given: handedBack(target, given) }),
    );
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
   */
  async sendByPort(
    head: SegmentHead,
    index: number,
    data: unknown,
    transferList: readonly Transferable[],
  ): Promise<void> {
    const began = performance.now();
    const host = await this.hosts.pick();
    // Starting a worker counts towards the timeout.
    const left =
      head.timeout === undefined ? undefined : Math.max(1, head.timeout - (performance.now() - began));
    try {
      this.hosts.send(host, head.group, index, data, transferList);
    } catch (cause) {
      throw typeError(
        'ERR_PROCESSOR_NOT_CLONEABLE',
        `the data cannot be moved to a worker: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    this.submission.addAtPort({ ...head, host, timeout: left }, index);
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
      this.bridge.native.processorShutdown(this.handle, timeout, force);
      await this.waitFor(closed);
    }
    this.#closed = true;
    await this.hosts.close();
    this.bridge.close(this.handle);
    this.bridge.native.processorClose(this.handle);
    collected.unregister(this);
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
      case RecordKind.scaled:
        this.owner.emit('scale', { workers: count });
        break;
      case RecordKind.closed:
        this.#onClosed?.();
        break;
    }
  }

  fromPort(group: number, index: number): unknown {
    return this.hosts.take(group, index);
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
