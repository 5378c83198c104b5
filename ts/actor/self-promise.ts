/**
 * What a handler gets that calls or stops its own server: a promise that knows when it is awaited by that same handler, which could never end. It then rejects with
 * `DeadlockError`. Where the handler does not await it, it behaves as any other.
 *
 * `await` on a promise of this class asks for its `then` in a microtask, while the handler is under way; a `then` called by hand in the synchronous part of the
 * handler is no awaiting, but what it returns is watched in the same way. A call made after the first `await` of a handler is not recognised.
 */
import type { DeadlockError } from './errors';

export class SelfPromise<T> extends Promise<T> {
  private noticeAwait: (() => void) | undefined;

  /**
   * @param promise what it stands for
   * @param stillHandling whether the handler that made the promise is under way, now asynchronously
   * @param deadlock makes the error, once, where that handler awaits the promise
   */
  static of<T>(
    promise: Promise<T>,
    stillHandling: () => boolean,
    deadlock: () => DeadlockError,
  ): SelfPromise<T> {
    let refuse: ((error: Error) => void) | undefined;
    const guarded = new SelfPromise<T>((resolve, reject) => {
      refuse = reject;
      promise.then(resolve, reject);
    });
    guarded.noticeAwait = () => {
      if (refuse === undefined || !stillHandling()) return;
      refuse(deadlock());
      refuse = undefined;
    };
    return guarded;
  }

  // Who awaits is known by who asks for `then`.
  // oxlint-disable-next-line unicorn/no-thenable
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.noticeAwait?.();
    const next = super.then(onFulfilled, onRejected) as SelfPromise<A | B>;
    next.noticeAwait = this.noticeAwait;
    return next;
  }
}
