/**
 * A sample of the indexed files, spread evenly over the run, in bounded memory: when the store is full every other
 * file is dropped, and from then on only every second, fourth, ... file is kept.
 */

/** A file of a sample. */
export interface SampleFile {
  /** The path to open. */
  absolute: string;
  /** Bytes. */
  size: number;
}

/** Bounds of a sample: bytes, and seconds for the whole measurement. */
const BUDGET = { bytes: 64_000_000, seconds: 3 };
/** Turns of one thread and of all threads, the warm-up among them. */
const TURNS = 3;
const CAPACITY = 4096;
/** A file of more than this part of the budget would decide the measurement alone. */
const LARGEST_PART = 1 / 4;

/**
 * How many bytes to take so that the measurement stays within bounds.
 *
 * @param bytesPerSecond - What all `threads` did in the pass.
 */
export function sampleBudget(bytesPerSecond: number, threads: number): number {
  return Math.min(BUDGET.bytes, (BUDGET.seconds * bytesPerSecond) / (TURNS * (threads + 1)));
}

/** Collects a sample. */
export class Sampler {
  #files: SampleFile[] = [];
  #stride = 1;
  #seen = 0;

  /** Offers a file. */
  add(absolute: string, size: number): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#files.push({ absolute, size });
    if (this.#files.length === CAPACITY) {
      this.#files = this.#files.filter((_, index) => index % 2 === 0);
      this.#stride *= 2;
    }
  }

  /** Files of at most `budget` bytes in all, evenly taken from what was kept. */
  take(budget: number): SampleFile[] {
    const files = this.#files.filter(({ size }) => size <= budget * LARGEST_PART);
    const all = files.reduce((sum, { size }) => sum + size, 0);
    const share = Math.min(1, budget / Math.max(1, all));
    let left = budget;
    let due = 0;
    return files.filter(({ size }) => {
      due += share;
      if (due < 1 || size > left) return false;
      due -= 1;
      left -= size;
      return true;
    });
  }
}
