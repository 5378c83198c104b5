/** `ParallelEngine.raceWithTimeout`, exported as `timeout`: a result in time, or a fallback. */
import { abortable } from './abort';
import { readMilliseconds, readSignal, type SignalOptions } from './options';

/** What races against the clock: a promise, a value, or a function that is called with an `AbortSignal`. */
export type Contender<T> = T | PromiseLike<T> | ((signal: AbortSignal) => T | PromiseLike<T>);

/**
 * Resolves to the result of `contender` if it comes within `ms` milliseconds, else to `fallback`. Its rejection passes through,
 * whatever the error looks like.
 *
 * A function is called, with an `AbortSignal` that fires at the timeout (reason: a `TimeoutError`) or with the caller's `signal`, so that
 * it can stop what nobody waits for any more. A promise cannot be stopped: what becomes of it after the timeout is ignored.
 *
 * @param ms Milliseconds, up to 2,147,483,647; `Infinity` waits for ever. It has no default.
 * @param fallback Default `null`.
 * @param given `signal` rejects with its reason; if it fired before, a function is not called.
 * @throws (as a rejection) `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export async function raceWithTimeout<T, F = null>(
  contender: Contender<T>,
  ms: number,
  fallback?: F,
  given?: SignalOptions,
): Promise<Awaited<T> | Awaited<F>> {
  // A promise that loses, or whose race is refused, must not end the process as an unhandled rejection.
  if (typeof contender !== 'function') Promise.resolve(contender).catch(() => undefined);
  const limit = readMilliseconds('ms', ms, { orInfinity: true });
  const signal = readSignal(given);
  if (signal?.aborted) throw signal.reason;

  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const outcome = new Promise<T | F>((resolve, reject) => {
    start(contender, controller.signal).then(resolve, reject);
    if (limit === Infinity) return;
    timer = setTimeout(() => {
      // Settled before the signal fires: what the function answers to the signal comes too late to win.
      resolve(fallback === undefined ? (null as F) : fallback);
      controller.abort(new DOMException(`not done within ${limit} ms`, 'TimeoutError'));
    }, limit);
  });
  try {
    return await abortable(outcome, signal, () => controller.abort(signal?.reason));
  } finally {
    clearTimeout(timer);
  }
}

async function start<T>(contender: Contender<T>, signal: AbortSignal): Promise<Awaited<T>> {
  // A generic T could be a function itself, which a typeof check alone does not rule out for the compiler.
  return await (typeof contender === 'function'
    ? (contender as (signal: AbortSignal) => T | PromiseLike<T>)(signal)
    : contender);
}
