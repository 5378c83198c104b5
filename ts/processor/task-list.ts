/** A list of tasks, checked, and cut into runs of tasks that have operation and manner in common. */
import { NoizylabError } from '../errors';
import type { Operations } from './operations';
import { read, readManner, type TaskManner } from './options';
import type { Target } from './submission';
import type { Task, Transferable } from './types';

/** What the tasks of a run have in common. A task whose data moves is a run of its own. */
export interface RunHead {
  readonly target: Target;
  readonly manner: TaskManner;
  readonly transferList: readonly Transferable[] | undefined;
}

export interface TaskList {
  /** The tasks' data. */
  readonly data: readonly unknown[];
  /** Ids that the user chose, by index. */
  readonly ids: Map<number, string> | undefined;
  headOf(index: number): RunHead;
  /** The runs among the tasks `from..to`, each as `[head, from, to]`. */
  runs(from: number, to: number): Iterable<[RunHead, number, number]>;
}

/**
 * Reads tasks.
 * @throws TypeError, RangeError, NoizylabError `ERR_PROCESSOR_UNKNOWN_OPERATION`, `ERR_PROCESSOR_DUPLICATE_ID`; the message begins with
 * the task's index.
 */
export function readTasks(
  tasks: readonly Task[],
  operations: Operations,
  inUse: (id: string) => boolean,
): TaskList {
  read.array('tasks', tasks);
  const data: unknown[] = [];
  const heads: RunHead[] = [];
  const starts: number[] = [];
  const ids = new Map<number, string>();
  const chosen = new Set<string>();
  let last: Task | undefined;
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index] as Task;
    try {
      if (typeof task !== 'object' || task === null || Array.isArray(task))
        throw read.type('a task', task, 'an object { operation, data }');
      if (last === undefined || !isAlike(task, last)) {
        heads.push(readHead(task, operations));
        starts.push(index);
        last = task;
      }
      if (task.id !== undefined) {
        const id = read.text('id', task.id);
        if (chosen.has(id) || inUse(id)) {
          throw new NoizylabError('ERR_PROCESSOR_DUPLICATE_ID', `id '${id}' is in use by another task`);
        }
        chosen.add(id);
        ids.set(index, id);
      }
    } catch (error) {
      if (error instanceof Error) error.message = `tasks[${index}]: ${error.message}`;
      throw error;
    }
    data.push(task.data);
  }
  const runOf = (index: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    data,
    ids: ids.size > 0 ? ids : undefined,
    headOf: (index) => heads[runOf(index)]!,
    *runs(from, to) {
      let run = runOf(from);
      for (let start = from; start < to; run++) {
        const end = Math.min(to, starts[run + 1] ?? to);
        yield [heads[run]!, start, end];
        start = end;
      }
    },
  };
}

function isAlike(task: Task, other: Task): boolean {
  return (
    task.operation === other.operation &&
    task.priority === other.priority &&
    task.retries === other.retries &&
    task.transferList === undefined &&
    other.transferList === undefined
  );
}

function readHead(task: Task, operations: Operations): RunHead {
  const { transferList } = task;
  if (transferList !== undefined) read.array('transferList', transferList);
  return {
    target: operations.find(task.operation, transferList !== undefined),
    manner: readManner(task),
    transferList,
  };
}
