/**
 * The tasks of one `addTasks`: their results as events, and kept (encoded) for `results()`.
 */
import { AsyncResource } from 'node:async_hooks';
import type { FrameView } from '../bridge/bridge';
import { Layout } from '../bridge/frame';
import { Failure, Tag } from '../bridge/payload';
import { unreadable } from '../bridge/unreadable';
import { type Group, readResults, type Results } from './groups';
import type { TaskOutcome } from './types';

/** A run of results as they came. */
export interface Chunk {
  readonly index: number;
  readonly count: number;
  /** Encoded values, the one error of all, or outcomes that cannot be decoded twice; dropped when the table is full. */
  content: FrameView | Error | readonly TaskOutcome[] | undefined;
  /** What it weighs in the table, in bytes. */
  readonly weight: number;
}

/** What a chunk is taken to weigh besides its bytes. */
const OVERHEAD = 512;

/** What a batch tells its processor. */
export interface BatchOwner extends Results {
  /** Whether anybody listens to `taskComplete` or `taskError`. */
  wantsEvents(): boolean;
  emitOutcome(outcome: TaskOutcome): void;
  /** Keeps a chunk for `results()` within the bounds of the table. */
  keep(batch: TaskBatch, chunk: Chunk): void;
  /** Whether values may name shared memory, which is known only as long as somebody here holds it. */
  readonly sharesMemory: boolean;
}

/** Who waits for outcomes of a batch. */
export interface OutcomeListener {
  outcome(index: number, outcome: TaskOutcome): void;
}

export class TaskBatch implements Group {
  /** Chunks that came, in the order of coming. */
  readonly chunks: Chunk[] = [];
  readonly listeners = new Set<OutcomeListener>();
  /** Chunks that the table of results has not dropped. */
  kept = 0;
  #open: number;
  #size: number;
  // Listeners run in the context in which the tasks were added.
  readonly #context = new AsyncResource('NoizylabTasks');

  constructor(
    readonly number: number,
    /** Number of the first task; the others follow. */
    readonly first: number,
    size: number,
    /** What a task is answered with that hands back what it was given; let go when all are finished. */
    private given: ((index: number) => unknown) | undefined,
    /** Ids that users chose, by index. */
    readonly ownIds: Map<number, string> | undefined,
    private readonly prefix: string,
    private readonly owner: BatchOwner,
  ) {
    this.#open = size;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  get done(): boolean {
    return this.#open === 0;
  }

  idOf(index: number): string {
    return this.ownIds?.get(index) ?? this.prefix + (this.first + index);
  }

  results(index: number, frame: FrameView): void {
    const { count } = frame;
    const weight = OVERHEAD + frame.end - frame.start;
    this.#come({ index, count, content: this.#contentOf(frame, index), weight });
  }

  #contentOf(frame: FrameView, index: number): Chunk['content'] {
    try {
      // What travels by reference is there once; it is taken now.
      return hasReferences(frame, this.owner.sharesMemory) ? this.#decode(frame, index) : keep(frame);
    } catch (error) {
      // There is no memory for it.
      return unreadable(error, frame.end - frame.start);
    }
  }

  failed(index: number, count: number, error: Error): void {
    this.#come({ index, count, content: error, weight: OVERHEAD });
  }

  /** Only the first `count` tasks were accepted. Who waits for another one already is told why it was not. */
  cut(count: number, error: Error): void {
    for (let index = count; index < this.#size; index++) {
      const outcome = { taskId: this.idOf(index), error };
      for (const listener of this.listeners) listener.outcome(index, outcome);
    }
    this.#open -= this.#size - count;
    this.#size = count;
    if (this.done) this.given = undefined;
  }

  /** The outcomes of a chunk, one after another; nothing if it was dropped. */
  read(chunk: Chunk, take: (index: number, outcome: TaskOutcome) => void): void {
    const { content } = chunk;
    if (content === undefined) return;
    if (content instanceof Error) {
      for (let i = chunk.index; i < chunk.index + chunk.count; i++)
        take(i, { taskId: this.idOf(i), error: content });
      return;
    }
    if (Array.isArray(content)) {
      for (let i = 0; i < chunk.count; i++) take(chunk.index + i, (content as TaskOutcome[])[i]!);
      return;
    }
    this.#readFrame(content as FrameView, chunk.index, take);
  }

  #readFrame(frame: FrameView, first: number, take: (index: number, outcome: TaskOutcome) => void): void {
    readResults(
      frame,
      this.number,
      first,
      this.owner,
      (at) => this.given?.(at),
      (value, at) => {
        const taskId = this.idOf(at);
        take(at, value instanceof Failure ? { taskId, error: value.error } : { taskId, result: value });
      },
    );
  }

  #decode(frame: FrameView, first: number): TaskOutcome[] {
    const outcomes: TaskOutcome[] = [];
    this.#readFrame(frame, first, (_, outcome) => outcomes.push(outcome));
    return outcomes;
  }

  #come(chunk: Chunk): void {
    this.#open -= chunk.count;
    if (this.#open === 0) this.given = undefined;
    this.chunks.push(chunk);
    const wanted = this.owner.wantsEvents();
    if (wanted || this.listeners.size > 0) {
      const outcomes: TaskOutcome[] = [];
      this.read(chunk, (index, outcome) => {
        if (wanted) outcomes.push(outcome);
        for (const listener of this.listeners) listener.outcome(index, outcome);
      });
      if (wanted) {
        this.#context.runInAsyncScope(() => {
          for (const outcome of outcomes) this.owner.emitOutcome(outcome);
        });
      }
    }
    this.owner.keep(this, chunk);
  }
}

/** The memory of a frame is used again when its record has been handled; what is kept needs memory of its own. */
function keep(frame: FrameView): FrameView {
  const bytes = Buffer.allocUnsafe(frame.end - frame.start);
  frame.bytes.copy(bytes, 0, frame.start, frame.end);
  return { layout: frame.layout, count: frame.count, bytes, start: 0, end: bytes.length };
}

function hasReferences({ layout, count, bytes, start }: FrameView, sharesMemory: boolean): boolean {
  if (layout !== Layout.mixed) return false;
  for (let i = 0; i < count; i++) {
    const tag = bytes[start + i * 8];
    if (tag === Tag.same || tag === Tag.port || (tag === Tag.v8 && sharesMemory)) return true;
  }
  return false;
}
