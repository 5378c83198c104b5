/**
 * A slice of the event loop, for what answers within the call: a loop of `await`s over such answers goes on in microtasks, and neither
 * timers nor I/O get a turn until somebody makes it wait for one.
 */
// Node's own timers and clock: a test suite that replaces the global ones must not stop what waits for the turn.
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** So long microtasks may go on before the event loop turns. */
const SLICE_MS = 8;
/** Looking at the clock costs a tenth of a quick answer: it is looked at once in so many. */
const STEPS = 16;

/** Counts the answers of one turn of the event loop. */
export class Slice {
  #steps = 0;
  /** 0 where none has begun since the event loop last turned. */
  #ends = 0;
  #isOver = false;
  readonly #begin = (): void => {
    this.#ends = 0;
    this.#isOver = false;
  };

  /** One more answer; whether it has to wait for the next turn of the event loop. */
  step(): boolean {
    if (!this.#isOver && ++this.#steps >= STEPS) {
      this.#steps = 0;
      const now = performance.now();
      if (this.#ends === 0) {
        this.#ends = now + SLICE_MS;
        setImmediate(this.#begin);
      } else {
        this.#isOver = now >= this.#ends;
      }
    }
    return this.#isOver;
  }
}
