/** `runParallel`: one `parallelMap` with a processor of its own. */
import { TrillionProcessor } from './trillion-processor';
import type { MapOptions, ProcessorOptions } from './types';

/**
 * Makes a processor, maps `items` with it and shuts it down, whether that succeeds or not.
 * @param options those of the processor and of `parallelMap`, together
 */
export async function runParallel<T, R>(
  items: readonly T[],
  fn: ((item: T) => R | PromiseLike<R>) | string | URL,
  options: ProcessorOptions & MapOptions = {},
): Promise<Awaited<R>[]> {
  const processor = new TrillionProcessor(options);
  try {
    return await processor.parallelMap(items, fn, options);
  } finally {
    await processor.shutdown({ force: true });
  }
}
