/** The timeouts of one state machine, each of its kind and name at most once. `setTimeout` is looked up when a timeout is set. */
import type { StateMachineAction, TimeoutEvent } from './state-machine-types';

/** An action that sets a timeout. */
export type TimeoutAction = Extract<StateMachineAction, { readonly time: number }>;

/** A timeout that has been set. */
export interface Timeout {
  readonly key: string;
  /** What it sends. */
  readonly event: TimeoutEvent;
}

interface SetTimeout extends Timeout {
  timer: NodeJS.Timeout | undefined;
}

/** Timeouts by kind and name. */
export class Timeouts {
  readonly #fire: (timeout: Timeout) => void;
  readonly #set = new Map<string, SetTimeout>();
  #closed = false;

  /** @param fire called when the time of a timeout is over; it counts as set until `take` */
  constructor(fire: (timeout: Timeout) => void) {
    this.#fire = fire;
  }

  /** Sets a timeout in place of the one of the same kind and name; a time of `Infinity` only cancels that. Does nothing after `close`. */
  set(action: TimeoutAction): void {
    const { time } = action;
    const name = action.type === 'generic_timeout' ? action.name : undefined;
    const key = keyOf(action.type, name);
    this.cancel(key);
    if (time === Infinity || this.#closed) return;
    const timeout: SetTimeout = {
      key,
      event: { type: 'timeout', timeoutType: action.type, name, event: action.event },
      timer: undefined,
    };
    timeout.timer = setTimeout(() => this.#fire(timeout), time);
    this.#set.set(key, timeout);
  }

  /** Cancels the timeout of a kind and name, if there is one. */
  cancel(key: string): void {
    const timeout = this.#set.get(key);
    if (timeout === undefined) return;
    clearTimeout(timeout.timer);
    this.#set.delete(key);
  }

  /** Whether a timeout that fired still counts: it has not been cancelled or replaced since. It does not any more after this. */
  take(timeout: Timeout): boolean {
    return this.#set.get(timeout.key) === timeout && this.#set.delete(timeout.key);
  }

  /** Cancels all, for good. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#set.values()) clearTimeout(timer);
    this.#set.clear();
  }
}

function keyOf(type: TimeoutAction['type'], name: string | undefined): string {
  return name === undefined ? type : `${type} ${name}`;
}
