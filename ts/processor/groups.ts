/**
 * Groups of tasks: what the face waits for. The engine knows a task by its group and its index in it.
 */
import type { FrameView } from '../bridge/bridge';
import { readFrame } from '../bridge/frame';
import { AT_PORT, Failure, SAME } from '../bridge/payload';
import type { SharedBuffers } from '../bridge/structured';
import { filled } from './filled';

/** Tasks that were submitted together and are answered one after another. */
export interface Group {
  /** Results of tasks from `index` on have come. */
  results(index: number, frame: FrameView): void;
  /** `count` tasks from `index` on have failed with one error. */
  failed(index: number, count: number, error: Error): void;
  /** Whether nothing is waited for any more. */
  readonly done: boolean;
}

/** Where results of tasks come from that travel beside the bridge. */
export interface Results extends SharedBuffers {
  /** The result of a task that waits at a message port. */
  fromPort(group: number, index: number): unknown;
}

/** Decodes results: `take(value, index)` for each, failures as `Failure`. `given(index)` is the data of a task. */
export function readResults(
  frame: FrameView,
  group: number,
  index: number,
  source: Results,
  given: (index: number) => unknown,
  take: (value: unknown, index: number) => void,
): void {
  readFrame(frame, source, (value, position) => {
    const at = index + position;
    if (value === SAME) take(given(at), at);
    else if (value === AT_PORT) take(source.fromPort(group, at), at);
    else take(value, at);
  });
}

/** A promise to settle. */
interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** The result where an operation hands back what it was given. */
  readonly given: unknown;
}

/** Promises of 256 successive tasks. A map with an entry for each would be rehashed again and again as they come and go. */
class Page {
  readonly slots: (Pending | undefined)[] = [];
  open = 0;
}

/** All tasks of `run` that cannot be cancelled: one group, in which each task has an index. */
export class RunGroup implements Group {
  readonly #pages = new Map<number, Page>();
  #open = 0;

  constructor(
    private readonly number: number,
    private readonly source: Results,
    /** Called when the first promise waits, and when none does any more. */
    private readonly waiting: (waits: boolean) => void,
  ) {}

  /** The group is kept for the tasks to come. */
  get done(): boolean {
    return false;
  }

  /** Indices come in order. */
  expect(index: number, pending: Pending): void {
    let page = this.#pages.get(index >>> 8);
    if (page === undefined) {
      page = new Page();
      this.#pages.set(index >>> 8, page);
    }
    page.slots[index & 255] = pending;
    page.open++;
    if (++this.#open === 1) this.waiting(true);
  }

  results(first: number, frame: FrameView): void {
    const given = (index: number): unknown => this.#pages.get(index >>> 8)?.slots[index & 255]?.given;
    readResults(frame, this.number, first, this.source, given, (value, index) => {
      const pending = this.#take(index);
      if (value instanceof Failure) pending?.reject(value.error);
      else pending?.resolve(value);
    });
    if (this.#open === 0) this.waiting(false);
  }

  failed(first: number, count: number, error: Error): void {
    for (let index = first; index < first + count; index++) this.#take(index)?.reject(error);
    if (this.#open === 0) this.waiting(false);
  }

  #take(index: number): Pending | undefined {
    const page = this.#pages.get(index >>> 8);
    const pending = page?.slots[index & 255];
    if (page === undefined || pending === undefined) return undefined;
    page.slots[index & 255] = undefined;
    this.#open--;
    if (--page.open === 0) this.#pages.delete(index >>> 8);
    return pending;
  }
}

/** One task of `run` that can be cancelled or has a deadline. */
export class SingleGroup implements Group {
  done = false;
  /** Called when the task is settled, whichever way. */
  onSettled: (() => void) | undefined;

  constructor(
    private readonly number: number,
    /** The result where an operation hands back what it was given. */
    private readonly given: unknown,
    private readonly source: Results,
    private readonly resolve: (value: unknown) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  results(index: number, frame: FrameView): void {
    if (this.done) return;
    readResults(
      frame,
      this.number,
      index,
      this.source,
      () => this.given,
      (value) => {
        if (value instanceof Failure) this.settle(this.reject, value.error);
        else this.settle(this.resolve, value);
      },
    );
  }

  failed(_index: number, _count: number, error: Error): void {
    if (!this.done) this.settle(this.reject, error);
  }

  /** Rejects now; what may still come is ignored. */
  abandon(reason: unknown): void {
    this.settle(this.reject, reason);
  }

  private settle(how: (value: unknown) => void, value: unknown): void {
    this.done = true;
    this.onSettled?.();
    how(value);
  }
}

/** All items of a `parallelMap` on workers. */
export class MapGroup implements Group {
  readonly values: unknown[];
  #open: number;
  #failed = false;

  constructor(
    private readonly number: number,
    private readonly items: readonly unknown[],
    private readonly source: Results,
    private readonly progress: (completed: number) => void,
    private readonly resolve: (values: unknown[]) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    this.#open = items.length;
    this.values = filled(items.length);
  }

  get done(): boolean {
    return this.#failed || this.#open === 0;
  }

  results(index: number, frame: FrameView): void {
    if (this.done) return;
    let failure: Failure | undefined;
    const { values } = this;
    readResults(
      frame,
      this.number,
      index,
      this.source,
      (at) => this.items[at],
      (value, at) => {
        if (value instanceof Failure) failure ??= value;
        else values[at] = value;
      },
    );
    if (failure !== undefined) {
      this.abandon(failure.error);
      return;
    }
    this.#open -= frame.count;
    this.progress(values.length - this.#open);
    if (this.#open === 0) this.resolve(values);
  }

  failed(_index: number, _count: number, error: Error): void {
    this.abandon(error);
  }

  /** Rejects now; what may still come is ignored. */
  abandon(reason: unknown): void {
    if (this.done) return;
    this.#failed = true;
    this.reject(reason);
  }
}
