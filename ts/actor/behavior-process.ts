/**
 * A process that does what a behaviour says: runs its functions on the state, takes over what they return, counts and tells what they throw, and runs `terminate` at
 * the end. Which message comes when is the matter of `server.ts`.
 */
import * as counters from './counters';
import type { PendingCall } from './deadlines';
import { DeadlockError, toError } from './errors';
import { Faults } from './faults';
import { enter, leave, type Handling } from './handling';
import { serverEvents } from './lifecycle';
import { LocalProcess } from './local-process';
import { CAST } from './mailbox';
import { resetCount } from './resets';
import { checkResult, promiseOf } from './results';
import { proceed, type Runnable } from './scheduler';
import { SelfPromise } from './self-promise';
import type { ServerSettings } from './settings';
import { isThenable } from './thenable';
import { noteUnanswered } from './unanswered';
import type { ExitReason, ExitSignal, GenServerBehavior, Ref } from './types';

/** A behaviour as its server sees it: the types of state and messages are the caller's matter. */
export type Behavior = GenServerBehavior<unknown, unknown, unknown, unknown>;

/** What `runCall` returns where the handler is through: `takeReply` has its reply. */
export const REPLIED = Symbol('replied');
/** What `runCall` returns after a throw: `takeFailure` has the error. */
export const FAILED = Symbol('failed');
let reply: unknown;
let failure: Error | undefined;

export abstract class BehaviorProcess extends LocalProcess implements Handling, Runnable {
  /** The handler under way has returned a promise; where it answers a call, this is the call. */
  protected awaiting: PendingCall | boolean = false;
  /** Numbers the handlers, so that a `SelfPromise` knows whether its own is the one under way. */
  private turn = 0;
  private faults: Faults | undefined;

  constructor(
    ref: Ref,
    protected readonly behavior: Behavior,
    private state: unknown,
    protected readonly settings: ServerSettings,
  ) {
    super(ref);
    const bound = boundOf(settings);
    if (bound !== 0) counters.setCounter(this.slot, counters.BOUND, bound);
  }

  abstract run(quantum: number): number;

  kill(reason: ExitReason): void {
    if (this.status === counters.STATUS_STOPPED) return;
    const cleaning = this.status === counters.STATUS_STOPPING;
    this.status = counters.STATUS_STOPPED;
    // A call is answered all the same when its handler is through; after a reset nobody waits for that.
    if (typeof this.awaiting === 'object') noteUnanswered(this.id, this.awaiting);
    if (!cleaning) this.cleanUp(reason);
    this.end(reason);
  }

  guard<T>(promise: Promise<T>, advice: string, refused?: (error: Error) => void): Promise<T> {
    const { turn } = this;
    return SelfPromise.of(
      promise,
      // Nobody awaits the handlers of a server that was killed, nor the `terminate` of that or of a crashed one.
      () => this.awaiting !== false && this.turn === turn && this.status !== counters.STATUS_STOPPED,
      () => {
        const error = new DeadlockError(this.id, advice);
        refused?.(error);
        return error;
      },
    );
  }

  /** Runs `handleCall`: `REPLIED`, the promise that it returned, or `FAILED`. */
  protected runCall(message: unknown): unknown {
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const result: unknown = this.behavior.handleCall(message, this.state);
      if (!Array.isArray(result) && isThenable(result)) return result;
      this.take(result);
      return REPLIED;
    } catch (thrown) {
      failure = this.countFault(thrown);
      return FAILED;
    } finally {
      leave(before);
    }
  }

  /** Runs `handleCast` or `handleInfo`; returns whether it is through. */
  protected runTransition(kind: number, message: unknown): boolean {
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const next: unknown =
        kind === CAST
          ? this.behavior.handleCast(message, this.state)
          : this.behavior.handleInfo!(message as ExitSignal, this.state);
      if (next === this.state || !isThenable(next)) {
        this.accept(next, kind);
        return true;
      }
      this.awaitTransition(kind, message, next);
      return false;
    } catch (thrown) {
      this.fault(thrown, message);
      return true;
    } finally {
      leave(before);
    }
  }

  protected awaitCall(call: PendingCall, result: unknown): void {
    this.awaiting = call;
    promiseOf(result).then(
      (value) => {
        this.awaiting = false;
        try {
          this.take(value);
          call.resolve(takeReply());
        } catch (wrong) {
          call.reject(this.countFault(wrong));
        }
        proceed(this);
      },
      (thrown: unknown) => {
        this.awaiting = false;
        call.reject(this.countFault(thrown));
        proceed(this);
      },
    );
  }

  private awaitTransition(kind: number, message: unknown, next: unknown): void {
    this.awaiting = true;
    const resets = resetCount();
    promiseOf(next).then(
      (state) => {
        this.awaiting = false;
        this.accept(state, kind);
        proceed(this);
      },
      (thrown: unknown) => {
        this.awaiting = false;
        if (resets === resetCount()) this.fault(thrown, message);
        proceed(this);
      },
    );
  }

  /** Takes over what `handleCall` has given, of which nothing counts where it cannot be read. */
  private take(result: unknown): void {
    const checked = checkResult(result);
    const given = checked[0];
    this.accept(checked[1], CAST);
    reply = given;
  }

  private accept(state: unknown, kind: number): void {
    this.state = state;
    if (kind === CAST && this.status === counters.STATUS_RUNNING)
      counters.count(this.slot, counters.MESSAGES);
  }

  /** Counts what a handler threw and, where that is asked for, ends the server by it. */
  private countFault(thrown: unknown): Error {
    const error = toError(thrown);
    if (this.status !== counters.STATUS_RUNNING) return error;
    counters.count(this.slot, counters.ERRORS);
    counters.setCounter(this.slot, counters.LAST_FAULT_AT, Date.now());
    if (this.settings.crashOnError) this.crash(error);
    return error;
  }

  /** As `countFault`, for a message whose sender awaits nothing: tells the listeners instead. A crash tells of itself. */
  private fault(thrown: unknown, message: unknown): void {
    const crashes = this.settings.crashOnError && this.status === counters.STATUS_RUNNING;
    const error = this.countFault(thrown);
    if (!crashes) this.report(error, message);
  }

  report(error: Error, message: unknown): void {
    this.faults ??= new Faults();
    this.faults.report(this.ref, error, message);
  }

  private crash(error: Error): void {
    this.status = counters.STATUS_STOPPED;
    serverEvents.emit({ type: 'crashed', ref: this.ref, error });
    this.cleanUp({ error });
    this.end({ error });
  }

  /** Ends in order. */
  protected finish(reason: ExitReason): void {
    this.setStatus(counters.STATUS_STOPPING);
    this.cleanUp(reason);
  }

  /** Runs `terminate`. */
  private cleanUp(reason: ExitReason): void {
    const resets = resetCount();
    let failed: Error | undefined;
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const cleaned: unknown = this.behavior.terminate?.(reason, this.state);
      if (isThenable(cleaned)) {
        this.awaiting = true;
        promiseOf(cleaned).then(
          () => this.cleanedUp(reason, undefined, resets),
          (thrown: unknown) => this.cleanedUp(reason, toError(thrown), resets),
        );
        return;
      }
    } catch (thrown) {
      failed = toError(thrown);
    } finally {
      leave(before);
    }
    this.cleanedUp(reason, failed, resets);
  }

  /** `terminate` is through. A stop has waited for that; where the server was killed, it is down already. */
  private cleanedUp(reason: ExitReason, failed: Error | undefined, resets: number): void {
    if (this.status === counters.STATUS_STOPPING) this.end(reason, failed);
    else if (failed !== undefined && resets === resetCount()) this.report(failed, reason);
  }
}

/** What other threads are told of the mailbox. Where the oldest is dropped, that is done here: who sends cannot take back what is under way. */
function boundOf({ limit, overflow }: ServerSettings): number {
  if (limit === Infinity || overflow === 'drop-oldest') return 0;
  return overflow === 'reject' ? limit : -limit;
}

/** What the handler that has ended last replies; it is not kept for longer than that. */
export function takeReply(): unknown {
  const given = reply;
  reply = undefined;
  return given;
}

/** What the handler that has ended last has thrown; it is not kept for longer than that. */
export function takeFailure(): Error {
  const thrown = failure!;
  failure = undefined;
  return thrown;
}
