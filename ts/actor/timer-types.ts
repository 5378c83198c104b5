/** The types of timer services. Nothing here runs. */
import type { StorageAdapter } from './storage';
import type { Ref } from './types';

/** Who is to get a message: a process, or whoever has the name when it is sent. */
export interface TimerTarget extends Ref {
  /** Where it is there, the target is looked up by it. */
  readonly name?: string;
}

/** A timer that has not fired, or repeats. */
export interface TimerEntry {
  readonly id: string;
  /** When it fires next; milliseconds since 1970. */
  readonly fireAt: number;
  readonly targetRef: TimerTarget;
  readonly message: unknown;
  /** Milliseconds between two messages. */
  readonly repeat?: number;
}

/** Options of `TimerService.start`. */
export interface TimerServiceOptions {
  /** Where timers are kept; without it they end with the service. Several services must not share one. */
  readonly adapter?: StorageAdapter | undefined;
  /**
   * While there are timers, how often at least `Date.now()` is compared with their times, in milliseconds, so that a clock that was set, or
   * a machine that was asleep, is noticed. Default 60,000.
   */
  readonly checkIntervalMs?: number | undefined;
  /** Milliseconds that reading the storage may take at the start; default 5000. */
  readonly initTimeout?: number | undefined;
  /** Registers the service under this name. */
  readonly name?: string | undefined;
}

/** Options of `TimerService.schedule`. */
export interface ScheduleOptions {
  /** Milliseconds between two messages, at least 1; without it, there is one message. */
  readonly repeat?: number | undefined;
}
