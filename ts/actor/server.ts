/**
 * A running GenServer: its state, its mailbox and the rules by which messages are handled.
 *
 * - One message at a time, first in, first out over calls, casts, exit signals and `stop`.
 * - A server with nothing to do handles a message at once, inside `call` or `cast`; what comes in the same turn waits for a microtask.
 *   Handlers that return plain values are run one after another without a promise between them.
 * - A throw of a handler leaves the state as it was.
 *
 * An idle server holds nothing but its fields: mailbox, listeners and promises are made when they are needed.
 */
import * as counters from './counters';
import { PendingCall, setDeadline } from './deadlines';
import { DeadlockError, LinkBrokenError, MailboxFullError, ServerNotRunningError, toError } from './errors';
import { reportFault, serverEvents } from './lifecycle';
import { LocalProcess, Stopping } from './local-process';
import { CAST, INFO, Mailbox, STOP, type Envelope } from './mailbox';
import type { Answers } from './processes';
import { checkResult, promiseIn, promiseOf } from './results';
import { mayHandle, proceed, schedule } from './scheduler';
import { SelfPromise } from './self-promise';
import type { ServerSettings } from './settings';
import { isThenable } from './thenable';
import type { ExitReason, ExitSignal, GenServerBehavior, Ref } from './types';

/** A behaviour as its server sees it: the types of state and messages are the caller's matter. */
export type Behavior = GenServerBehavior<unknown, unknown, unknown, unknown>;

/** So deep may servers handle messages inside one another's handlers; a message that would go deeper is queued. */
const MAX_DEPTH = 64;

/** What `runCall` returns after a throw; the error is `failure`. */
const FAILED = Symbol('failed');
let failure: Error;

/** The server whose handler runs now, synchronously. */
let current: Server | undefined;
let depth = 0;

export class Server extends LocalProcess {
  /** A handler is under way, or the scheduler is going to run this server. */
  private busy = false;
  /** The handler under way has returned a promise. */
  private awaiting = false;
  /** Numbers the handlers, so that a `SelfPromise` knows whether its own is the one under way. */
  private turn = 0;
  private mailbox: Mailbox<PendingCall> | undefined;

  constructor(
    ref: Ref,
    private readonly behavior: Behavior,
    private state: unknown,
    private readonly settings: ServerSettings,
  ) {
    super(ref);
  }

  call(message: unknown, timeout: number): Promise<unknown> {
    if (this.status !== counters.STATUS_RUNNING) return Promise.reject(new ServerNotRunningError(this.id));
    if (this.busy || depth === MAX_DEPTH) return this.queueCall(message, timeout);
    this.busy = true;
    const result = this.runCall(message);
    if (result === FAILED) {
      schedule(this);
      return Promise.reject(failure);
    }
    if (Array.isArray(result)) {
      schedule(this);
      return Promise.resolve(result[0]);
    }
    return this.expectReply(result, timeout);
  }

  answer(message: unknown, timeout: number, ticket: number, to: Answers): Promise<unknown> | undefined {
    if (this.status !== counters.STATUS_RUNNING) return this.call(message, timeout);
    if (this.busy || depth === MAX_DEPTH || !mayHandle()) return this.queueCall(message, timeout);
    this.busy = true;
    const result = this.runCall(message);
    if (result !== FAILED && !Array.isArray(result)) return this.expectReply(result, timeout);
    this.goOn();
    if (result === FAILED) {
      to.failed(ticket, failure);
      return undefined;
    }
    const reply: unknown = (result as readonly unknown[])[0];
    const promise = promiseIn(reply);
    if (promise === undefined) to.reply(ticket, reply);
    return promise;
  }

  cast(message: unknown): void {
    if (this.status !== counters.STATUS_RUNNING) throw new ServerNotRunningError(this.id);
    if (!this.busy && depth < MAX_DEPTH) {
      this.busy = true;
      if (this.runTransition(CAST, message)) schedule(this);
    } else if (this.stopping !== undefined) {
      // It would wait behind the stop and never be handled.
    } else if (this.makeRoom()) {
      this.enqueue(CAST, message);
    } else if (this.settings.overflow === 'reject') {
      throw new MailboxFullError(this.id, this.settings.limit);
    }
  }

  deliver(message: unknown): void {
    if (this.status !== counters.STATUS_RUNNING || this.busy || depth === MAX_DEPTH) {
      this.cast(message);
    } else if (mayHandle()) {
      this.busy = true;
      if (this.runTransition(CAST, message)) this.goOn();
    } else {
      this.enqueue(CAST, message);
    }
  }

  exit(signal: ExitSignal): void {
    if (!this.settings.trapExit) this.kill({ error: new LinkBrokenError(signal.from.id) });
    else if (this.status === counters.STATUS_RUNNING && this.behavior.handleInfo !== undefined) {
      this.enqueue(INFO, signal);
    }
  }

  stop(reason: ExitReason): Promise<void> {
    if (this.status === counters.STATUS_STOPPED) return Promise.resolve();
    if (this.stopping === undefined) {
      this.stopping = new Stopping(reason);
      if (this.busy || depth === MAX_DEPTH) {
        this.enqueue(STOP, undefined);
      } else {
        this.busy = true;
        this.finish(this.stopping);
      }
    }
    const { promise } = this.stopping;
    if (current !== this) return promise;
    return this.guard(promise, 'stop takes effect when the handler has ended; do not await it there');
  }

  kill(reason: ExitReason): void {
    if (this.status === counters.STATUS_STOPPED) return;
    const cleaning = this.status === counters.STATUS_STOPPING;
    this.status = counters.STATUS_STOPPED;
    if (!cleaning) this.cleanUp(reason);
    this.end(reason);
  }

  withdraw(call: PendingCall): void {
    this.mailbox?.withdraw(call);
    this.showQueue();
  }

  run(quantum: number): number {
    for (let handled = 0; ; handled += 1) {
      if (this.status !== counters.STATUS_RUNNING) return handled;
      const { mailbox } = this;
      if (mailbox === undefined || mailbox.length === 0) {
        this.busy = false;
        return handled;
      }
      if (handled === quantum) {
        schedule(this);
        return handled;
      }
      const envelope = mailbox.shift()!;
      this.showQueue();
      if (!this.handle(envelope, mailbox.takeMessage())) return handled + 1;
    }
  }

  /** Returns whether the handler is through; where not, its promise goes on. */
  private handle(envelope: Envelope<PendingCall>, message: unknown): boolean {
    if (envelope === STOP) {
      this.finish(this.stopping!);
      return false;
    }
    if (typeof envelope === 'number') return this.runTransition(envelope, message);
    envelope.queued = false;
    const result = this.runCall(message);
    if (result === FAILED) {
      envelope.reject(failure);
      return true;
    }
    if (Array.isArray(result)) {
      envelope.resolve(result[0]);
      return true;
    }
    this.awaitCall(envelope, result);
    return false;
  }

  /** Runs `handleCall`: its result, taken over already where it is no promise; a promise; or `FAILED`. */
  private runCall(message: unknown): unknown {
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const result: unknown = this.behavior.handleCall(message, this.state);
      if (Array.isArray(result) || !isThenable(result)) this.accept(checkResult(result)[1], CAST);
      return result;
    } catch (thrown) {
      failure = this.countFault(thrown);
      return FAILED;
    } finally {
      leave(before);
    }
  }

  /** Runs `handleCast` or `handleInfo`; returns whether it is through. */
  private runTransition(kind: number, message: unknown): boolean {
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

  /** The handler of a call has returned the promise `result`. */
  private expectReply(result: unknown, timeout: number): Promise<unknown> {
    const call = new PendingCall(this);
    setDeadline(call, timeout);
    this.awaitCall(call, result);
    return call.promise;
  }

  private awaitCall(call: PendingCall, result: unknown): void {
    this.awaiting = true;
    promiseOf(result).then(
      (value) => {
        this.awaiting = false;
        try {
          const checked = checkResult(value);
          this.accept(checked[1], CAST);
          call.resolve(checked[0]);
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
    promiseOf(next).then(
      (state) => {
        this.awaiting = false;
        this.accept(state, kind);
        proceed(this);
      },
      (thrown: unknown) => {
        this.awaiting = false;
        this.fault(thrown, message);
        proceed(this);
      },
    );
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

  /** As `countFault`, for a message whose sender awaits nothing: tells the listeners instead. */
  private fault(thrown: unknown, message: unknown): void {
    const error = this.countFault(thrown);
    if (this.status !== counters.STATUS_RUNNING) return;
    reportFault(this.ref, error, message, counters.readCounter(this.slot, counters.ERRORS) === 1);
  }

  private crash(error: Error): void {
    this.status = counters.STATUS_STOPPED;
    serverEvents.emit({ type: 'crashed', ref: this.ref, error });
    this.cleanUp({ error });
    this.end({ error });
  }

  private queueCall(message: unknown, timeout: number): Promise<unknown> {
    if (!this.makeRoom()) {
      return Promise.reject(
        this.stopping === undefined
          ? new MailboxFullError(this.id, this.settings.limit)
          : new ServerNotRunningError(this.id),
      );
    }
    const call = new PendingCall(this);
    call.queued = true;
    this.enqueue(call, message);
    setDeadline(call, timeout);
    if (current !== this) return call.promise;
    return this.guard(
      call.promise,
      'a call to itself is answered when the handler has ended; do not await it there',
      (error) => {
        if (call.queued && !call.isSettled) this.withdraw(call);
        call.reject(error);
      },
    );
  }

  /** Returns whether one more call or cast may wait. */
  private makeRoom(): boolean {
    const { mailbox, settings } = this;
    if (mailbox === undefined || mailbox.load < settings.limit) return true;
    // What comes behind a stop is never handled: it must not drop what the stop waits for.
    if (settings.overflow !== 'drop-oldest' || this.stopping !== undefined) return false;
    const dropped = mailbox.dropOldest();
    if (typeof dropped === 'object') dropped.reject(new MailboxFullError(this.id, settings.limit));
    return true;
  }

  private enqueue(envelope: Envelope<PendingCall>, message: unknown): void {
    this.mailbox ??= new Mailbox();
    this.mailbox.push(envelope, message);
    this.showQueue();
    if (this.busy) return;
    this.busy = true;
    schedule(this);
  }

  /** A message was handled on its own, outside of `run`. */
  private goOn(): void {
    if (this.mailbox !== undefined && this.mailbox.length > 0) schedule(this);
    else this.busy = false;
  }

  private showQueue(): void {
    counters.setCounter(this.slot, counters.QUEUE, this.mailbox?.length ?? 0);
  }

  /** The promise of a call or stop that a handler of this server made; `refused` is told where the handler awaits it. */
  private guard<T>(promise: Promise<T>, advice: string, refused?: (error: Error) => void): Promise<T> {
    const { turn } = this;
    return SelfPromise.of(
      promise,
      () => this.awaiting && this.turn === turn,
      () => {
        const error = new DeadlockError(this.id, advice);
        refused?.(error);
        return error;
      },
    );
  }

  /** Ends in order: the mailbox has reached the stop. */
  private finish(stopping: Stopping): void {
    const { reason } = stopping;
    this.setStatus(counters.STATUS_STOPPING);
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const cleaned: unknown = this.behavior.terminate?.(reason, this.state);
      if (isThenable(cleaned)) {
        this.awaiting = true;
        Promise.resolve(cleaned).then(
          () => this.end(reason),
          (thrown: unknown) => this.end(reason, toError(thrown)),
        );
        return;
      }
    } catch (thrown) {
      this.end(reason, toError(thrown));
      return;
    } finally {
      leave(before);
    }
    this.end(reason);
  }

  /** Runs `terminate` without waiting for it: the server is down already. */
  private cleanUp(reason: ExitReason): void {
    this.turn = (this.turn + 1) | 0;
    const before = enter(this);
    try {
      const cleaned: unknown = this.behavior.terminate?.(reason, this.state);
      if (isThenable(cleaned)) {
        Promise.resolve(cleaned).catch((thrown: unknown) =>
          reportFault(this.ref, toError(thrown), reason, true),
        );
      }
    } catch (thrown) {
      reportFault(this.ref, toError(thrown), reason, true);
    } finally {
      leave(before);
    }
  }

  protected refuseWaiting(): void {
    const { mailbox } = this;
    this.mailbox = undefined;
    for (let envelope = mailbox?.shift(); envelope !== undefined; envelope = mailbox?.shift()) {
      if (typeof envelope === 'object') envelope.reject(new ServerNotRunningError(this.id));
    }
  }
}

/** A handler begins; returns the server whose handler it runs in. */
function enter(server: Server): Server | undefined {
  const before = current;
  current = server;
  depth += 1;
  return before;
}

function leave(before: Server | undefined): void {
  depth -= 1;
  current = before;
}
