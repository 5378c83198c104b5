/** One timer for many times. It does not keep the process alive. */
import { clearTimeout, setTimeout } from 'node:timers';

/** The longest wait of a Node.js timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Calls back at the earliest of the times that it was given; whoever is called gives it the next one. */
export class Alarm {
  #timer: NodeJS.Timeout | undefined;
  #due = Infinity;
  readonly #ring: () => void;

  constructor(callback: () => void) {
    this.#ring = () => {
      this.#timer = undefined;
      this.#due = Infinity;
      callback();
    };
  }

  /** Both times in milliseconds; `Infinity`: never. */
  at(due: number, now: number): void {
    if (due >= this.#due) return;
    this.#due = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#ring, Math.min(Math.ceil(due - now), LONGEST_TIMER)).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
  }
}
