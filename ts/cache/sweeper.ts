/**
 * One timer that wakes a store when the next of its entries is due. It keeps neither the process alive nor the store: a store that
 * nobody refers to is collected, and its timer finds nobody.
 */
import { clearTimeout, setTimeout } from 'node:timers';

/** Sweeps are at least this many milliseconds apart, so that entries which expire one by one leave in groups. */
const SHORTEST_WAIT = 20;
/** What a timer of Node can hold. */
const LONGEST_WAIT = 2 ** 31 - 1;

/** What is to be swept. */
export interface Swept {
  /** Takes out what is due. */
  sweep(): void;
}

/** The timer of one store. */
export class Sweeper {
  readonly #store: WeakRef<Swept>;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #at = Infinity;

  constructor(store: Swept) {
    this.#store = new WeakRef(store);
  }

  /** Sees to it that the store is swept at `time`, or before, or soon after. */
  wakeAt(time: number, now: number): void {
    if (time >= this.#at) return;
    this.stop();
    this.#at = time;
    const wait = Math.min(Math.max(time - now, SHORTEST_WAIT), LONGEST_WAIT);
    this.#timer = setTimeout(wake, wait, this.#store).unref();
  }

  /** Stops the timer; called by the store when it has been woken, too. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = Infinity;
  }
}

function wake(store: WeakRef<Swept>): void {
  store.deref()?.sweep();
}
