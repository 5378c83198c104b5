/**
 * Code that may meet promises on its way, written once: a generator that yields whatever may be a promise and is sent its value. Where none
 * is, it runs to its end without a promise.
 */
import { isThenable } from './thenable';

/** Yields values and promises; is sent the values. */
export type Steps<T> = Generator<unknown, T, unknown>;

/** Runs steps to their end: at once, as far as no promise is met. */
export function walk<T>(steps: Steps<T>): T | Promise<T> {
  let step = steps.next();
  while (!step.done) {
    if (isThenable(step.value)) return walkOn(steps, step.value);
    step = steps.next(step.value);
  }
  return step.value;
}

async function walkOn<T>(steps: Steps<T>, met: PromiseLike<unknown>): Promise<T> {
  let pending: unknown = met;
  for (;;) {
    let value: unknown;
    let failed = false;
    try {
      value = await pending;
    } catch (error) {
      value = error;
      failed = true;
    }
    const step = failed ? steps.throw(value) : steps.next(value);
    if (step.done) return step.value;
    pending = step.value;
  }
}
