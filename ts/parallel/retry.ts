/** `ParallelEngine.retry`: try again after a failure, with growing waits. */
import { abortable, sleep } from './abort';
import { LONGEST_TIMER, options, readSignal, type SignalOptions } from './options';

/**
 * How much of a wait is left to chance. `true` and `'full'`: all of it, between 0 and the wait. `'equal'`: half of it. A number from 0 to
 * 1: that share. `false` and 0: none.
 */
export type Jitter = boolean | 'full' | 'equal' | number;

/** How `retry` goes about it. */
export interface RetryOptions extends SignalOptions {
  /** Calls of the function in total: a whole number of at least 1, or `Infinity`. Default 3. */
  maxAttempts?: number | undefined;
  /** The wait after the first failure in milliseconds. Default 1000. */
  delay?: number | undefined;
  /** What each further wait is multiplied by. Default 2. */
  backoff?: number | undefined;
  /** The longest wait in milliseconds. Default and `Infinity`: the longest that a timer holds, 24.8 days. */
  maxDelay?: number | undefined;
  /** Default `false`. */
  jitter?: Jitter | undefined;
  /** Asked after a failure that is not the last; a falsy answer ends the attempts. Default: every failure. */
  shouldRetry?: ((error: unknown, attempt: number) => unknown) | undefined;
  /** Told before each wait: the error, the number of the attempt that failed (from 1), the wait in milliseconds. */
  onRetry?: ((error: unknown, attempt: number, wait: number) => unknown) | undefined;
}

/**
 * Calls `fn`, without arguments, until it succeeds, and resolves to its result.
 *
 * After attempt n fails it waits `min(delay * backoff^(n-1), maxDelay)` milliseconds, less what `jitter` takes off, and rejects with the
 * **last** error once `maxAttempts` are used up or `shouldRetry` says no. What `shouldRetry` or `onRetry` throw ends it too.
 * Both may return a promise, which is waited for.
 *
 * `signal` rejects with its reason at once, also during an attempt or a wait; if it fired before, `fn` is never called.
 *
 * The jitters are those of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: `'full'` spreads
 * competing clients best, `'equal'` keeps at least half of each wait.
 *
 * @throws (as a rejection) `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export async function retry<R>(fn: () => R | PromiseLike<R>, given?: RetryOptions): Promise<Awaited<R>> {
  options.callback('fn', fn);
  const { maxAttempts, waitAfter, shouldRetry, onRetry, signal } = readOptions(given);
  for (let attempt = 1; ; attempt++) {
    if (signal?.aborted) throw signal.reason;
    try {
      return await abortable(call(fn), signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (attempt >= maxAttempts) throw error;
      if (
        shouldRetry !== undefined &&
        !(await abortable(
          call(() => shouldRetry(error, attempt)),
          signal,
        ))
      ) {
        throw error;
      }
      const wait = waitAfter(attempt);
      if (onRetry !== undefined)
        await abortable(
          call(() => onRetry(error, attempt, wait)),
          signal,
        );
      await sleep(wait, signal);
    }
  }
}

async function call<R>(fn: () => R | PromiseLike<R>): Promise<Awaited<R>> {
  return await fn();
}

function readOptions(given: RetryOptions | undefined) {
  const { maxAttempts, delay, backoff, maxDelay, jitter, shouldRetry, onRetry, signal } = options.object(
    'options',
    given,
  );
  if (shouldRetry !== undefined) options.callback('shouldRetry', shouldRetry);
  if (onRetry !== undefined) options.callback('onRetry', onRetry);
  const first = options.number('delay', delay, 1000, { min: 0 });
  const factor = options.number('backoff', backoff, 2, { min: 0 });
  const longest = options.number('maxDelay', maxDelay, LONGEST_TIMER, { min: 0, orInfinity: true });
  const cap = Math.min(longest, LONGEST_TIMER);
  const chance = readJitter(jitter);
  return {
    maxAttempts: options.integer('maxAttempts', maxAttempts, 3, { min: 1, orInfinity: true }),
    waitAfter: (attempt: number): number => {
      // 0 times a power that has grown to Infinity would be NaN.
      const wait = first === 0 ? 0 : Math.min(first * factor ** (attempt - 1), cap);
      return chance === 0 ? wait : wait * (1 - chance * Math.random());
    },
    shouldRetry,
    onRetry,
    signal: readSignal({ signal }),
  };
}

/** The share of a wait that is left to chance. */
function readJitter(jitter: Jitter | undefined): number {
  if (typeof jitter === 'number') return options.number('jitter', jitter, 0, { min: 0, max: 1 });
  if (typeof jitter === 'string') {
    return options.oneOf('jitter', jitter, 'full', ['full', 'equal']) === 'full' ? 1 : 0.5;
  }
  if (jitter === undefined || typeof jitter === 'boolean') return jitter === true ? 1 : 0;
  throw options.type('jitter', jitter, "true, false, 'full', 'equal' or a number from 0 to 1");
}
