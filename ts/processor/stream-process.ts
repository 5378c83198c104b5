/** Items of an iterable, processed as they come and handed out in order, with bounded memory. */
import { mapInOrder, type Source } from '../parallel/ordered-window';
import { read } from './options';
import type { LocalCounts } from './stats';

/** Options of `streamProcess`. */
export interface StreamOptions {
  /** How many items are worked on at once. Default: 1. */
  concurrency?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The results of `fn` for the items of `source`, in order; `counts` tells of what is done. */
export function streamProcess<T, R>(
  source: Source<T>,
  fn: (item: T) => R | PromiseLike<R>,
  given: StreamOptions | undefined,
  counts: LocalCounts,
): AsyncGenerator<Awaited<R>, void, undefined> {
  read.iterable('source', source);
  read.callback('fn', fn);
  const options = read.object('options', given);
  const concurrency = read.integer('concurrency', options.concurrency, 1, { min: 1 });
  const signal = read.signal('signal', options.signal);
  const counted = async (item: T): Promise<Awaited<R>> => {
    try {
      const result = await fn(item);
      counts.processed++;
      return result;
    } catch (error) {
      counts.failed++;
      throw error;
    }
  };
  return mapInOrder(source, counted, { concurrency, highWaterMark: 2 * concurrency, signal });
}
