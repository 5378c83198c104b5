/**
 * The types of applications: behaviour, options, events. Nothing here runs.
 */
import type { SupervisorRef } from './types';

/** Keeps the types of a reference apart; never there at run time. */
declare const phantom: unique symbol;

/** Names an application. */
export interface ApplicationRef<out Config = unknown, out State = unknown> {
  readonly id: string;
  readonly name: string;
  readonly [phantom]?: { readonly config: Config; readonly state: State };
}

/** Where an application stands. */
export type ApplicationStatus = 'stopped' | 'starting' | 'running' | 'stopping';

/** Why an application is stopped: as asked for, by a signal to the Node process, or by a fault. */
export type ApplicationStopReason = 'normal' | 'signal' | { readonly error: Error };

/** What an application does when it starts and stops. */
export interface ApplicationBehavior<Config = void, State = SupervisorRef> {
  /** Starts what the application consists of; gives its state, as a rule the reference of its supervisor. */
  start(config: Config): State | Promise<State>;
  /** Runs before the supervisor is stopped: to refuse new work, to finish what is under way. */
  prepStop?(state: State): void | Promise<void>;
  /** Runs after the supervisor was stopped: to close what is left. */
  stop?(state: State): void | Promise<void>;
}

/** Options of `Application.start`; `config` may be left out where the behaviour takes none. */
export type ApplicationStartOptions<Config = void> = {
  /** Unique among the applications of this thread. */
  readonly name: string;
  /** SIGINT and SIGTERM stop the application. Default true. */
  readonly handleSignals?: boolean | undefined;
  /** Milliseconds that `start` may take; default 30,000. `Infinity`: any time. */
  readonly startTimeout?: number | undefined;
  /** Milliseconds that all of the stop may take; default 30,000. `Infinity`: any time. */
  readonly stopTimeout?: number | undefined;
} & (undefined extends Config ? { readonly config?: Config } : { readonly config: Config });

/** What listeners of an application's lifecycle are told; `timestamp` in milliseconds since 1970. */
export type ApplicationLifecycleEvent =
  | { readonly type: 'starting'; readonly name: string; readonly timestamp: number }
  | { readonly type: 'started'; readonly ref: ApplicationRef; readonly timestamp: number }
  | {
      readonly type: 'stopping';
      readonly ref: ApplicationRef;
      readonly reason: ApplicationStopReason;
      readonly timestamp: number;
    }
  | {
      readonly type: 'stopped';
      readonly name: string;
      readonly reason: ApplicationStopReason;
      readonly timestamp: number;
    }
  | {
      readonly type: 'start_failed';
      readonly name: string;
      readonly error: Error;
      readonly timestamp: number;
    };

/** Listens to the lifecycle of applications: called synchronously, in the order of registration; what it throws is ignored. */
export type ApplicationLifecycleHandler = (event: ApplicationLifecycleEvent) => void;

/** What `Application.getInfo` gives. */
export interface ApplicationInfo {
  readonly name: string;
  readonly status: ApplicationStatus;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly uptimeMs: number;
}

/** The defaults of an application; times in milliseconds. */
export const APPLICATION_DEFAULTS = {
  START_TIMEOUT: 30_000,
  STOP_TIMEOUT: 30_000,
  HANDLE_SIGNALS: true,
} as const;
