/** What handlers return, checked and taken as promises: none of it may make the server throw, whatever a handler gives. */
import { options } from './settings';
import { isThenable } from './thenable';

/** A reply without a state is no result: it would put `undefined` in place of the state. */
export function checkResult(result: unknown): readonly unknown[] {
  if (Array.isArray(result) && result.length >= 2) return result;
  throw options.type('the result of handleCall', result, '[reply, state] or a promise of it');
}

/** A promise of what `value` is or settles to, whose `then` does not throw; where one of `value` does, it rejects with that. */
export function promiseOf(value: unknown): Promise<unknown> {
  try {
    // A promise is given back as it is, with whatever `then` somebody has put on it.
    const promise = Promise.resolve(value);
    return promise.then === Promise.prototype.then ? promise : new Promise((resolve) => resolve(value));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** A reply that is a promise, or whose `then` throws when it is asked for; `undefined` for any other. */
export function promiseIn(reply: unknown): Promise<unknown> | undefined {
  try {
    return isThenable(reply) ? promiseOf(reply) : undefined;
  } catch (error) {
    return Promise.reject(error);
  }
}
