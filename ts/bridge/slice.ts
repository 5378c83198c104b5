/**
 * A slice of the event loop, for what answers within the call: a loop of `await`s over such answers goes on in microtasks, and neither
 * timers nor I/O get a turn until somebody makes it wait for one.
 */
// Node's own timers and clock: a test suite that replaces the global ones must not stop what waits for the turn.
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** So long microtasks may go on before the event loop turns. */
const SLICE_MS = 8;
/** Answers between two looks at the clock, which takes as long as an answer: at first and while they are slow, and while they are quick. */
const FEWEST = 4;
const MOST = 128;
/** The number doubles where so many took less than this, in milliseconds. */
const QUICK_MS = 0.25;

/** Counts the answers of one turn of the event loop. */
export class Slice {
  #left = FEWEST;
  #quantum = FEWEST;
  #lookedAt = 0;
  /** 0 where none has begun since the event loop last turned. */
  #ends = 0;
  #isOver = false;
  readonly #begin = (): void => {
    this.#ends = 0;
    this.#isOver = false;
  };

  /** One more answer; whether it has to wait for the next turn of the event loop. */
  step(): boolean {
    if (this.#isOver) return true;
    if (--this.#left > 0) return false;
    return this.#look();
  }

  #look(): boolean {
    const now = performance.now();
    if (this.#ends === 0) {
      this.#ends = now + SLICE_MS;
      setImmediate(this.#begin);
    } else {
      this.#isOver = now >= this.#ends;
      const isQuick = now - this.#lookedAt < QUICK_MS;
      this.#quantum = isQuick ? Math.min(this.#quantum * 2, MOST) : FEWEST;
    }
    this.#lookedAt = now;
    this.#left = this.#quantum;
    return this.#isOver;
  }
}
