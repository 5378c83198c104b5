/** `ParallelEngine`: controlled concurrency in the caller's isolate. */
import { all } from './all';
import { batch } from './batch';
import { debounce } from './debounce';
import { Limiter } from './limiter';
import { raceWithTimeout } from './race-with-timeout';
import { retry } from './retry';
import { throttle } from './throttle';

/**
 * Runs functions with bounded concurrency, first in, first out: `new ParallelEngine(concurrency = 10, { maxQueue })`, then `add(fn)`.
 * The static functions do not use `this`: they may be taken off the class.
 *
 * @example
 * const engine = new ParallelEngine(4);
 * const pages = await Promise.all(urls.map((url) => engine.add(() => fetch(url))));
 */
export class ParallelEngine extends Limiter {
  static all = all;
  static batch = batch;
  static retry = retry;
  static raceWithTimeout = raceWithTimeout;
  static debounce = debounce;
  static throttle = throttle;
}
