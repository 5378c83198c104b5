/**
 * `TimerService`: casts to be sent at a time, which can outlive the program in a storage that the user gives.
 *
 * - A timer fires when `Date.now()` has reached its time. One timer of Node is set, for the earliest; nothing is polled.
 * - A repeating timer fires at multiples of its interval from its first time on, without drift. What was missed, because the program was
 *   busy or did not run, is made good by one cast.
 * - With a storage, a timer is in it before `schedule` resolves and until its cast was sent: a program that ends in between sends it again
 *   with the next start, so a message may come twice but is not lost. References are known to one program only: a timer that is to outlive
 *   it names its target by a registered name.
 * - Failures of the storage reject what was asked for, or have nobody who asked and are lifecycle events `error` of the service.
 */
import { LONGEST_TIMER } from './deadlines';
import { DurableTimers } from './durable-timers';
import { GenServer } from './gen-server';
import { asked, FaultReporter, named, required } from './services';
import { idOf, options as read } from './settings';
import type { StorageAdapter } from './storage';
import { TimerStore } from './timer-store';
import type { ScheduleOptions, TimerEntry, TimerServiceOptions, TimerTarget } from './timer-types';
import type { ExitReason, GenServerRef, Ref } from './types';

type TimerCall =
  | {
      readonly type: 'schedule';
      readonly targetRef: TimerTarget;
      readonly message: unknown;
      readonly delayMs: number;
      readonly repeat: number | undefined;
    }
  | { readonly type: 'cancel' | 'get'; readonly id: string }
  | { readonly type: 'getAll' };

interface TimerCast {
  readonly type: 'tick';
}

/** Names a timer service. */
export type TimerServiceRef = GenServerRef<unknown, TimerCall, TimerCast>;

const CHECK_INTERVAL = 60_000;

/** Casts that are sent at a time. */
export const TimerService = {
  /**
   * Starts a service, with the timers that the storage has; those whose time has passed fire at once.
   * @throws (rejects) InitializationError: the storage fails, or takes longer than `initTimeout`. AlreadyRegisteredError: the name is in use. TypeError
   * `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: an option
   */
  async start(options?: TimerServiceOptions): Promise<TimerServiceRef> {
    const { adapter, checkIntervalMs, initTimeout, name } = read.object('options', options);
    const interval = read.number('checkIntervalMs', checkIntervalMs, CHECK_INTERVAL, {
      min: 1,
      max: LONGEST_TIMER,
    });
    const store = adapter === undefined ? undefined : new TimerStore(checkedAdapter(adapter));
    const faults = new FaultReporter();
    const timers = new DurableTimers(store, interval, (error, entry) => faults.report(error, entry));
    const ref: TimerServiceRef = await GenServer.start<DurableTimers, TimerCall, TimerCast, unknown>(
      {
        init: async () => {
          await timers.restore();
          return timers;
        },
        handleCall: (message, state) => [answer(message, state), state],
        handleCast: (_tick, state) => {
          state.fire();
          return state;
        },
        terminate: (_reason, state) => state.end(),
      },
      { ...named(name), ...(initTimeout === undefined ? {} : { initTimeout }) },
    );
    faults.begin(ref);
    if (GenServer.isRunning(ref)) timers.begin(() => GenServer.cast(ref, { type: 'tick' }));
    return ref;
  },

  /**
   * Has `message` cast to a server after a time. Where the server does not run then, nothing is sent, and a repeating timer ends.
   * @param target a reference; or a name, which is looked up when the message is sent
   * @param delayMs milliseconds
   * @returns the id of the timer, when it has been stored
   * @throws (rejects) what the storage rejects with: there is no such timer then. ServerNotRunningError. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError
   * `ERR_ACTOR_OUT_OF_RANGE`: an argument
   */
  schedule(
    ref: TimerServiceRef,
    target: Ref | string,
    message: unknown,
    delayMs: number,
    options?: ScheduleOptions,
  ): Promise<string> {
    return asked(() => {
      const targetRef =
        typeof target === 'string'
          ? { id: '', name: read.text('target', target) }
          : { id: idOf(target, 'target') };
      const given = read.object('options', options).repeat;
      const repeat = given === undefined ? undefined : read.number('repeat', given, 0, { min: 1 });
      const delay = read.number('delayMs', required(delayMs), 0, { min: 0 });
      const call = { type: 'schedule', targetRef, message, delayMs: delay, repeat } as const;
      return GenServer.call(ref, call) as Promise<string>;
    });
  },

  /**
   * Takes a timer back; resolves to whether there was one, when the storage has forgotten it.
   * @throws (rejects) what the storage rejects with: the timer will not fire, unless the service is started anew
   */
  cancel(ref: TimerServiceRef, timerId: string): Promise<boolean> {
    return GenServer.call(ref, { type: 'cancel', id: timerId }) as Promise<boolean>;
  },

  /** A timer that has not fired, or repeats; `undefined` where there is none. */
  get(ref: TimerServiceRef, timerId: string): Promise<TimerEntry | undefined> {
    return GenServer.call(ref, { type: 'get', id: timerId }) as Promise<TimerEntry | undefined>;
  },

  /** All timers. */
  getAll(ref: TimerServiceRef): Promise<readonly TimerEntry[]> {
    return GenServer.call(ref, { type: 'getAll' }) as Promise<readonly TimerEntry[]>;
  },

  /** Whether the service keeps the time. */
  isRunning(ref: TimerServiceRef): boolean {
    return GenServer.isRunning(ref);
  },

  /**
   * Stops the service when the storage has done all that it was asked for. What is stored stays, for the next start. The storage is not
   * closed.
   */
  stop(ref: TimerServiceRef, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function answer(message: TimerCall, timers: DurableTimers): unknown {
  switch (message.type) {
    case 'schedule':
      return timers.schedule(message.targetRef, message.message, message.delayMs, message.repeat);
    case 'cancel':
      return timers.cancel(message.id);
    case 'get':
      return timers.get(message.id);
    default:
      return timers.getAll();
  }
}

function checkedAdapter(adapter: StorageAdapter): StorageAdapter {
  const given = read.object('adapter', adapter);
  for (const method of ['save', 'load', 'delete', 'listKeys'] as const)
    read.callback(`adapter.${method}`, given[method]);
  return adapter;
}
