/**
 * The types of supervision: strategies, child specifications, options. Nothing here runs.
 */
import type { GenServerRef, Ref, SupervisorRef } from './types';

/**
 * Which children a fault restarts: the one that ended (`one_for_one`); all (`one_for_all`); that one and those started after it (`rest_for_one`).
 * `simple_one_for_one` is `one_for_one` for any number of children of one template.
 */
export type SupervisorStrategy = 'one_for_one' | 'one_for_all' | 'rest_for_one' | 'simple_one_for_one';

/** When a child is restarted: always (`permanent`), after a fault only (`transient`), never (`temporary`). */
export type ChildRestartStrategy = 'permanent' | 'transient' | 'temporary';

/** Whether the end of significant children ends the supervisor: never, with the first of them, with the last. */
export type AutoShutdown = 'never' | 'any_significant' | 'all_significant';

/** A child of whichever kind: usable as the reference of a server and of a supervisor. */
export type ChildRef = GenServerRef & SupervisorRef;

/** What all ways to describe a child have in common. */
export interface ChildPolicy {
  /** Default `'permanent'`. */
  readonly restart?: ChildRestartStrategy | undefined;
  /**
   * Milliseconds that the child may take to stop, or to finish a start that is no longer wanted, before it is killed. Default 5000 for a server;
   * `Infinity` for a supervisor, whose own children have limits of their own.
   */
  readonly shutdownTimeout?: number | undefined;
  /** Counts for `autoShutdown`. Default false. */
  readonly significant?: boolean | undefined;
}

/** Describes a child: who it is, how it is started, and what happens when it ends. */
export interface ChildSpec<R extends Ref = Ref> extends ChildPolicy {
  /** Unique among the children of one supervisor. */
  readonly id: string;
  /** Starts the child, at first and at each restart; gives the reference of a GenServer, or of a supervisor. */
  readonly start: () => R | Promise<R>;
}

/** Describes the children of a `simple_one_for_one` supervisor. */
export interface ChildTemplate<
  // Arguments are inputs: `any` alone lets a template with narrow ones stand where none are named.
  // oxlint-disable-next-line typescript/no-explicit-any
  Args extends readonly unknown[] = any[],
  R extends Ref = Ref,
> extends ChildPolicy {
  /** Starts a child with the arguments given to `Supervisor.startChild`; at a restart they are given again. */
  readonly start: (...args: Args) => R | Promise<R>;
}

/** How many restarts a supervisor allows before it gives up. */
export interface RestartIntensity {
  /** Restarts allowed within `withinMs`; default 3. `Infinity`: any number. */
  readonly maxRestarts?: number | undefined;
  /** Milliseconds; default 5000. */
  readonly withinMs?: number | undefined;
}

/** Options of `Supervisor.start`. */
export interface SupervisorOptions {
  /** Default `'one_for_one'`. */
  readonly strategy?: SupervisorStrategy | undefined;
  /** Started in this order, stopped in reverse. Not with `simple_one_for_one`. */
  readonly children?: readonly ChildSpec[] | undefined;
  /** Needed by `simple_one_for_one`, without use otherwise. */
  readonly childTemplate?: ChildTemplate | undefined;
  readonly restartIntensity?: RestartIntensity | undefined;
  /** Default `'never'`. */
  readonly autoShutdown?: AutoShutdown | undefined;
  /** Registers the supervisor under this name before `start` resolves; a name in use rejects with `AlreadyRegisteredError`. */
  readonly name?: string | undefined;
}

/** A child as `Supervisor.getChildren` shows it. */
export interface ChildInfo {
  readonly id: string;
  /** Its present reference; while it is being restarted, the last one. */
  readonly ref: ChildRef;
  readonly spec: ChildSpec;
  /** How often it was restarted: by its supervisor because of it, or by `Supervisor.restartChild`. */
  readonly restartCount: number;
}
