/**
 * `Supervisor`: starts children, watches them, and restarts those that end by a fault.
 *
 * - The restart begins in the same turn of the event loop as the end of the child; nothing is polled.
 * - Supervisors nest: the `start` of a child may give the reference of another supervisor.
 * - A supervisor that needs more restarts than its intensity allows stops its children and ends with `MaxRestartsExceededError`. The supervisor above it
 *   sees a fault of its child. At the top `Supervisor.whenTerminated` rejects with it; where nobody has asked for that, it is an unhandled rejection.
 * - What has been stopped, terminated or restarted leaves nothing behind: a start that is under way is waited for, and what comes out of it, however late, is stopped.
 *
 * A supervisor lives in the thread that has started it; its children may be servers of other threads.
 */
import { SupervisorNotFoundError } from './errors';
import { findProcess } from './processes';
import { asked } from './services';
import { idOf, options as read } from './settings';
import { stopProcess } from './shutdown';
import { findSupervision, Supervision, supervisorEvents } from './supervision';
import type { ChildInfo, ChildRef, ChildSpec, SupervisorOptions } from './supervisor-types';
import type { ExitReason, LifecycleHandler, Ref, SupervisorRef } from './types';

/** For `whenTerminated` of one that has ended already. */
const startedHere = new WeakMap<SupervisorRef, Supervision>();

/** Supervisors, each named by the reference that `start` gives. */
export const Supervisor = {
  /**
   * Starts a supervisor, and its children one after another. Where one cannot be started, those before it are stopped in reverse order, and the promise rejects
   * with the error of that child.
   *
   * @throws TypeError or RangeError `ERR_ACTOR_INVALID_TYPE`, `ERR_ACTOR_OUT_OF_RANGE`: an option
   * @throws DuplicateChildError two children have the same id
   * @throws MissingChildTemplateError, InvalidSimpleOneForOneConfigError `simple_one_for_one` without template, or with children
   * @throws AlreadyRegisteredError the name is in use
   * @throws MaxRestartsExceededError a child ended again and again before the last one had started
   */
  async start(options?: SupervisorOptions): Promise<SupervisorRef> {
    const supervision = new Supervision(options);
    await supervision.start();
    startedHere.set(supervision.ref, supervision);
    return supervision.ref;
  },

  /**
   * Stops the children in reverse order of their start, each with reason `'shutdown'` and within its `shutdownTimeout`, then the supervisor with `reason`. All
   * calls resolve when it is down; one for a supervisor that has ended, at once. A server that `ref` names is stopped as `GenServer.stop` does.
   *
   * @param reason default `'normal'`
   * @throws DeadlockError a handler of a server below it awaits this; it takes effect when that handler has ended
   */
  stop(ref: SupervisorRef, reason?: ExitReason): Promise<void> {
    return stopProcess(ref, reason);
  },

  startChild,

  /**
   * Stops a child with reason `'shutdown'` and forgets it. A start of it that is under way is waited for, as long as its `shutdownTimeout`, and comes to nothing.
   *
   * @throws SupervisorNotFoundError, ChildNotFoundError
   * @throws DeadlockError a handler of the child, or of what is below it, awaits this; it takes effect when that handler has ended
   */
  terminateChild(ref: SupervisorRef, childId: string): Promise<void> {
    return asked(() => supervisionOf(ref).terminateChild(childId));
  },

  /**
   * Stops a child with reason `'shutdown'` and starts it again; does not count for the restart intensity. Where a restart of it is under way, that
   * one is awaited. Where the start fails, the promise rejects with its error, and the supervisor treats that as a fault of the child.
   *
   * @returns the new reference
   * @throws SupervisorNotFoundError, ChildNotFoundError
   * @throws DeadlockError as `terminateChild`
   */
  restartChild(ref: SupervisorRef, childId: string): Promise<ChildRef> {
    return asked(() => supervisionOf(ref).restartChild(childId));
  },

  /**
   * The children that run or are being restarted, in the order of their first start.
   *
   * @throws SupervisorNotFoundError
   */
  getChildren(ref: SupervisorRef): readonly ChildInfo[] {
    return supervisionOf(ref).children;
  },

  /**
   * The child of this id, or `undefined`.
   *
   * @throws SupervisorNotFoundError
   */
  getChild(ref: SupervisorRef, childId: string): ChildInfo | undefined {
    return supervisionOf(ref).child(childId);
  },

  /**
   * How many children `getChildren` would give.
   *
   * @throws SupervisorNotFoundError
   */
  countChildren(ref: SupervisorRef): number {
    return supervisionOf(ref).childCount;
  },

  /** Whether the supervisor has started and neither ended nor begun to. */
  isRunning(ref: SupervisorRef): boolean {
    const process = findProcess(idOf(ref));
    return process?.kind === 'supervisor' && process.isRunning();
  },

  /**
   * Resolves to the reason when the supervisor has ended, and rejects with the error of one that ended by a fault: `MaxRestartsExceededError` where it gave up.
   *
   * @throws SupervisorNotFoundError no supervisor of this thread is known by this reference
   */
  async whenTerminated(ref: SupervisorRef): Promise<ExitReason> {
    const supervision = startedHere.get(ref) ?? supervisionOf(ref);
    return supervision.whenTerminated();
  },

  /**
   * Listens to the events of all supervisors of this thread: `started`, `restarted` (with the new reference of the child), `crashed` (the supervisor gave up) and
   * `terminated` (the supervisor, or a child that is not restarted, with the true reason).
   *
   * @returns what takes the listener back
   */
  onLifecycleEvent(handler: LifecycleHandler): () => void {
    read.callback('handler', handler);
    return supervisorEvents.on(handler);
  },
} as const;

/**
 * Adds a child and starts it; resolves to its reference. With `simple_one_for_one`, takes the arguments for the template instead of a description.
 *
 * @throws SupervisorNotFoundError there is no such supervisor, or it has begun to end
 * @throws DuplicateChildError there is a child of that id, or one is being started or terminated
 * @throws InvalidSimpleOneForOneConfigError a description where arguments are needed, or the other way round
 * @throws NoizylabError `ERR_ACTOR_CHILD_TERMINATED`: the child or its supervisor was stopped in the meantime; where `start` hangs, after `shutdownTimeout`
 */
function startChild<R extends Ref>(ref: SupervisorRef, spec: ChildSpec<R>): Promise<R>;
function startChild(ref: SupervisorRef, args: readonly unknown[]): Promise<ChildRef>;
async function startChild(ref: SupervisorRef, given: ChildSpec | readonly unknown[]): Promise<Ref> {
  return supervisionOf(ref).startChild(given);
}

function supervisionOf(ref: SupervisorRef): Supervision {
  const supervision = findSupervision(idOf(ref));
  if (supervision === undefined) throw new SupervisorNotFoundError(ref.id);
  return supervision;
}
