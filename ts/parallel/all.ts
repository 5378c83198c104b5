/** `ParallelEngine.all`, exported as `parallel`: run a list of functions with bounded concurrency. */
import { mapConcurrently } from './map-concurrently';
import { options, readConcurrency, readSignal, type SignalOptions } from './options';

/** A function without arguments whose result, or promise of a result, is waited for. */
export type Task<R = unknown> = () => R | PromiseLike<R>;

/** The results of a list of tasks: a tuple for a tuple, an array for an array. */
export type TaskResults<T extends readonly Task[]> = {
  -readonly [K in keyof T]: Awaited<ReturnType<T[K]>>;
};

/** How `all` runs. */
export interface AllOptions extends SignalOptions {
  /** How many tasks may run at once: a whole number of at least 1, or `Infinity`. Default 10. */
  concurrency?: number | undefined;
}

/**
 * Calls every task, at most `concurrency` at once, and resolves to their results in the order of the tasks.
 *
 * The first rejection (a synchronous throw counts as one) rejects at once and no further task starts; those that run are not waited
 * for. So it is with `signal`, which rejects with its reason; if it fired before the call, nothing starts.
 *
 * @param concurrency The number, default 10, or an object with it and a `signal`.
 * @throws (as a rejection) `ERR_PARALLEL_INVALID_TYPE`, `ERR_PARALLEL_OUT_OF_RANGE`
 */
export async function all<const T extends readonly Task[]>(
  tasks: T,
  concurrency?: number | AllOptions,
): Promise<TaskResults<T>> {
  options.array('tasks', tasks);
  const wrong = tasks.findIndex((task) => typeof task !== 'function');
  if (wrong !== -1) throw options.type(`tasks[${wrong}]`, tasks[wrong], 'a function');
  const given = typeof concurrency === 'object' ? options.object('options', concurrency) : { concurrency };
  const results = await mapConcurrently<Task, unknown>(tasks, (task) => task(), {
    concurrency: readConcurrency('concurrency', given.concurrency, 10),
    signal: readSignal(given),
  });
  return results as TaskResults<T>;
}
