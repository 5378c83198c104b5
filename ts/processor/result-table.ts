/**
 * The results that `results()` can still tell of: bounded in number and in bytes, the oldest leave first.
 */
import { NoizylabError } from '../errors';
import type { Chunk, TaskBatch } from './task-batch';

/** Where a task stands. */
export interface TaskPlace {
  readonly batch: TaskBatch;
  readonly index: number;
}

export class ResultTable {
  /** Batches in the order of their tasks' numbers. */
  #batches: TaskBatch[] = [];
  /** Tasks with ids that users chose. */
  readonly #ownIds = new Map<string, TaskPlace>();
  /** Chunks with content, oldest first; the first `#gone` have none any more. */
  #kept: { batch: TaskBatch; chunk: Chunk }[] = [];
  #gone = 0;
  #bytes = 0;
  #holds = 0;
  /** Finished tasks that can be told of, and those that cannot any more. */
  held = 0;
  dropped = 0;

  constructor(
    private readonly prefix: string,
    private readonly mostTasks: number,
    private readonly mostBytes: number,
  ) {}

  /** Whether an id that a user chose is in use. */
  hasId(id: string): boolean {
    return this.#ownIds.has(id);
  }

  /** A batch begins. */
  add(batch: TaskBatch): void {
    this.#batches.push(batch);
    for (const [index, id] of batch.ownIds ?? []) this.#ownIds.set(id, { batch, index });
  }

  /** Only the first `count` tasks of a batch were accepted: nothing is known of the others any more. */
  cut(batch: TaskBatch, count: number, error: Error): void {
    batch.cut(count, error);
    for (const [index, id] of batch.ownIds ?? []) {
      if (index < count) continue;
      this.#ownIds.delete(id);
      batch.ownIds?.delete(index);
    }
    if (batch.done && batch.kept === 0) this.#forget(batch);
  }

  /** A chunk of a batch has come. */
  keep(batch: TaskBatch, chunk: Chunk): void {
    this.#kept.push({ batch, chunk });
    batch.kept++;
    this.held += chunk.count;
    this.#bytes += chunk.weight;
    this.#trim();
  }

  /** Nothing leaves until `turn` has come: who is told of tasks only then can still ask for all their results. */
  async hold(turn: Promise<void>): Promise<void> {
    // What an earlier hold kept beyond the bounds has had its chance.
    this.#trim();
    this.#holds++;
    await turn;
    this.#holds--;
  }

  /**
   * The place of a task.
   * @throws NoizylabError `ERR_PROCESSOR_UNKNOWN_TASK`: it was never added, or its batch has left the table.
   */
  find(id: string): TaskPlace {
    const own = this.#ownIds.get(id);
    if (own !== undefined) return own;
    const number = this.numberOf(id);
    const batch = number === undefined ? undefined : this.#batchOf(number);
    if (number === undefined || batch === undefined) {
      throw new NoizylabError(
        'ERR_PROCESSOR_UNKNOWN_TASK',
        `this processor has no task '${id}': it was not added here, or its result was dropped to keep within resultLimit ` +
          `(${this.mostTasks}) and resultBytes (${this.mostBytes})`,
      );
    }
    return { batch, index: number - batch.first };
  }

  /** The number in an id of the form that is given out here; `undefined` for any other id. */
  numberOf(id: string): number | undefined {
    if (!id.startsWith(this.prefix)) return undefined;
    const digits = id.slice(this.prefix.length);
    return /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : undefined;
  }

  #batchOf(number: number): TaskBatch | undefined {
    let low = 0;
    let high = this.#batches.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const batch = this.#batches[middle]!;
      if (number < batch.first) high = middle - 1;
      else if (number >= batch.first + batch.size) low = middle + 1;
      else return batch;
    }
    return undefined;
  }

  #trim(): void {
    while (this.#holds === 0 && (this.held > this.mostTasks || this.#bytes > this.mostBytes)) {
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    const oldest = this.#kept[this.#gone++];
    if (oldest === undefined) return;
    const { batch, chunk } = oldest;
    chunk.content = undefined;
    this.held -= chunk.count;
    this.dropped += chunk.count;
    this.#bytes -= chunk.weight;
    if (this.#gone > 1024 && this.#gone * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#gone);
      this.#gone = 0;
    }
    if (--batch.kept === 0 && batch.done) this.#forget(batch);
  }

  #forget(batch: TaskBatch): void {
    for (const id of batch.ownIds?.values() ?? []) this.#ownIds.delete(id);
    // The oldest batch, but for those that finish late.
    const at = this.#batches.indexOf(batch);
    if (at === 0) this.#batches.shift();
    else if (at > 0) this.#batches.splice(at, 1);
  }
}
