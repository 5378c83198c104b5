/** `ParallelEngine.debounce`: collect calls until there is silence, then run them all. */
import { abortable } from './abort';
import { queueFull } from './limiter';
import {
  options,
  readMaxQueue,
  readMilliseconds,
  readSignal,
  type QueueOptions,
  type SignalOptions,
} from './options';

/**
 * Wraps `fn` so that its calls wait until none has come for `wait` milliseconds. Then **every** waiting call runs, all at once
 * and each with its own arguments and `this`, in the asynchronous context it was made in; each promise settles on its own.
 *
 * This is not the debounce that keeps the last call only: no call is dropped, they are put off together.
 *
 * @param wait Milliseconds of silence, up to 2,147,483,647. It has no default.
 * @param given `maxQueue`: how many calls may wait (default 1,000,000, then `ERR_PARALLEL_QUEUE_FULL`).
 * `signal` rejects all calls with its reason, those to come too.
 * @throws `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export function debounce<This, Args extends unknown[], R>(
  fn: (this: This, ...args: Args) => R | PromiseLike<R>,
  wait: number,
  given?: QueueOptions & SignalOptions,
): (this: This, ...args: Args) => Promise<Awaited<R>> {
  options.callback('fn', fn);
  const silence = new Silence(readMilliseconds('wait', wait));
  const signal = readSignal(given);
  const maxQueue = readMaxQueue(options.object('options', given));
  let waiting = 0;

  async function run(self: This, args: Args): Promise<Awaited<R>> {
    return await fn.apply(self, args);
  }

  return async function debounced(...args): Promise<Awaited<R>> {
    if (signal?.aborted) throw signal.reason;
    if (waiting >= maxQueue) throw queueFull(maxQueue);
    waiting++;
    try {
      await abortable(silence.restart(), signal, () => silence.cancel());
    } finally {
      waiting--;
    }
    return await abortable(run(this, args), signal);
  };
}

/** A promise of `wait` milliseconds without a restart, shared by all who wait for it. */
class Silence {
  #end: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly wait: number) {}

  restart(): Promise<void> {
    this.#timer?.refresh();
    this.#end ??= new Promise((resolve) => {
      this.#timer = setTimeout(() => {
        this.cancel();
        resolve();
      }, this.wait);
    });
    return this.#end;
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#end = undefined;
  }
}
