/** `ParallelEngine.throttle`: a function that runs a bounded number of times at once. */
import { Limiter } from './limiter';
import { options, readConcurrency, readSignal, type QueueOptions, type SignalOptions } from './options';

/**
 * Wraps `fn` so that at most `limit` of its calls run at once; further ones wait, first in, first out. It limits concurrency, not the
 * rate. Each call returns a promise of its result, keeps its `this`, and runs in the asynchronous context it was made in.
 *
 * @param limit A whole number of at least 1, or `Infinity`. It has no default.
 * @param given `maxQueue`: how many calls may wait (default 1,000,000, then `ERR_PARALLEL_QUEUE_FULL`).
 * `signal` rejects all calls with its reason, those to come too.
 * @throws `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export function throttle<This, Args extends unknown[], R>(
  fn: (this: This, ...args: Args) => R | PromiseLike<R>,
  limit: number,
  given?: QueueOptions & SignalOptions,
): (this: This, ...args: Args) => Promise<Awaited<R>> {
  options.callback('fn', fn);
  if (limit === undefined) throw options.type('limit', limit, 'a whole number of at least 1');
  const signal = readSignal(given);
  const limiter = new Limiter(readConcurrency('limit', limit, 1), given);
  return function throttled(...args) {
    return limiter.add(() => fn.apply(this, args), { signal });
  };
}
