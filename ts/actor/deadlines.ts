/**
 * Calls that await their reply, and the timers that end the waiting. Calls of one millisecond with the same timeout share one timer; it is cleared when the last of
 * them is settled. `setTimeout` and `Date.now` are looked up when they are needed, so that fake timers work.
 */
import { CallTimeoutError } from './errors';
import type { WaitingCall } from './mailbox';

/** The longest time a timer can be set to, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** The server that a call waits for. */
export interface CallOwner {
  readonly id: string;
  /** Takes the call out of the mailbox. */
  withdraw(call: PendingCall): void;
}

/** A call that is queued or being handled. */
export class PendingCall implements WaitingCall {
  readonly promise: Promise<unknown>;
  withdrawn = false;
  /** It is in the mailbox of `owner`. */
  queued = false;
  /** The timer it shares; `undefined` where it waits for ever or is settled. */
  deadline: Deadline | undefined;
  private fulfil: ((reply: unknown) => void) | undefined;
  private fail: ((error: Error) => void) | undefined;

  constructor(readonly owner: CallOwner) {
    this.promise = new Promise(takeFunctions);
    this.fulfil = newFulfil;
    this.fail = newFail;
  }

  resolve(reply: unknown): void {
    const { fulfil } = this;
    if (fulfil === undefined) return;
    fulfil(reply);
    this.settled();
  }

  reject(error: Error): void {
    const { fail } = this;
    if (fail === undefined) return;
    fail(error);
    this.settled();
  }

  /** Its time is over. */
  expire(timeout: number): void {
    if (this.fail === undefined) return;
    if (this.queued) this.owner.withdraw(this);
    this.reject(new CallTimeoutError(this.owner.id, timeout));
  }

  private settled(): void {
    this.queued = false;
    this.fulfil = undefined;
    this.fail = undefined;
    this.deadline?.leave();
    this.deadline = undefined;
  }
}

/** One timer for several calls. */
class Deadline {
  readonly setAt = Date.now();
  private calls: PendingCall[] = [];
  private unsettled = 0;
  private readonly timer: ReturnType<typeof setTimeout>;

  constructor(private readonly timeout: number) {
    this.timer = setTimeout(() => this.expire(), timeout);
  }

  join(call: PendingCall): void {
    this.calls.push(call);
    this.unsettled += 1;
    call.deadline = this;
  }

  leave(): void {
    this.unsettled -= 1;
    if (this.unsettled > 0) return;
    // Who was just answered may ask again at once: the timer can then stay as it is. Where a test counts its timers, it is cleared at once.
    if (setTimeout !== nodeSetTimeout) this.clear();
    else if (idle.push(this) === 1) void microtask.then(clearIdle);
  }

  clear(): void {
    if (this.unsettled > 0) return;
    clearTimeout(this.timer);
    this.close();
  }

  private expire(): void {
    const { calls } = this;
    this.close();
    for (const call of calls) call.expire(this.timeout);
  }

  /** No call can join any more. */
  private close(): void {
    this.calls = [];
    if (open.get(this.timeout) === this) open.delete(this.timeout);
  }
}

/** The deadlines that calls may still join, by their timeout. */
const open = new Map<number, Deadline>();
/** Deadlines whose calls are all settled. */
const idle: Deadline[] = [];
const microtask = Promise.resolve();
const nodeSetTimeout = setTimeout;

/** Lets `call` reject with `CallTimeoutError` after `timeout` milliseconds. */
export function setDeadline(call: PendingCall, timeout: number): void {
  if (timeout === Infinity) return;
  let deadline = open.get(timeout);
  if (deadline?.setAt !== Date.now()) {
    deadline = new Deadline(timeout);
    open.set(timeout, deadline);
  }
  deadline.join(call);
}

function clearIdle(): void {
  for (const deadline of idle) deadline.clear();
  idle.length = 0;
}

/** The functions of the promise that was made last. */
let newFulfil: (reply: unknown) => void;
let newFail: (error: Error) => void;

function takeFunctions(resolve: (reply: unknown) => void, reject: (error: Error) => void): void {
  newFulfil = resolve;
  newFail = reject;
}
