/**
 * The primitive under `ParallelStream` and `ChunkedProcessor`: map a source of any length, with results in the order of the source.
 *
 * It is a sliding window, not a series of batches: whenever one call ends the next item is read, however long an earlier one takes. Two
 * numbers bound it: `concurrency` calls are pending at most, and `highWaterMark` items are held at most, pending or
 * finished and waiting for their turn. So a slow item, and a slow consumer, stop the reading and never pile up results.
 */
import { onAbort } from './abort';
import { LinkedQueue } from './linked-queue';

/** What a `ParallelStream` or `ChunkedProcessor` reads. An item that is a promise is waited for. */
export type Source<T> = Iterable<T | PromiseLike<T>> | AsyncIterable<T>;

/** The iterator of a source: its `next()` may answer at once or later, from step to step. */
export interface Reader<T> {
  next(): IteratorResult<T, unknown> | PromiseLike<IteratorResult<T, unknown>>;
  return?(): unknown;
}

/** Whatever gives a `Reader`: every `Source` does. */
type Readable<T> = { [Symbol.iterator](): Reader<T> } | { [Symbol.asyncIterator](): Reader<T> };

type Mapper<T, R> = (item: T) => R | typeof DROPPED | PromiseLike<R | typeof DROPPED>;

/** How the window runs. The values are taken as they are: whoever calls has checked them. */
export interface WindowOptions {
  concurrency: number;
  highWaterMark: number;
  signal: AbortSignal | undefined;
}

/** The answer of a call whose item has no result. */
export const DROPPED = Symbol('dropped');

/** One item between its reading and the handing over of its result. */
interface Slot {
  settled: boolean;
  failed: boolean;
  /** The result, `DROPPED`, or the error of a slot that failed. */
  outcome: unknown;
}

/**
 * Yields the results of `fn` in the order of `source`. Nothing is read before the first result is asked for.
 *
 * An error of `fn` or of the source ends the stream in its turn, after the results before it; nothing new starts from the moment it
 * happens. `signal` ends it at once with its reason. However it ends, the source is closed (`return()`), unless it ended itself.
 * `fn` runs in the asynchronous context in which the first result was asked for.
 */
export function mapInOrder<T, R>(
  source: Readable<T | PromiseLike<T>>,
  fn: Mapper<T, R>,
  options: WindowOptions,
): AsyncGenerator<Awaited<R>, void, undefined> {
  return new OrderedWindow(source, fn, options).results();
}

class OrderedWindow<T, R> {
  /** In the order of the source, from the oldest item whose result was not handed over. */
  readonly #slots = new LinkedQueue<Slot>();
  /** Opened when the reader may go on. */
  readonly #room = new Gate();
  /** Opened when the consumer may go on. */
  readonly #ready = new Gate();
  #running = 0;
  /** The source is in the middle of a read. */
  #reading = false;
  /** The source has ended, or failed. */
  #exhausted = false;
  /** Nothing new starts: an error, the signal, or the consumer has left. */
  #stopped = false;

  constructor(
    private readonly source: Readable<T | PromiseLike<T>>,
    private readonly fn: Mapper<T, R>,
    private readonly options: WindowOptions,
  ) {}

  async *results(): AsyncGenerator<Awaited<R>, void, undefined> {
    const { signal } = this.options;
    if (signal?.aborted) throw signal.reason;
    const reader = open(this.source);
    const release = onAbort(signal, () => {
      this.#stopped = true;
      this.#ready.open();
    });
    try {
      void this.#read(reader);
      for (;;) {
        if (signal?.aborted) throw signal.reason;
        const slot = this.#slots.first;
        if (slot?.settled) {
          this.#slots.shift();
          this.#room.open();
          if (slot.failed) throw slot.outcome;
          if (slot.outcome !== DROPPED) yield slot.outcome as Awaited<R>;
        } else if (slot === undefined && this.#exhausted) {
          return;
        } else {
          await this.#ready.wait();
        }
      }
    } finally {
      this.#stopped = true;
      this.#room.open();
      release();
      if (!this.#exhausted) await close(reader, this.#reading);
    }
  }

  /** One loop from beginning to end: so all calls of `fn` start in the context of the first. */
  async #read(reader: Reader<T | PromiseLike<T>>): Promise<void> {
    try {
      for (;;) {
        while (!this.#stopped && this.#full()) await this.#room.wait();
        if (this.#stopped) return;
        this.#reading = true;
        const step = reader.next();
        const { done, value } = isThenable(step) ? await step : step;
        this.#reading = false;
        if (done) break;
        if (!this.#stopped) void this.#run(this.#enter(), value);
      }
    } catch (error) {
      this.#settle(this.#enter(), error, true);
    }
    this.#reading = false;
    this.#exhausted = true;
    this.#ready.open();
  }

  async #run(slot: Slot, item: T | PromiseLike<T>): Promise<void> {
    this.#running++;
    const { fn } = this;
    try {
      this.#settle(slot, await fn(isThenable(item) ? await item : item), false);
    } catch (error) {
      this.#settle(slot, error, true);
    }
    this.#running--;
    this.#room.open();
  }

  #full(): boolean {
    return this.#running >= this.options.concurrency || this.#slots.length >= this.options.highWaterMark;
  }

  #enter(): Slot {
    return this.#slots.push({ settled: false, failed: false, outcome: undefined }).value;
  }

  #settle(slot: Slot, outcome: unknown, failed: boolean): void {
    slot.settled = true;
    slot.failed = failed;
    slot.outcome = outcome;
    if (failed) this.#stopped = true;
    if (this.#slots.first === slot) this.#ready.open();
  }
}

/** Lets one waiter through each time it is opened. */
class Gate {
  #pass: (() => void) | undefined;

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#pass = resolve;
    });
  }

  open(): void {
    this.#pass?.();
    this.#pass = undefined;
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function';
}

function open<T>(source: Readable<T>): Reader<T> {
  const { [Symbol.asyncIterator]: openAsync } = source as Partial<AsyncIterable<T>>;
  return openAsync?.call(source) ?? (source as Iterable<T>)[Symbol.iterator]();
}

/**
 * Lets the source release what it holds. One that is in the middle of a read answers only after it, so nobody waits for it. Its errors have
 * no one to go to: the stream has ended.
 */
async function close(reader: Reader<unknown>, reading: boolean): Promise<void> {
  try {
    const closing = Promise.resolve(reader.return?.());
    if (reading) closing.catch(() => undefined);
    else await closing;
  } catch {
    // See above.
  }
}
