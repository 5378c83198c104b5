/** `ParallelEngine.batch`: work through a list in batches, one batch after the other. */
import { mapConcurrently } from './map-concurrently';
import { options, readSignal, type SignalOptions } from './options';

/**
 * Calls `processor(item, index, batch)` for all items of a batch at once, waits for the whole batch, then goes on to the next.
 *
 * The first rejection (a synchronous throw counts as one) rejects at once, and no further call starts. So it is
 * with `signal`, which rejects with its reason; if it fired before the call, nothing starts.
 *
 * @param batchSize Items per batch: a whole number of at least 1, or `Infinity`. It has no default.
 * @param processor Gets the item, its index **within the batch**, and the batch.
 * @returns a promise of the results in the order of the items.
 * @throws (as a rejection) `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export async function batch<T, R>(
  items: readonly T[],
  batchSize: number,
  processor: (item: T, index: number, batch: readonly T[]) => R | PromiseLike<R>,
  given?: SignalOptions,
): Promise<Awaited<R>[]> {
  options.array('items', items);
  if (batchSize === undefined) throw options.type('batchSize', batchSize, 'a whole number of at least 1');
  const size = options.integer('batchSize', batchSize, 1, { min: 1, orInfinity: true });
  options.callback('processor', processor);
  const signal = readSignal(given);
  if (signal?.aborted) throw signal.reason;

  const results: Awaited<R>[] = [];
  for (let start = 0; start < items.length; start += size) {
    const part = items.slice(start, start + size);
    let index = 0;
    const done = await mapConcurrently(part, (item) => processor(item, index++, part), {
      concurrency: part.length,
      signal,
    });
    for (const result of done) results.push(result);
  }
  return results;
}
