/**
 * Restart intensity: how many restarts a supervisor allows within a sliding window, and how many in one turn of the event loop.
 */
import { setImmediate } from 'node:timers';

/** Restarts in one turn of the loop. What crashes on and on must not keep timers and I/O from running, whatever its supervisor allows. */
const PER_TURN = 100;

// Taken once, at the load: a test that replaces timers must not stop the supervisors.
const immediate = setImmediate;

/** The restarts of one supervisor. */
export class Intensity {
  readonly maxRestarts: number;
  readonly withinMs: number;
  /** When the last ones began, oldest first; never more than `maxRestarts`. */
  readonly #stamps: number[] = [];
  #thisTurn = 0;
  /** Restarts that wait for a turn of theirs, in order. */
  #waiting: (() => void)[] = [];

  constructor(maxRestarts: number, withinMs: number) {
    this.maxRestarts = maxRestarts;
    this.withinMs = withinMs;
  }

  /** Counts one restart that is about to begin; false, and nothing is counted, where it is one too many. */
  allows(): boolean {
    if (this.maxRestarts === Infinity) return true;
    const now = Date.now();
    const stamps = this.#stamps;
    const fresh = stamps.findIndex((stamp) => stamp >= now - this.withinMs);
    stamps.splice(0, fresh === -1 ? stamps.length : fresh);
    if (stamps.length >= this.maxRestarts) return false;
    stamps.push(now);
    return true;
  }

  /** What a restart must wait for first, where this turn of the loop has seen enough of them. */
  pace(): Promise<void> | undefined {
    if (this.#thisTurn >= PER_TURN) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#count();
    return undefined;
  }

  #count(): void {
    this.#thisTurn += 1;
    if (this.#thisTurn === 1) immediate(() => this.#beginTurn());
  }

  #beginTurn(): void {
    this.#thisTurn = 0;
    for (const goOn of this.#waiting.splice(0, PER_TURN)) {
      this.#count();
      goOn();
    }
  }
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve);
  });
}
