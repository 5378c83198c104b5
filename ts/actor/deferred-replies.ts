/** The calls that one state machine has accepted and will answer by an action, later. */
import { timerTime } from './clock';
import { AwaitedReply, setDeadline } from './deadlines';
import { CallTimeoutError } from './errors';
import { nextId } from './processes';
import type { DeferredReply } from './state-machine-types';

/** A call as its message carries it. */
export interface DeferredCall {
  /** Milliseconds from the call on, or `Infinity`. */
  readonly timeout: number;
  /** The `timerTime` of its caller. */
  readonly sentAt: number;
}

/** Replies that are still to be given. */
export class DeferredReplies {
  readonly #waiting = new Map<string, AwaitedReply>();

  /**
   * Makes a promise that a reply settles, or with `CallTimeoutError` the timeout of the call. While a handler is under way nobody holds it: a
   * failure by then is no unhandled rejection, for the caller has a promise of his own.
   *
   * @param serverId asked for when the call has timed out: a request may come before that is known
   * @param expired called where it was the timeout
   */
  expect(
    serverId: () => string,
    { timeout, sentAt }: DeferredCall,
    expired: () => void,
  ): [DeferredReply, Promise<unknown>] {
    const id = nextId('gsm_reply');
    const reply = new Deferred(() => {
      this.#waiting.delete(id);
      expired();
      return new CallTimeoutError(serverId(), timeout);
    });
    this.#waiting.set(id, reply);
    setDeadline(reply, Math.ceil(Math.max(0, Math.min(timeout, timeout - (timerTime() - sentAt)))));
    reply.promise.catch(() => {});
    return [{ _id: id }, reply.promise];
  }

  /** Gives a reply; a call that is over is left alone. */
  resolve(to: DeferredReply, value: unknown): void {
    this.#take(to)?.resolve(value);
  }

  /** Lets a call fail. */
  reject(to: DeferredReply, error: Error): void {
    this.#take(to)?.reject(error);
  }

  /** Lets all calls fail. */
  rejectAll(error: Error): void {
    for (const id of this.#waiting.keys()) this.reject({ _id: id }, error);
  }

  #take({ _id: id }: DeferredReply): AwaitedReply | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

class Deferred extends AwaitedReply {
  constructor(private readonly late: () => Error) {
    super();
  }

  protected expired(): Error {
    return this.late();
  }
}
