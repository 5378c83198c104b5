/**
 * What `results(ids)` gives: awaited, the outcomes of all in the order of the ids; iterated, each as it comes.
 */
import { NoizylabError } from '../errors';
import { filled } from './filled';
import type { ResultTable } from './result-table';
import type { OutcomeListener, TaskBatch } from './task-batch';
import type { TaskOutcome } from './types';

/** The places among the ids at which tasks of one batch stand. */
class Places {
  /** As long as successive tasks stand at successive places, that is all there is to know. */
  #first = 0;
  #at = 0;
  #length = 0;
  #scattered: Map<number, number[]> | undefined;

  /** Task `index` of the batch stands at the place `at`. */
  add(index: number, at: number): void {
    if (this.#scattered === undefined) {
      if (this.#length === 0) [this.#first, this.#at] = [index, at];
      if (index === this.#first + this.#length && at === this.#at + this.#length) {
        this.#length++;
        return;
      }
      this.#scattered = new Map();
      for (let i = 0; i < this.#length; i++) this.#scattered.set(this.#first + i, [this.#at + i]);
    }
    const places = this.#scattered.get(index);
    if (places === undefined) this.#scattered.set(index, [at]);
    else places.push(at);
    this.#length++;
  }

  /** Calls `found` with each place of a task. */
  of(index: number, found: (at: number) => void): void {
    if (this.#scattered !== undefined) this.#scattered.get(index)?.forEach((at) => found(at));
    else if (index >= this.#first && index < this.#first + this.#length)
      found(this.#at + index - this.#first);
  }

  get length(): number {
    return this.#length;
  }
}

/** Outcomes of tasks. It is both a thenable and an async iterable. */
export class TaskResults<R = unknown>
  implements PromiseLike<TaskOutcome<R>[]>, AsyncIterable<TaskOutcome<R>>
{
  readonly #table: ResultTable;
  readonly #ids: readonly string[];

  /** @internal */
  constructor(table: ResultTable, ids: readonly string[]) {
    this.#table = table;
    this.#ids = ids;
  }

  /** Resolves when all are finished, to their outcomes in the order of the ids. Rejects with `ERR_PROCESSOR_UNKNOWN_TASK`. */
  // oxlint-disable-next-line unicorn/no-thenable -- awaiting is half of what this object is for
  then<A = TaskOutcome<R>[], B = never>(
    onFulfilled?: ((outcomes: TaskOutcome<R>[]) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#all().then(onFulfilled, onRejected);
  }

  /** Each outcome as it comes, those that are there first. Throws `ERR_PROCESSOR_UNKNOWN_TASK`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TaskOutcome<R>, void, undefined> {
    const waiting: TaskOutcome<R>[] = [];
    let wake: (() => void) | undefined;
    let left = this.#ids.length;
    const stop = this.#watch((outcome) => {
      waiting.push(outcome);
      wake?.();
    });
    try {
      while (left > 0) {
        if (waiting.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        for (const outcome of waiting.splice(0)) {
          left--;
          yield outcome;
        }
      }
    } finally {
      stop();
    }
  }

  async #all(): Promise<TaskOutcome<R>[]> {
    const outcomes = filled<TaskOutcome<R>>(this.#ids.length);
    let left = outcomes.length;
    if (left === 0) return outcomes;
    await new Promise<void>((resolve, reject) => {
      const stop = this.#watch((outcome, at) => {
        outcomes[at] = outcome;
        if (--left === 0) resolve();
      }, reject);
      if (left === 0) stop();
    });
    return outcomes;
  }

  /** Calls `take` once per id, at once for those that are there. Returns how to stop. */
  #watch(take: (outcome: TaskOutcome<R>, at: number) => void, reject?: (error: unknown) => void): () => void {
    const watches: [TaskBatch, OutcomeListener][] = [];
    const stop = (): void => {
      for (const [batch, listener] of watches) batch.listeners.delete(listener);
    };
    try {
      for (const [batch, places] of this.#places()) {
        let left = places.length;
        const listener: OutcomeListener = {
          outcome: (index, outcome) => {
            places.of(index, (at) => {
              if (--left === 0) batch.listeners.delete(listener);
              take(outcome as TaskOutcome<R>, at);
            });
          },
        };
        batch.listeners.add(listener);
        watches.push([batch, listener]);
        for (const chunk of batch.chunks) {
          if (chunk.content === undefined) this.#dropped(batch, chunk.index, chunk.count, listener);
          else batch.read(chunk, (index, outcome) => listener.outcome(index, outcome));
        }
      }
    } catch (error) {
      stop();
      if (reject === undefined) throw error;
      reject(error);
    }
    return stop;
  }

  #dropped(batch: TaskBatch, index: number, count: number, listener: OutcomeListener): void {
    for (let i = index; i < index + count; i++) {
      const taskId = batch.idOf(i);
      const error = new NoizylabError(
        'ERR_PROCESSOR_RESULT_DROPPED',
        `the result of task '${taskId}' was dropped to keep within resultLimit and resultBytes; ask before, or raise them`,
      );
      listener.outcome(i, { taskId, error });
    }
  }

  #places(): Map<TaskBatch, Places> {
    const byBatch = new Map<TaskBatch, Places>();
    for (let at = 0; at < this.#ids.length; at++) {
      const { batch, index } = this.#table.find(this.#ids[at]!);
      let places = byBatch.get(batch);
      if (places === undefined) {
        places = new Places();
        byBatch.set(batch, places);
      }
      places.add(index, at);
    }
    return byBatch;
  }
}
