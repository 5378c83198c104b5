/** The option checks that the parts of `parallel` share. */
import { OptionReader } from '../options';

/** Reads options under the codes `ERR_PARALLEL_INVALID_TYPE` and `ERR_PARALLEL_OUT_OF_RANGE`. */
export const options = new OptionReader('PARALLEL');

/** The longest wait of a Node.js timer in milliseconds (24.8 days); a longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** How many calls may wait for their turn where nothing else is said. */
export const DEFAULT_MAX_QUEUE = 1_000_000;

/** What every call takes that can be called off. */
export interface SignalOptions {
  /** Calls the work off: the promise rejects with `signal.reason`, and nothing new starts. */
  signal?: AbortSignal | undefined;
}

/** What bounds the calls that wait. */
export interface QueueOptions {
  /** How many calls may wait; one more rejects with `ERR_PARALLEL_QUEUE_FULL`. Default 1,000,000. */
  maxQueue?: number | undefined;
}

/** The `signal` of an options object that may be absent. */
export function readSignal(given: SignalOptions | undefined): AbortSignal | undefined {
  return options.signal('signal', options.object('options', given).signal);
}

/** How many may run at once: a whole number of at least 1, or `Infinity`. */
export function readConcurrency(name: string, value: unknown, fallback: number): number {
  return options.integer(name, value, fallback, { min: 1, orInfinity: true });
}

/** The `maxQueue` of an options object: a whole number of at least 0. */
export function readMaxQueue(given: Partial<QueueOptions>): number {
  return options.integer('maxQueue', given.maxQueue, DEFAULT_MAX_QUEUE, { min: 0 });
}

/** A time in milliseconds that a timer can hold. It has no default: `undefined` is of the wrong kind. */
export function readMilliseconds(name: string, value: unknown, { orInfinity = false } = {}): number {
  const bounds = { min: 0, max: LONGEST_TIMER, orInfinity };
  if (value === undefined) throw options.type(name, value, 'a number of milliseconds');
  return options.number(name, value, 0, bounds);
}
