/**
 * What the services and small processes share: checks of what is given to them, how they ask their servers, and how faults of what they run
 * are reported.
 */
import { count, ERRORS, LAST_FAULT_AT, setCounter } from './counters';
import { Faults } from './faults';
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

/**
 * What `ask` returns, as a rule the promise of a call; what it throws rejects. A service gives its caller that very promise, or what `then` makes
 * of it, and awaits none itself: by who awaits it the server knows whether one of its own handlers does.
 */
export function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return ask();
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Counts and reports faults of one process that have no caller to go to, as `Faults` does. Those that are met before its start has given the
 * reference are told then.
 */
export class FaultReporter {
  readonly #faults = new Faults();
  readonly #early: [error: Error, message: unknown][] = [];
  #ref: Ref | undefined;

  /** Makes the process known. */
  begin(ref: Ref): void {
    this.#ref = ref;
    for (const [error, message] of this.#early.splice(0)) this.#tell(ref, error, message);
  }

  /** @param message what was being handled */
  report(error: Error, message: unknown): void {
    if (this.#ref === undefined) this.#early.push([error, message]);
    else this.#tell(this.#ref, error, message);
  }

  #tell(ref: Ref, error: Error, message: unknown): void {
    const process = findProcess(ref.id);
    if (process !== undefined) {
      count(process.slot, ERRORS);
      setCounter(process.slot, LAST_FAULT_AT, Date.now());
    }
    this.#faults.report(ref, error, message);
  }
}
