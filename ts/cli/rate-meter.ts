/**
 * How fast the work goes and how long it will take, from snapshots of it.
 *
 * Work is counted in bytes, with a fixed number of bytes added for each file: opening ten thousand empty files takes
 * time too. The speed is an exponentially weighted mean over the last seconds, weighted so that it is exact from the
 * first snapshot on.
 */
import { type Snapshot } from './progress';

/** What a file costs besides its bytes, in bytes. */
const BYTES_PER_FILE = 8192;
/** Time constant of the mean, in milliseconds. */
const TIME_CONSTANT = 3000;

/** Speed and outlook. */
export interface Rates {
  bytesPerSecond: number;
  /** Done of all, 0 to 1; absent until all is counted. */
  share?: number;
  /** Seconds left; absent until all is counted and something is done. */
  eta?: number;
}

/** Turns snapshots into {@link Rates}. */
export class RateMeter {
  #time: number;
  #bytes = 0;
  #work = 0;
  #weight = 0;
  #bytesMean = 0;
  #workMean = 0;

  /** `now` is a clock in milliseconds. */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#time = now();
  }

  /** Takes a snapshot into account and gives the rates as of now. */
  measure(snapshot: Snapshot): Rates {
    const time = this.now();
    const work = snapshot.bytes + snapshot.files * BYTES_PER_FILE;
    const elapsed = time - this.#time;
    if (elapsed > 0) {
      const keep = Math.exp(-elapsed / TIME_CONSTANT);
      this.#weight = this.#weight * keep + (1 - keep);
      this.#bytesMean =
        this.#bytesMean * keep + ((snapshot.bytes - this.#bytes) / elapsed) * 1000 * (1 - keep);
      this.#workMean = this.#workMean * keep + ((work - this.#work) / elapsed) * 1000 * (1 - keep);
      this.#time = time;
      this.#bytes = snapshot.bytes;
      this.#work = work;
    }
    const rates: Rates = { bytesPerSecond: this.#weight === 0 ? 0 : this.#bytesMean / this.#weight };
    if (snapshot.total === undefined) return rates;
    const all = snapshot.total.bytes + snapshot.total.files * BYTES_PER_FILE;
    // The tree may have grown since it was counted.
    rates.share = all === 0 ? 1 : Math.min(1, work / all);
    if (this.#workMean > 0) rates.eta = Math.max(0, all - work) / (this.#workMean / this.#weight);
    return rates;
  }
}
