/** A gate that lets a bounded number of calls run at once and keeps the others waiting in order of arrival. */
import { NoizylabError } from '../errors';
import { abortable, onAbort } from './abort';
import { LinkedQueue } from './linked-queue';
import {
  options,
  readConcurrency,
  readMaxQueue,
  readSignal,
  type QueueOptions,
  type SignalOptions,
} from './options';

/** The error for a call that finds no room to wait. */
export function queueFull(maxQueue: number): NoizylabError {
  return new NoizylabError(
    'ERR_PARALLEL_QUEUE_FULL',
    `the queue is full: ${maxQueue} calls are waiting (option maxQueue)`,
  );
}

/**
 * Runs functions with bounded concurrency, first in, first out.
 *
 * A function that has to wait runs later in the asynchronous context (`AsyncLocalStorage`) of the call that added it.
 */
export class Limiter {
  /** How many functions may run at once. */
  readonly concurrency: number;
  /** The functions that wait for their turn: a live view of their number. */
  readonly queue: { readonly length: number };
  readonly #maxQueue: number;
  readonly #waiting = new LinkedQueue<() => void>();
  #running = 0;

  /**
   * @param concurrency How many functions may run at once: a whole number of at least 1, or `Infinity`.
   * @throws `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
   */
  constructor(concurrency = 10, given?: QueueOptions) {
    this.concurrency = readConcurrency('concurrency', concurrency, 10);
    this.#maxQueue = readMaxQueue(options.object('options', given));
    const waiting = this.#waiting;
    this.queue = Object.freeze({
      get length(): number {
        return waiting.length;
      },
    });
  }

  /** How many functions run now. */
  get running(): number {
    return this.#running;
  }

  /**
   * Calls `fn`, without arguments, as soon as there is room: before this returns if there is room now. A synchronous throw counts
   * as a rejection.
   *
   * When `signal` fires, a waiting function leaves the queue uncalled. A running one cannot be stopped: the promise
   * rejects at once, and its place becomes free when it ends.
   *
   * @returns a promise of the result of `fn`. It rejects with the error of `fn`, with `signal.reason`,
   * or with `ERR_PARALLEL_QUEUE_FULL`, `ERR_PARALLEL_INVALID_TYPE`.
   */
  async add<R>(fn: () => R | PromiseLike<R>, given?: SignalOptions): Promise<Awaited<R>> {
    options.callback('fn', fn);
    const signal = readSignal(given);
    if (signal?.aborted) throw signal.reason;
    if (this.#running < this.concurrency) this.#running++;
    else await this.#turn(signal);
    return await abortable(this.#run(fn, signal), signal);
  }

  /** Resolves when a place has been handed over. The continuation of an `await` keeps the context of the caller. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxQueue) throw queueFull(this.#maxQueue);
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#waiting.push(resolve);
        return;
      }
      const place = this.#waiting.push(() => {
        release();
        resolve();
      });
      const release = onAbort(signal, () => {
        this.#waiting.remove(place);
        reject(signal.reason);
      });
    });
  }

  async #run<R>(fn: () => R | PromiseLike<R>, signal: AbortSignal | undefined): Promise<Awaited<R>> {
    try {
      // The signal may have fired between the handing over of the place and this turn.
      if (signal?.aborted) throw signal.reason;
      return await fn();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
