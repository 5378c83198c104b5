/**
 * The primitive under `parallel`, `batch` and `TrillionProcessor.parallelMap`: an asynchronous map of bounded concurrency.
 *
 * As many lanes as may run at once take the next item each as they come free, and await it in place: no wrapper promise, no queue
 * entry and no closure per item. There is no barrier: a slow item holds up its own lane only.
 */
import { abortable } from './abort';

/** How `mapConcurrently` runs. The values are taken as they are: whoever calls has checked them. */
export interface MapConcurrentlyOptions {
  /** How many calls of `fn` may be pending at once: at least 1; `Infinity` starts all. */
  concurrency: number;
  signal?: AbortSignal | undefined;
  /** Called after each success with the number of items done. A throw counts as a rejection of that item. */
  onSettled?: ((completed: number) => void) | undefined;
}

/**
 * Calls `fn(item)`, with that one argument, for every item in order and resolves to the results in the order of the items.
 *
 * The first calls are made before this returns. The first rejection (a synchronous throw counts as one) rejects the
 * promise at once, and no further call starts; so does `signal`, with its reason. Calls that are pending then run to their end, and
 * what becomes of them is ignored. The length of `items` is read once, an item when its turn comes.
 */
export async function mapConcurrently<T, R>(
  items: ArrayLike<T>,
  fn: (item: T) => R | PromiseLike<R>,
  { concurrency, signal, onSettled }: MapConcurrentlyOptions,
): Promise<Awaited<R>[]> {
  if (signal?.aborted) throw signal.reason;
  const total = items.length;
  const results: Awaited<R>[] = [];
  let started = 0;
  let completed = 0;
  const stop = (): void => {
    started = total;
  };

  const lane = async (): Promise<void> => {
    try {
      while (started < total) {
        const index = started++;
        // The place is taken at the start, so that the array has no holes however far results run ahead of each other.
        results.push(undefined as Awaited<R>);
        results[index] = await fn(items[index] as T);
        completed++;
        onSettled?.(completed);
      }
    } catch (error) {
      stop();
      throw error;
    }
  };

  const lanes: Promise<void>[] = [];
  for (let free = Math.min(concurrency, total); free > 0; free--) {
    // The listener comes after the first calls, any of which may abort.
    if (signal?.aborted) stop();
    lanes.push(lane());
  }
  await abortable(Promise.all(lanes), signal, stop);
  return results;
}
