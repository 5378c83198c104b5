/**
 * A supervisor as a process: its children in the order of their start, and what is done when one ends.
 *
 * A child tells of its end synchronously; the restart begins in the same turn of the event loop, when all that has ended with it is known. A start that fails in a
 * restart counts as one more fault. A supervisor that gives up stops what is left of its children, in reverse order, and ends with a
 * `MaxRestartsExceededError`, which the supervisor above it sees as the fault of a child.
 */
import { Child, type ChildOwner } from './child';
import { checkOptions, specOfNewChild, type CheckedOptions } from './child-spec';
import {
  freeSlot,
  LAST_FAULT_AT,
  RESTARTS,
  setCounter,
  STARTED_AT,
  STATUS,
  STATUS_INITIALIZING,
  STATUS_RUNNING,
  STATUS_STOPPING,
  takeSlot,
} from './counters';
import {
  AlreadyRegisteredError,
  ChildNotFoundError,
  DuplicateChildError,
  MaxRestartsExceededError,
  SupervisorNotFoundError,
  toError,
} from './errors';
import { currentServer } from './handling';
import { noteStarting, type Starting } from './launch';
import { Lifecycle } from './lifecycle';
import { addProcess, findProcess, nextId, removeProcess, type Process } from './processes';
import { Registry } from './registry';
import { Restarts, type RestartHost } from './restarts';
import { callsForShutdown } from './strategies';
import { Termination } from './termination';
import type {
  ChildInfo,
  ChildRef,
  ChildSpec,
  SupervisorOptions,
  SupervisorStrategy,
} from './supervisor-types';
import type { ExitReason, SupervisorRef } from './types';

/** The events of supervisors. */
export const supervisorEvents = new Lifecycle();

type Status = 'starting' | 'running' | 'stopping' | 'ended';

export class Supervision implements Process, ChildOwner, Starting {
  readonly kind = 'supervisor';
  readonly id = nextId('supervisor');
  readonly ref: SupervisorRef = { id: this.id };
  readonly slot: number;
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now();
  /** Restarts of all children. */
  totalRestarts = 0;

  readonly #options: CheckedOptions;
  readonly #termination = new Termination();
  readonly #children = new Map<string, Child>();
  /** How many of them are significant. */
  #significant = 0;
  readonly #restarts: Restarts;
  #status: Status = 'starting';
  /** It was running at some time, so its end is an event. */
  #hasStarted = false;
  #stopping: Promise<void> | undefined;
  #lastFault: Error | undefined;
  /** Why it gave up, or could not start. */
  #failure: Error | undefined;
  /** Children that `startChild` was asked for. */
  #childNumber = 0;

  /**
   * @throws TypeError or RangeError `ERR_ACTOR_INVALID_TYPE`, `ERR_ACTOR_OUT_OF_RANGE`: an option
   * @throws DuplicateChildError, MissingChildTemplateError, InvalidSimpleOneForOneConfigError
   */
  constructor(options: SupervisorOptions | undefined) {
    this.#options = checkOptions(this.id, options);
    this.slot = takeSlot();
    const { strategy, intensity } = this.#options;
    this.#restarts = new Restarts(this.#host(), strategy, intensity, this.#children);
    setCounter(this.slot, STARTED_AT, this.startedAt);
    setCounter(this.slot, STATUS, STATUS_INITIALIZING);
  }

  get strategy(): SupervisorStrategy {
    return this.#options.strategy;
  }

  /** Children may be started, and those that end are restarted. */
  get #isActive(): boolean {
    return this.#status === 'starting' || this.#status === 'running';
  }

  isRunning(): boolean {
    return this.#status === 'running';
  }

  // --- the supervisor's own life ---

  /** Starts the children in order. Where one fails, those started before are stopped in reverse, and the error is the one that it failed with. */
  async start(): Promise<void> {
    const { name, children } = this.#options;
    addProcess(this);
    noteStarting(this);
    try {
      if (name !== undefined && Registry.isRegistered(name)) throw new AlreadyRegisteredError(name);
      for (const spec of children) this.#add(new Child(this, spec));
      await this.#restarts.startAll();
      if (this.#isActive) {
        this.#status = 'running';
        if (name !== undefined) Registry.register(name, this.ref);
      }
    } catch (error) {
      this.#failure ??= error as Error;
      await this.stop('shutdown');
    }
    if (!this.#isActive) {
      await this.#stopping;
      throw this.#failure ?? new SupervisorNotFoundError(this.id);
    }
    this.#hasStarted = true;
    setCounter(this.slot, STATUS, STATUS_RUNNING);
    supervisorEvents.emit({ type: 'started', ref: this.ref });
  }

  stop(reason: ExitReason): Promise<void> {
    if (this.#status === 'ended') return Promise.resolve();
    this.#stopping ??= this.#shutDown(reason);
    return unlessAwaitedWithin(this, this.#stopping);
  }

  async #shutDown(reason: ExitReason): Promise<void> {
    this.#status = 'stopping';
    setCounter(this.slot, STATUS, STATUS_STOPPING);
    for (const child of [...this.#children.values()].toReversed()) await child.halt();
    this.#end(reason);
  }

  kill(reason: ExitReason): void {
    if (this.#status === 'ended') return;
    this.#status = 'stopping';
    for (const child of [...this.#children.values()].toReversed()) child.kill();
    this.#end(reason);
  }

  abandon(): void {
    if (!this.#hasStarted) this.kill('shutdown');
  }

  #giveUp(): void {
    const { maxRestarts, withinMs } = this.#options.intensity;
    const options = this.#lastFault && { cause: this.#lastFault };
    const error = new MaxRestartsExceededError(this.id, maxRestarts, withinMs, options);
    this.#failure = error;
    this.#noteFault(error);
    if (this.#hasStarted) supervisorEvents.emit({ type: 'crashed', ref: this.ref, error });
    void this.stop({ error });
  }

  #end(reason: ExitReason): void {
    if (this.#status === 'ended') return;
    this.#status = 'ended';
    this.#children.clear();
    removeProcess(this.id, reason);
    const isKnown = this.#termination.tell(reason);
    if (this.#hasStarted) supervisorEvents.emit({ type: 'terminated', ref: this.ref, reason });
    freeSlot(this.slot);
    // Neither a supervisor above it nor anybody else learns that it gave up: Node has to tell.
    if (this.#hasStarted && this.#failure && !isKnown) void Promise.reject(this.#failure);
  }

  onEnd(listener: (reason: ExitReason) => void): () => void {
    return this.#termination.listen(listener);
  }

  /** Resolves to the reason of its end; rejects with the error of one that has a fault as its reason. */
  whenTerminated(): Promise<ExitReason> {
    return this.#termination.promise;
  }

  // --- what is asked of it ---

  get children(): ChildInfo[] {
    return [...this.#children.values()].map((child) => child.info).filter((info) => info !== undefined);
  }

  child(id: string): ChildInfo | undefined {
    return this.#children.get(id)?.info;
  }

  /** Whether the process of this id is one of its children, or below one. */
  holds(id: string): boolean {
    for (const { process } of this.#children.values()) if (isWithin(id, process)) return true;
    return false;
  }

  get childCount(): number {
    let count = 0;
    for (const child of this.#children.values()) if (child.ref !== undefined) count += 1;
    return count;
  }

  /** Adds a child and starts it. Its place is taken at once, so that no second one of the same id gets in. */
  async startChild(given: ChildSpec | readonly unknown[]): Promise<ChildRef> {
    this.#checkActive();
    const spec = specOfNewChild(this.id, this.#options, this.#childNumber + 1, given);
    this.#childNumber += 1;
    const child = new Child(this, spec);
    if (this.#children.has(child.id)) throw new DuplicateChildError(this.id, child.id);
    this.#add(child);
    child.claimed = true;
    try {
      return await child.launch();
    } catch (error) {
      this.#forget(child);
      throw error;
    }
  }

  /** Takes a child down for good; a start of it that is under way becomes void. */
  terminateChild(id: string): Promise<void> {
    const child = this.#childOf(id);
    const { process } = child;
    child.leaving ??= this.#takeDown(child);
    return unlessAwaitedWithin(process, child.leaving);
  }

  async #takeDown(child: Child): Promise<void> {
    await child.halt();
    this.#forget(child);
    this.#shutDownAfter(child);
  }

  /** Takes a child down and starts it again; several at a time share one restart, also with one that is under way because of a fault. */
  restartChild(id: string): Promise<ChildRef> {
    const child = this.#childOf(id);
    if (child.leaving) throw new ChildNotFoundError(this.id, id);
    const { process } = child;
    const restarted = child.restarting ?? child.starting ?? (child.restarting = this.#restartByHand(child));
    return unlessAwaitedWithin(process, restarted);
  }

  async #restartByHand(child: Child): Promise<ChildRef> {
    child.claimed = true;
    this.#restarts.leave(child);
    try {
      await child.halt();
      if (!this.#isActive || child.leaving) throw new ChildNotFoundError(this.id, child.id);
      const ref = await child.launch();
      this.#countRestart(child);
      return ref;
    } catch (error) {
      child.claimed = false;
      // It was running and is to run again: from here on that is a fault like any other.
      if (!child.leaving) this.childEnded(child, { error: toError(error) });
      throw error;
    } finally {
      child.restarting = undefined;
    }
  }

  #checkActive(): void {
    if (!this.#isActive) throw new SupervisorNotFoundError(this.id);
  }

  #childOf(id: string): Child {
    this.#checkActive();
    const child = this.#children.get(id);
    if (child === undefined) throw new ChildNotFoundError(this.id, id);
    return child;
  }

  // --- what happens to children ---

  childEnded(child: Child, reason: ExitReason): void {
    if (this.#isActive) this.#restarts.ended(child, reason);
  }

  /** What restarts need of this supervisor. */
  #host(): RestartHost {
    return {
      isActive: () => this.#isActive,
      noteFault: (error) => this.#noteFault(error),
      forget: (child) => this.#forget(child),
      tellGone: ({ ref }, reason) => {
        if (ref) supervisorEvents.emit({ type: 'terminated', ref, reason });
      },
      shutDownAfter: (child) => this.#shutDownAfter(child),
      tellRestarted: (child) => {
        this.#countRestart(child);
        const { ref, restartCount } = child;
        if (ref) supervisorEvents.emit({ type: 'restarted', ref, attempt: restartCount });
      },
      giveUp: () => this.#giveUp(),
    };
  }

  #countRestart(child: Child): void {
    child.countRestart();
    this.totalRestarts += 1;
    if (this.#status !== 'ended') setCounter(this.slot, RESTARTS, this.totalRestarts);
  }

  #noteFault(error: Error): void {
    this.#lastFault = error;
    if (this.#status !== 'ended') setCounter(this.slot, LAST_FAULT_AT, Date.now());
  }

  #add(child: Child): void {
    this.#children.set(child.id, child);
    if (child.significant) this.#significant += 1;
  }

  #forget(child: Child): void {
    if (this.#children.get(child.id) === child) {
      this.#children.delete(child.id);
      if (child.significant) this.#significant -= 1;
    }
    this.#restarts.leave(child);
  }

  /** `autoShutdown`, now that a child is gone for good; one that has never run does not count. */
  #shutDownAfter(child: Child): void {
    if (!this.#isActive || child.ref === undefined) return;
    if (callsForShutdown(this.#options.autoShutdown, child, this.#significant)) void this.stop('shutdown');
  }
}

/** The supervisor of this id in this thread. */
export function findSupervision(id: string): Supervision | undefined {
  const process = findProcess(id);
  return process instanceof Supervision ? process : undefined;
}

/** Whether the process of this id is `process`, or below it. */
function isWithin(id: string, process: Process | undefined): boolean {
  return process?.id === id || (process instanceof Supervision && process.holds(id));
}

/** The promise `down`, settled when `process` has ended. A handler of it, or of what is below it, must not await that, since it is itself awaited. */
export function unlessAwaitedWithin<T>(process: Process | undefined, down: Promise<T>): Promise<T> {
  const server = currentServer();
  if (server === undefined || !isWithin(server.id, process)) return down;
  return server.guard(down, 'its supervisor ends it when the handler has ended; do not await that there');
}
