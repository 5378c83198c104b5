/** `ParallelStream`: map and filter a source of any length with bounded concurrency. */
import { options, readSignal, type SignalOptions } from './options';
import { DROPPED, mapInOrder, type Source } from './ordered-window';

/** How a `ParallelStream` runs. */
export interface ParallelStreamOptions extends SignalOptions {
  /** How many items are worked on at once: a whole number of at least 1. Default 10. */
  concurrency?: number | undefined;
  /**
   * How many items are held at once, in work or finished and waiting for their turn: a whole number of at least 1. Default 4 times
   * `concurrency`: room enough for the others to go on while one item is slow.
   */
  highWaterMark?: number | undefined;
}

interface Step {
  readonly filters: boolean;
  readonly fn: (item: unknown) => unknown;
}

/**
 * A lazy chain of `map` and `filter` over an iterable or async iterable. Nothing is read before the results are asked for, by
 * `for await`, `collect()` or `forEach()`; they come in the order of the source, and `undefined` is a result like any other.
 *
 * Each item goes through the whole chain on its own: no step waits for the other items. An error of a step or of the source ends the
 * stream in its turn, after the results before it, and nothing new starts once it has happened. Leaving the loop
 * early, an error, or `signal` closes the source.
 *
 * @example
 * const sizes = await new ParallelStream(paths, { concurrency: 8 }).map((path) => stat(path)).map(({ size }) => size).collect();
 */
export class ParallelStream<T> implements AsyncIterable<T> {
  readonly #source: Source<unknown>;
  readonly #concurrency: number;
  readonly #highWaterMark: number;
  readonly #signal: AbortSignal | undefined;
  readonly #steps: Step[] = [];

  /** @throws `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE` */
  constructor(source: Source<T>, given?: ParallelStreamOptions) {
    options.iterable('source', source);
    this.#source = source;
    const { concurrency, highWaterMark } = options.object('options', given);
    this.#concurrency = options.integer('concurrency', concurrency, 10, { min: 1 });
    this.#highWaterMark = options.integer('highWaterMark', highWaterMark, 4 * this.#concurrency, { min: 1 });
    this.#signal = readSignal(given);
  }

  /** Adds a step that replaces each item by `fn(item)`, or what its promise resolves to. Returns this stream. */
  map<U>(fn: (item: T) => U | PromiseLike<U>): ParallelStream<Awaited<U>> {
    return this.#add(fn, false) as ParallelStream<unknown> as ParallelStream<Awaited<U>>;
  }

  /** Adds a step that keeps the items for which `fn(item)`, or its promise, gives something truthy. Returns this stream. */
  filter<S extends T>(fn: (item: T) => item is S): ParallelStream<S>;
  filter(fn: (item: T) => unknown): ParallelStream<T>;
  filter(fn: (item: T) => unknown): ParallelStream<T> {
    return this.#add(fn, true);
  }

  /** The results as an async generator. */
  process(): AsyncGenerator<T, void, undefined> {
    return mapInOrder(this.#source, compose<T>([...this.#steps]), {
      concurrency: this.#concurrency,
      highWaterMark: this.#highWaterMark,
      signal: this.#signal,
    });
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.process();
  }

  /** All results in an array. */
  async collect(): Promise<T[]> {
    const results: T[] = [];
    for await (const result of this.process()) results.push(result);
    return results;
  }

  /** Calls `fn(result)` for each result in order, one after the other, and waits for each. */
  async forEach(fn: (result: T) => unknown): Promise<void> {
    options.callback('fn', fn);
    for await (const result of this.process()) await fn(result);
  }

  #add(fn: (item: T) => unknown, filters: boolean): this {
    options.callback('fn', fn);
    this.#steps.push({ fn: fn as (item: unknown) => unknown, filters });
    return this;
  }
}

/** One function of all steps. A single `map`, the usual case, is its own: a chain around it would cost a third of the speed. */
function compose<T>(steps: readonly Step[]): (item: unknown) => T | Promise<T | typeof DROPPED> {
  const [first] = steps;
  if (first !== undefined && steps.length === 1 && !first.filters) return first.fn as (item: unknown) => T;
  return async (item) => {
    let value = item;
    for (const { fn, filters } of steps) {
      const answer = await fn(value);
      if (!filters) value = answer;
      else if (!answer) return DROPPED;
    }
    return value as T;
  };
}
