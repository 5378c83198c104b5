/** The figures of a processor, read from memory that the engine writes; its `processor/words.rs` numbers them. */
import type { Native } from '../bridge/native';

const WORDS = 8;
const PROCESSED = 0;
const FAILED = 1;
const QUEUED = 2;
const RUNNING = 3;
const WORKERS = 4;
const HOSTS = 5;
const RETRIED = 6;
const RERUN = 7;

/** What the engine counts. */
export class Figures {
  readonly #words: Float64Array;
  #refresh: (() => void) | undefined;

  constructor(native: typeof Native, handle: number) {
    const memory = native.processorWords(handle);
    // Where V8 refuses foreign memory the figures are fetched instead of seen.
    this.#words = memory === undefined ? new Float64Array(WORDS) : new Float64Array(memory);
    if (memory === undefined) this.#refresh = () => native.processorFigures(handle, this.#words);
  }

  get processed(): number {
    return this.#word(PROCESSED);
  }
  get failed(): number {
    return this.#word(FAILED);
  }
  /** Tasks that wait in the engine. */
  get queued(): number {
    return this.#word(QUEUED);
  }
  /** Chunks that run. */
  get running(): number {
    return this.#word(RUNNING);
  }
  /** Native threads. */
  get workers(): number {
    return this.#word(WORKERS);
  }
  /** Worker isolates. */
  get hosts(): number {
    return this.#word(HOSTS);
  }
  get retried(): number {
    return this.#word(RETRIED);
  }
  get rerun(): number {
    return this.#word(RERUN);
  }

  /** The processor is about to be closed, and cannot be asked any more. */
  keep(): void {
    this.#refresh?.();
    this.#refresh = undefined;
  }

  #word(index: number): number {
    this.#refresh?.();
    return this.#words[index]!;
  }
}
