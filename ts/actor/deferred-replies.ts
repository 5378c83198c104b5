/** The calls that one state machine has accepted and will answer by an action, later. */
import { CallTimeoutError } from './errors';
import { nextId } from './processes';
import type { DeferredReply } from './state-machine-types';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** A call as its message carries it. */
export interface DeferredCall {
  /** Milliseconds from the call on, or `Infinity`. */
  readonly timeout: number;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
}

/** Replies that are still to be given. */
export class DeferredReplies {
  readonly #waiting = new Map<string, Waiting>();

  /**
   * Makes a promise that a reply settles, or with `CallTimeoutError` the timeout of the call. While a handler is under way nobody holds it: a
   * failure by then is no unhandled rejection, for the caller has a promise of his own.
   *
   * @param expired called where it was the timeout
   */
  expect(
    serverId: string,
    { timeout, sentAt }: DeferredCall,
    expired: () => void,
  ): [DeferredReply, Promise<unknown>] {
    const id = nextId('gsm_reply');
    const promise = new Promise((resolve, reject) => {
      const left = Math.max(0, Math.min(timeout, timeout - (Date.now() - sentAt)));
      const expire = (): void => {
        expired();
        this.reject({ _id: id }, new CallTimeoutError(serverId, timeout));
      };
      const timer = timeout === Infinity ? undefined : setTimeout(expire, left);
      this.#waiting.set(id, { resolve, reject, timer });
    });
    promise.catch(() => {});
    return [{ _id: id }, promise];
  }

  /** Gives a reply; a call that is over is left alone. */
  resolve(to: DeferredReply, value: unknown): void {
    this.#take(to)?.resolve(value);
  }

  /** Lets a call fail. */
  reject(to: DeferredReply, error: Error): void {
    this.#take(to)?.reject(error);
  }

  /** Forgets a call that is answered in another way. */
  forget(to: DeferredReply): void {
    this.#take(to);
  }

  /** Lets all calls fail. */
  rejectAll(error: Error): void {
    for (const id of this.#waiting.keys()) this.reject({ _id: id }, error);
  }

  #take({ _id: id }: DeferredReply): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    return waiting;
  }
}
