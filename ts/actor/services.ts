/** What the services and small processes share: checks of what is given to them, and how faults of what they run are reported. */
import { count, ERRORS, LAST_FAULT_AT, setCounter } from './counters';
import { reportFault, serverEvents } from './lifecycle';
import { findProcess } from './processes';
import { options as read } from './settings';
import type { Ref } from './types';

/** @throws TypeError `ERR_ACTOR_INVALID_TYPE`: `value` is no string; an empty one is */
export function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw read.type(name, value, 'a string');
}

/** An option without a default, to be read: `undefined` is as wrong as `null`. */
export function required<T>(value: T | undefined): T {
  return value ?? (null as T);
}

/** The start options of a process that has but a name. */
export function named(name: string | undefined): { name?: string } {
  return name === undefined ? {} : { name };
}

/** What `promise` settles to, or after `ms` milliseconds what `late` returns or throws. `setTimeout` is looked up with each call. */
export function within<T, L>(promise: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  if (ms === Infinity) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    }, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Reports faults of one process that have no caller to go to: as its lifecycle events `error`, or, the first one, as a warning where nobody
 * listens.
 */
export class FaultReporter {
  #warned = false;

  report(ref: Ref, error: Error, message: unknown): void {
    const process = findProcess(ref.id);
    if (process !== undefined) {
      count(process.slot, ERRORS);
      setCounter(process.slot, LAST_FAULT_AT, Date.now());
    }
    const heard = serverEvents.listened;
    reportFault(ref, error, message, !this.#warned);
    this.#warned ||= !heard;
  }
}
