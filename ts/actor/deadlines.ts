/**
 * Calls that await their reply, and the timers that end the waiting. Calls of one millisecond with the same timeout share one timer; it is cleared when the last of
 * them is settled. `setTimeout` is looked up when it is needed, so that fake timers work.
 */
import { hasFakeTimers, microtask, timerTime } from './clock';
import { CallTimeoutError } from './errors';
import type { WaitingCall } from './mailbox';

/** The longest time a timer can be set to, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** The functions of the promise that was made last. */
let newFulfil: (reply: unknown) => void;
let newFail: (error: Error) => void;

function takeFunctions(resolve: (reply: unknown) => void, reject: (error: Error) => void): void {
  newFulfil = resolve;
  newFail = reject;
}

/** A reply that is awaited: the promise of it, and the deadline by which it must be there. */
export abstract class AwaitedReply {
  readonly promise: Promise<unknown>;
  /** The timer it shares; `undefined` where it waits for ever or is settled. */
  deadline: Deadline | undefined;
  /** Its neighbours at the deadline. */
  earlier: AwaitedReply | undefined;
  later: AwaitedReply | undefined;
  private fulfil: ((reply: unknown) => void) | undefined;
  private fail: ((error: Error) => void) | undefined;

  constructor() {
    this.promise = new Promise(takeFunctions);
    this.deadline = undefined;
    this.earlier = undefined;
    this.later = undefined;
    this.fulfil = newFulfil;
    this.fail = newFail;
  }

  get isSettled(): boolean {
    return this.fulfil === undefined;
  }

  resolve(reply: unknown): void {
    const { fulfil } = this;
    if (fulfil === undefined) {
      // Nobody is left to hear that a promise which comes as a late reply rejects.
      new Promise((resolve) => resolve(reply)).catch(() => {});
      return;
    }
    // The promise first: whoever goes on then can ask again before the deadline is given up.
    fulfil(reply);
    this.settled();
  }

  reject(error: Error): void {
    const { fail } = this;
    if (fail === undefined) return;
    this.settled();
    fail(error);
  }

  /** Its time is over. */
  expire(timeout: number): void {
    if (!this.isSettled) this.reject(this.expired(timeout));
  }

  /** The error for a reply that is late; whoever was to give it need not any more. */
  protected abstract expired(timeout: number): Error;

  private settled(): void {
    this.fulfil = undefined;
    this.fail = undefined;
    this.deadline?.leave(this);
  }
}

/** The server that a call waits for. */
export interface CallOwner {
  readonly id: string;
  /** Takes the call out of the mailbox. */
  withdraw(call: PendingCall): void;
}

/** A call that is queued or being handled. */
export class PendingCall extends AwaitedReply implements WaitingCall {
  /** V8 drops what it has compiled for objects of one shape when a full collection finds none of them: there is always one. */
  static readonly kept = new PendingCall({ id: '', withdraw() {} });

  withdrawn = false;
  /** It is in the mailbox of `owner`. */
  queued = false;

  constructor(private readonly owner: CallOwner) {
    super();
  }

  protected expired(timeout: number): Error {
    if (this.queued) this.owner.withdraw(this);
    return new CallTimeoutError(this.owner.id, timeout);
  }
}

/** One timer for several replies. It holds only those that are awaited still. */
export class Deadline {
  /** Its time is not over, and somebody waits or may do so at once. */
  isOpen = true;
  private readonly setBy = setTimeout;
  private readonly setAt = moment();
  private last: AwaitedReply | undefined;
  private readonly timer: ReturnType<typeof setTimeout>;

  constructor(private readonly timeout: number) {
    this.timer = setTimeout(() => this.expire(), timeout);
  }

  /** Whether it is that of a reply whose time begins now. */
  get isCurrent(): boolean {
    return this.isOpen && this.setBy === setTimeout && this.setAt === moment();
  }

  /** Milliseconds since it was set, in whole ones. */
  get age(): number {
    return moment() - this.setAt;
  }

  join(reply: AwaitedReply): void {
    const { last } = this;
    reply.deadline = this;
    reply.earlier = last;
    if (last !== undefined) last.later = reply;
    this.last = reply;
  }

  leave(reply: AwaitedReply): void {
    const { earlier, later } = reply;
    reply.deadline = undefined;
    reply.earlier = undefined;
    reply.later = undefined;
    if (earlier !== undefined) earlier.later = later;
    if (later !== undefined) {
      later.earlier = earlier;
      return;
    }
    this.last = earlier;
    if (earlier !== undefined) return;
    // Who was just answered may ask again at once: the timer can then stay as it is. Where a test counts its timers, it is cleared at once.
    if (hasFakeTimers()) this.clear();
    else if (idle.push(this) === 1) void microtask.then(clearIdle);
  }

  clear(): void {
    if (this.last !== undefined) return;
    clearTimeout(this.timer);
    this.close();
  }

  /** Lets the time of the replies that joined last begin anew. */
  renew(count: number): void {
    const renewed = this.newest(count);
    if (renewed.length === 0) return;
    const deadline = new Deadline(this.timeout);
    for (const reply of renewed) {
      this.leave(reply);
      deadline.join(reply);
    }
  }

  private expire(): void {
    this.close();
    for (const reply of this.newest(Infinity)) reply.expire(this.timeout);
  }

  /** So many of those that joined last, the oldest first. */
  private newest(count: number): readonly AwaitedReply[] {
    const replies: AwaitedReply[] = [];
    for (let reply = this.last; reply !== undefined && replies.length < count; reply = reply.earlier)
      replies.push(reply);
    return replies.toReversed();
  }

  private close(): void {
    this.isOpen = false;
    if (open.get(this.timeout) === this) open.delete(this.timeout);
  }
}

/** The youngest deadlines, by their timeout. */
const open = new Map<number, Deadline>();
/** Deadlines whose replies are all there. */
const idle: Deadline[] = [];

/** The millisecond. */
function moment(): number {
  return Math.floor(timerTime());
}

/** Lets `reply` expire after `timeout` milliseconds. */
export function setDeadline(reply: AwaitedReply, timeout: number): void {
  if (timeout === Infinity) return;
  let deadline = open.get(timeout);
  if (deadline?.isCurrent !== true) {
    deadline = new Deadline(timeout);
    open.set(timeout, deadline);
  }
  deadline.join(reply);
}

function clearIdle(): void {
  for (const deadline of idle) deadline.clear();
  idle.length = 0;
}
