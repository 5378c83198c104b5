/**
 * `Application`: the start and the stop of a program, or of a part of it, in good order.
 *
 * The stop runs `prepStop`, stops the supervisor that is the application's state, and runs `stop`. Whatever of that fails or takes too long, the
 * supervisor is down afterwards. Timers end with what they time.
 */
import {
  ApplicationAlreadyRunningError,
  ApplicationNotRunningError,
  ApplicationStartError,
  ApplicationStopTimeoutError,
} from './application-errors';
import { handleSignals, ignoreSignals, type Interruptible } from './application-signals';
import { APPLICATION_DEFAULTS } from './application-types';
import { isError, toError } from './errors';
import { Lifecycle } from './lifecycle';
import { findProcess, nextId, type Process } from './processes';
import { onReset } from './resets';
import { asked } from './services';
import { idOf, milliseconds, options as read } from './settings';
import { stopInOrder } from './stop-order';
import { unlessAwaitedWithin } from './supervision';
import { settledWithin } from './time-limit';
import type {
  ApplicationBehavior,
  ApplicationInfo,
  ApplicationLifecycleEvent,
  ApplicationLifecycleHandler,
  ApplicationRef,
  ApplicationStartOptions,
  ApplicationStatus,
  ApplicationStopReason,
} from './application-types';
import type { SupervisorRef } from './types';

const events = new Lifecycle<ApplicationLifecycleEvent>();
/** All that are starting, running or stopping, by name, in the order of their start. */
const byName = new Map<string, Running>();

/** An application from its start to its end. */
class Running implements Interruptible {
  readonly ref: ApplicationRef;
  readonly startedAt = Date.now();
  status: ApplicationStatus = 'starting';
  state: unknown;
  /** Resolves when the application has ended, however. */
  readonly #over: Promise<void>;
  #setOver!: () => void;
  /** Why it is to be stopped as soon as it has started. */
  #wanted: ApplicationStopReason | undefined;
  /** The stop, once it has begun. */
  #stopping: Promise<void> | undefined;
  readonly #behavior: ApplicationBehavior<unknown, unknown>;
  readonly #stopTimeout: number;

  constructor(name: string, behavior: ApplicationBehavior<unknown, unknown>, stopTimeout: number) {
    this.ref = { id: nextId('application'), name };
    this.#behavior = behavior;
    this.#stopTimeout = stopTimeout;
    this.#over = new Promise((resolve) => {
      this.#setOver = resolve;
    });
  }

  get isStarting(): boolean {
    return this.status === 'starting';
  }

  async start(config: unknown, timeout: number): Promise<void> {
    const { name } = this.ref;
    events.emit({ type: 'starting', name, timestamp: Date.now() });
    const started = (async (): Promise<unknown> => this.#behavior.start(config))();
    try {
      if (!(await settledWithin(started, timeout))) {
        // What comes too late must not run on without anybody who knows of it.
        void started.then((state) => supervisorIn(state)?.stop('shutdown')).catch(() => {});
        throw new Error(`Start timed out after ${timeout}ms`);
      }
      this.state = await started;
    } catch (thrown) {
      const error = toError(thrown);
      const isKnown = this.status === 'starting';
      this.#end();
      if (isKnown) events.emit({ type: 'start_failed', name, error, timestamp: Date.now() });
      throw new ApplicationStartError(name, error.message, error);
    }
    if (this.status !== 'starting') {
      this.abandon();
      throw new ApplicationNotRunningError(name);
    }
    this.status = 'running';
    events.emit({ type: 'started', ref: this.ref, timestamp: Date.now() });
    if (this.#wanted !== undefined) void this.stopQuietly(this.#wanted);
  }

  /** Stops, once: however many ask for it, they share what comes of it. */
  stop(reason: ApplicationStopReason): Promise<void> {
    if (this.#stopping === undefined) {
      // There before anything is called that might ask for it.
      let begin!: (stopped: Promise<void>) => void;
      this.#stopping = new Promise((resolve) => {
        begin = resolve;
      });
      begin(this.#stopInTime(reason));
    }
    return this.#stopping;
  }

  async #stopInTime(reason: ApplicationStopReason): Promise<void> {
    this.status = 'stopping';
    events.emit({ type: 'stopping', ref: this.ref, reason, timestamp: Date.now() });
    const stopped = this.#stopAll();
    try {
      if (!(await settledWithin(stopped, this.#stopTimeout))) {
        stopped.catch(() => {});
        throw new ApplicationStopTimeoutError(this.ref.name, this.#stopTimeout);
      }
      await stopped;
    } finally {
      this.abandon();
      this.#end();
      events.emit({ type: 'stopped', name: this.ref.name, reason, timestamp: Date.now() });
    }
  }

  /** Runs all steps, whichever of them fail, unless the application was given up meanwhile; rejects with the first failure. */
  async #stopAll(): Promise<void> {
    const steps = [
      () => this.#behavior.prepStop?.(this.state),
      () => supervisorIn(this.state)?.stop('shutdown'),
      () => this.#behavior.stop?.(this.state),
    ];
    const failures: unknown[] = [];
    for (const step of steps) {
      if (this.status !== 'stopping') break;
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Resolves when the application has ended: one that is starting is stopped as soon as it has started. A failure, which nobody else hears of,
   * becomes a warning of the Node process.
   */
  async stopQuietly(reason: ApplicationStopReason): Promise<void> {
    if (this.status === 'starting') this.#wanted ??= reason;
    if (this.status !== 'running') return this.#over;
    try {
      await this.stop(reason);
    } catch (thrown) {
      const error = toError(thrown);
      process.emitWarning(`Application '${this.ref.name}' failed to stop in order: ${error.message}`, {
        type: 'ActorWarning',
        code: 'ERR_ACTOR_APPLICATION_STOP_FAILED',
        detail: String(error.stack),
      });
    }
  }

  /** The promise `down`, settled when the application has ended; what runs below its supervisor must not await that. */
  unlessAwaitedBelow(down: Promise<void>): Promise<void> {
    return unlessAwaitedWithin(supervisorIn(this.state), down);
  }

  abandon(): void {
    supervisorIn(this.state)?.kill('shutdown');
  }

  /** Nobody is to know of it any more. A stop that is under way goes on, so that all that it closes is closed. */
  forget(): void {
    ignoreSignals(this);
    if (this.status === 'stopping') return;
    this.status = 'stopped';
    this.#setOver();
  }

  #end(): void {
    this.status = 'stopped';
    this.#setOver();
    ignoreSignals(this);
    if (byName.get(this.ref.name) === this) byName.delete(this.ref.name);
  }
}

/** Applications, each named by the reference that `start` gives, or by its name. */
export const Application = {
  /**
   * Gives the behaviour back, with its types derived.
   *
   * @throws TypeError `ERR_ACTOR_INVALID_TYPE`: a function of it is none
   */
  create<Config = void, State = SupervisorRef>(
    behavior: ApplicationBehavior<Config, State>,
  ): ApplicationBehavior<Config, State> {
    checkBehavior(behavior);
    return behavior;
  },

  /**
   * Starts an application; resolves when its `start` has.
   *
   * @throws TypeError or RangeError `ERR_ACTOR_INVALID_TYPE`, `ERR_ACTOR_OUT_OF_RANGE`: an option
   * @throws ApplicationAlreadyRunningError the name is in use
   * @throws ApplicationStartError `start` failed or took longer than `startTimeout`; a supervisor that it gives later is stopped
   * @throws ApplicationNotRunningError `reset()` of the testing entry came meanwhile; a supervisor that it gives is killed
   */
  async start<Config, State>(
    behavior: ApplicationBehavior<Config, State>,
    options: ApplicationStartOptions<Config>,
  ): Promise<ApplicationRef<Config, State>> {
    checkBehavior(behavior);
    const given = read.object<ApplicationStartOptions<Config>>('options', options);
    const name = read.text('name', given.name);
    const startTimeout = milliseconds('startTimeout', given.startTimeout, APPLICATION_DEFAULTS.START_TIMEOUT);
    const stopTimeout = milliseconds('stopTimeout', given.stopTimeout, APPLICATION_DEFAULTS.STOP_TIMEOUT);
    const signals = read.boolean('handleSignals', given.handleSignals, APPLICATION_DEFAULTS.HANDLE_SIGNALS);
    if (byName.has(name)) throw new ApplicationAlreadyRunningError(name);
    const running = new Running(name, behavior, stopTimeout);
    byName.set(name, running);
    if (signals) handleSignals(running);
    await running.start(given.config, startTimeout);
    return running.ref as ApplicationRef<Config, State>;
  },

  /**
   * Stops an application: `prepStop`, its supervisor, `stop`. Each of them runs even where one before has failed. Where it is being stopped already, that is
   * awaited, which neither `prepStop` nor `stop` may do.
   *
   * Not an async function: a handler below its supervisor may call it, and only the promise itself knows whether that is awaited there.
   *
   * @param reason default `'normal'`
   * @throws TypeError or RangeError `ERR_ACTOR_INVALID_TYPE`, `ERR_ACTOR_OUT_OF_RANGE`: an argument
   * @throws ApplicationNotRunningError it has not started yet, or has ended
   * @throws ApplicationStopTimeoutError all of it took longer than `stopTimeout`; what is left of its supervisor is killed
   * @throws DeadlockError (rejects) a handler of a server below its supervisor awaits it
   * @throws (rejects) with what `prepStop` or `stop` threw first
   */
  stop(ref: ApplicationRef, reason: ApplicationStopReason = 'normal'): Promise<void> {
    return asked(() => {
      const running = find(ref);
      checkReason(reason);
      if (running?.status !== 'running' && running?.status !== 'stopping')
        throw new ApplicationNotRunningError(ref.name);
      return running.unlessAwaitedBelow(running.stop(reason));
    });
  },

  /**
   * Stops all applications, the last started first, and resolves when all have ended: one that is starting is stopped when it has started, and keeps no other
   * waiting; one that is being stopped is waited for. A failure becomes a warning of the Node process and keeps none of the others. No `start`, `prepStop` or `stop` of an application
   * may await it.
   *
   * @param reason default `'normal'`
   * @throws TypeError or RangeError `ERR_ACTOR_INVALID_TYPE`, `ERR_ACTOR_OUT_OF_RANGE`: the reason; nothing is stopped then
   * @throws DeadlockError (rejects) a handler of a server below one of their supervisors awaits it
   */
  stopAll(reason: ApplicationStopReason = 'normal'): Promise<void> {
    return asked(() => {
      checkReason(reason);
      const all = [...byName.values()];
      const stopped = stopInOrder(all, reason);
      return all.reduce((promise, running) => running.unlessAwaitedBelow(promise), stopped);
    });
  },

  /** Where an application stands; `'stopped'` also for one that is not known. */
  getStatus(ref: ApplicationRef): ApplicationStatus {
    return find(ref)?.status ?? 'stopped';
  },

  /** The supervisor that is the application's state; `undefined` where that is none, or where the application or the supervisor is not running. */
  getSupervisor(ref: ApplicationRef): SupervisorRef | undefined {
    const running = find(ref);
    return running?.status === 'running' && supervisorIn(running.state)
      ? (running.state as SupervisorRef)
      : undefined;
  },

  /** What `start` of the behaviour gave; `undefined` where the application is not running. */
  getState<Config, State>(ref: ApplicationRef<Config, State>): State | undefined {
    const running = find(ref);
    return running?.status === 'running' ? (running.state as State) : undefined;
  },

  /** Whether the application has started and neither ended nor begun to. */
  isRunning(ref: ApplicationRef): boolean {
    return find(ref)?.status === 'running';
  },

  /** All running applications, in the order of their start. */
  getAllRunning(): readonly ApplicationRef[] {
    return [...byName.values()].filter(({ status }) => status === 'running').map(({ ref }) => ref);
  },

  /** The application of this name that is starting, running or stopping. */
  lookup(name: string): ApplicationRef | undefined {
    return byName.get(name)?.ref;
  },

  /**
   * Listens to the starts and stops of all applications of this thread.
   *
   * @returns what takes the listener back
   */
  onLifecycleEvent(handler: ApplicationLifecycleHandler): () => void {
    read.callback('handler', handler);
    return events.on(handler);
  },

  /** Name, status and age of an application; `undefined` where it is not known. */
  getInfo(ref: ApplicationRef): ApplicationInfo | undefined {
    const running = find(ref);
    if (running === undefined) return undefined;
    const { status, startedAt } = running;
    return { name: running.ref.name, status, startedAt, uptimeMs: Date.now() - startedAt };
  },
} as const;

function find(ref: ApplicationRef): Running | undefined {
  const id = idOf(ref);
  for (const running of byName.values()) if (running.ref.id === id) return running;
  return undefined;
}

/** The supervisor that an application's state refers to, as long as it has not ended. */
function supervisorIn(state: unknown): Process | undefined {
  const id = (state as Partial<SupervisorRef> | null | undefined)?.id;
  const found = typeof id === 'string' ? findProcess(id) : undefined;
  return found?.kind === 'supervisor' ? found : undefined;
}

function checkBehavior<Config, State>(behavior: ApplicationBehavior<Config, State>): void {
  const given = read.object<ApplicationBehavior<Config, State>>('behavior', behavior ?? null);
  read.callback('behavior.start', given.start);
  if (given.prepStop !== undefined) read.callback('behavior.prepStop', given.prepStop);
  if (given.stop !== undefined) read.callback('behavior.stop', given.stop);
}

function checkReason(reason: ApplicationStopReason): void {
  if (reason === 'normal' || reason === 'signal') return;
  const allowed = "'normal', 'signal' or { error: Error }";
  if (typeof reason === 'string') throw read.range('reason', reason, allowed);
  if (!isError((reason as { error?: unknown } | null)?.error)) throw read.type('reason', reason, allowed);
}

onReset(() => {
  for (const running of byName.values()) running.forget();
  byName.clear();
});
