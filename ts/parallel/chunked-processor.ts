/** `ChunkedProcessor`: work through large files and sources with bounded memory. */
import type { PathLike } from 'node:fs';
import { linesOf } from './lines';
import { options, readSignal, type SignalOptions } from './options';
import { mapInOrder, type Source, type WindowOptions } from './ordered-window';

/** How a `ChunkedProcessor` runs. */
export interface ChunkedProcessorOptions {
  /**
   * How many items are held at once, in work or finished and waiting for their turn: a whole number of at least 1.
   * Default 10,000.
   */
  chunkSize?: number | undefined;
  /** How many calls run at once: a whole number of at least 1. Default 4. */
  concurrency?: number | undefined;
}

/**
 * Calls a function for each line of a file or item of a source, `concurrency` at once, results in order. The chunk is a sliding window: the next
 * item is read as soon as a call ends, and never more than `chunkSize` are held.
 */
export class ChunkedProcessor {
  readonly chunkSize: number;
  readonly concurrency: number;

  /** @throws `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE` */
  constructor(given?: ChunkedProcessorOptions) {
    const { chunkSize, concurrency } = options.object('options', given);
    this.chunkSize = options.integer('chunkSize', chunkSize, 10_000, { min: 1 });
    this.concurrency = options.integer('concurrency', concurrency, 4, { min: 1 });
  }

  /**
   * Calls `lineFn(line)` for each line of a UTF-8 file, ended by `\n` or `\r\n`, and resolves to all results in the order of the lines.
   * The first error ends it: of `lineFn`, of reading (those of `node:fs`), or the reason of `signal`.
   */
  async processFile<R>(
    path: PathLike,
    lineFn: (line: string) => R | PromiseLike<R>,
    given?: SignalOptions,
  ): Promise<Awaited<R>[]> {
    options.callback('lineFn', lineFn);
    const results: Awaited<R>[] = [];
    for await (const result of mapInOrder(linesOf(path), lineFn, this.#window(given))) results.push(result);
    return results;
  }

  /**
   * Calls `fn(item)` for each item of an iterable or async iterable and yields the results in its order. An error ends the stream in its
   * turn, after the results before it; nothing new starts once it has happened.
   *
   * @throws `ERR_PARALLEL_INVALID_TYPE`
   */
  streamProcess<T, R>(
    iterable: Source<T>,
    fn: (item: T) => R | PromiseLike<R>,
    given?: SignalOptions,
  ): AsyncGenerator<Awaited<R>, void, undefined> {
    options.callback('fn', fn);
    options.iterable('iterable', iterable);
    return mapInOrder(iterable, fn, this.#window(given));
  }

  #window(given: SignalOptions | undefined): WindowOptions {
    return { concurrency: this.concurrency, highWaterMark: this.chunkSize, signal: readSignal(given) };
  }
}
