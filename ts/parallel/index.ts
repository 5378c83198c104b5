/**
 * `parallel`: controlled concurrency in the caller's isolate, in pure TypeScript; nothing native is loaded.
 *
 * - `ParallelEngine`: a first-in-first-out gate, and as static functions everything below it.
 * - `parallel`, `batch`: lists of tasks and items. `retry`, `timeout`: one unreliable call. `throttle`, `debounce`: wrapped functions.
 * - `ParallelStream`, `ChunkedProcessor`: sources of any length with bounded memory.
 *
 * It interleaves waiting, it does not use more cores: for work that keeps a processor busy see `TrillionProcessor`.
 */
export { ParallelEngine } from './engine';
export { ParallelStream, type ParallelStreamOptions } from './stream';
export { ChunkedProcessor, type ChunkedProcessorOptions } from './chunked-processor';
export { all as parallel, type AllOptions, type Task, type TaskResults } from './all';
export { batch } from './batch';
export { retry, type Jitter, type RetryOptions } from './retry';
export { throttle } from './throttle';
export { debounce } from './debounce';
export { raceWithTimeout as timeout, type Contender } from './race-with-timeout';
export type { QueueOptions, SignalOptions } from './options';
export type { Source } from './ordered-window';
