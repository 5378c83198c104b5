/** Runs many functions as tasks, some at the same time. */
import { toError } from './errors';
import { milliseconds, options as read } from './settings';
import type { AsyncStreamSettledOptions, StreamResult, TaskFunction, TaskRef } from './task-types';

/** How a stream handles one task. */
export interface TaskRunner<T> {
  start(fn: TaskFunction<T>): Promise<TaskRef<T>>;
  wait(ref: TaskRef<T>, timeout: number): Promise<T>;
  /** Ends a task, if it has not finished. */
  shutDown(ref: TaskRef<T>): Promise<void>;
}

/**
 * How each function has ended.
 * @param failFast the first failure ends all tasks and rejects
 */
export async function runAll<T>(
  runner: TaskRunner<T>,
  fns: readonly TaskFunction<T>[],
  options: AsyncStreamSettledOptions | undefined,
  failFast: boolean,
): Promise<StreamResult<T>[]> {
  const given = read.object('options', options);
  read.array('fns', fns);
  for (const [index, fn] of fns.entries()) read.callback(`fns[${index}]`, fn);
  const concurrency = read.integer('concurrency', given.concurrency, Infinity, { min: 1, orInfinity: true });
  const timeout = milliseconds('timeout', given.timeout, Infinity);
  const ordered = read.boolean('ordered', given.ordered, true);

  const results: StreamResult<T>[] = [];
  const running = new Set<TaskRef<T>>();
  let next = 0;
  let failure: Error | undefined;

  const runOne = async (fn: TaskFunction<T>): Promise<T> => {
    const ref = await runner.start(fn);
    running.add(ref);
    try {
      if (failure !== undefined) throw failure;
      return await runner.wait(ref, timeout);
    } finally {
      running.delete(ref);
      await runner.shutDown(ref);
    }
  };
  const runSome = async (): Promise<void> => {
    while (next < fns.length && failure === undefined) {
      const index = next++;
      const result = await settled(runOne(fns[index]!));
      if (ordered) results[index] = result;
      else results.push(result);
      if (!failFast || result.status === 'ok' || failure !== undefined) continue;
      failure = result.error;
      await Promise.all(Array.from(running, (ref) => runner.shutDown(ref)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, fns.length) }, runSome));
  if (failure !== undefined) throw failure;
  return results;
}

async function settled<T>(promise: Promise<T>): Promise<StreamResult<T>> {
  try {
    return { status: 'ok', value: await promise };
  } catch (error) {
    return { status: 'error', error: toError(error) };
  }
}
