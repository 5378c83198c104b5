/**
 * A running GenServer: its mailbox and the rules by which messages are handled.
 *
 * - One message at a time, first in, first out over calls, casts, exit signals and `stop`.
 * - A server with nothing to do handles a message at once, inside `call` or `cast`; what comes in the same turn waits for a microtask.
 *   Handlers that return plain values are run one after another without a promise between them.
 * - A throw of a handler leaves the state as it was.
 *
 * An idle server holds nothing but its fields: mailbox, listeners and promises are made when they are needed.
 */
import { BehaviorProcess, FAILED, REPLIED, takeFailure, takeReply } from './behavior-process';
import * as counters from './counters';
import { PendingCall, setDeadline } from './deadlines';
import { LinkBrokenError, MailboxFullError, ServerNotRunningError } from './errors';
import { currentServer, mayNest } from './handling';
import { Stopping } from './local-process';
import { CAST, INFO, Mailbox, STOP, type Envelope } from './mailbox';
import type { Answers } from './processes';
import { promiseIn } from './results';
import { mayHandle, schedule } from './scheduler';
import type { ExitReason, ExitSignal } from './types';

export class Server extends BehaviorProcess {
  /** A handler is under way, or the scheduler is going to run this server. */
  private busy = false;
  private mailbox: Mailbox<PendingCall> | undefined;

  call(message: unknown, timeout: number): Promise<unknown> {
    if (this.status !== counters.STATUS_RUNNING) return Promise.reject(new ServerNotRunningError(this.id));
    if (this.busy || !mayNest()) return this.queueCall(message, timeout);
    this.busy = true;
    const result = this.runCall(message);
    if (result === REPLIED) {
      schedule(this);
      return Promise.resolve(takeReply());
    }
    if (result === FAILED) {
      schedule(this);
      return Promise.reject(takeFailure());
    }
    return this.expectReply(result, timeout);
  }

  answer(message: unknown, timeout: number, ticket: number, to: Answers): Promise<unknown> | undefined {
    if (this.status !== counters.STATUS_RUNNING) return this.call(message, timeout);
    if (this.busy || !mayNest() || !mayHandle()) return this.queueCall(message, timeout);
    this.busy = true;
    const result = this.runCall(message);
    if (result !== FAILED && result !== REPLIED) return this.expectReply(result, timeout);
    this.goOn();
    if (result === FAILED) {
      to.failed(ticket, takeFailure());
      return undefined;
    }
    const given = takeReply();
    const promise = promiseIn(given);
    if (promise === undefined) to.reply(ticket, given);
    return promise;
  }

  cast(message: unknown): void {
    if (this.status !== counters.STATUS_RUNNING) throw new ServerNotRunningError(this.id);
    if (!this.busy && mayNest()) {
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
    if (this.status !== counters.STATUS_RUNNING || this.busy || !mayNest()) {
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
      if (this.busy || !mayNest()) {
        this.enqueue(STOP, undefined);
      } else {
        this.busy = true;
        this.finish(reason);
      }
    }
    const { promise } = this.stopping;
    if (currentServer() !== this) return promise;
    return this.guard(promise, 'stop takes effect when the handler has ended; do not await it there');
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
      this.finish(this.stopping!.reason);
      return false;
    }
    if (typeof envelope === 'number') return this.runTransition(envelope, message);
    envelope.queued = false;
    const result = this.runCall(message);
    if (result === REPLIED) {
      envelope.resolve(takeReply());
      return true;
    }
    if (result === FAILED) {
      envelope.reject(takeFailure());
      return true;
    }
    this.awaitCall(envelope, result);
    return false;
  }

  /** The handler of a call has returned the promise `result`. */
  private expectReply(result: unknown, timeout: number): Promise<unknown> {
    const call = new PendingCall(this);
    setDeadline(call, timeout);
    this.awaitCall(call, result);
    return call.promise;
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
    if (currentServer() !== this) return call.promise;
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

  protected refuseWaiting(): void {
    const { mailbox } = this;
    this.mailbox = undefined;
    for (let envelope = mailbox?.shift(); envelope !== undefined; envelope = mailbox?.shift()) {
      if (typeof envelope === 'object') envelope.reject(new ServerNotRunningError(this.id));
    }
  }
}
