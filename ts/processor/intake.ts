/**
 * What lets tasks in: the bound of the queue and the bound of memory. Who has to wait is let in in the order of coming.
 *
 * Results come in when the event loop turns, and a stream of `await addTasks(...)` goes on in microtasks: without a turn in
 * between, a million tasks would be on their way before the first result is taken, and the memory of all of them would grow old.
 */
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from 'node:timers';
import { totalmem } from 'node:os';
import { NoizylabError } from '../errors';
import { LinkedQueue } from '../parallel/linked-queue';
import { onAbort } from '../parallel/abort';
import { residentBytes } from './memory';

/** How often memory is looked at: at most so often while tasks come in, and so often while they wait for it. */
const MEMORY_INTERVAL_MS = 50;
/** So long memory may take to come back after the last task; each further task waits for one look only, until it has come back. */
const PATIENCE_MS = 500;
/** After so many tasks the event loop turns before their caller goes on. */
const TASKS_A_TURN = 8192;

interface Waiter {
  /** The most tasks that it has. */
  wanted: number;
  enter(tasks: number): void;
  refuse(error: unknown): void;
}

/** What intake needs to know and to tell. */
export interface IntakeOwner {
  /** Tasks that wait, those included that have not crossed yet. */
  queued(): number;
  /** Tasks that wait or run: what memory can come back from. */
  unfinished(): number;
  /** Asks for a call of `room()` once at most `most` tasks wait in the engine. */
  awaitRoom(most: number): void;
  paused(used: number, limit: number): void;
  resumed(): void;
}

/** Bounds. */
export interface IntakeLimits {
  taskQueueSize: number;
  overflow: 'wait' | 'reject';
  memoryThreshold: number;
}

export class Intake {
  readonly #waiters = new LinkedQueue<Waiter>();
  readonly #limits: IntakeLimits;
  readonly #memoryLimit: number;
  #calls = 0;
  #nextLook = 0;
  /** Goes off when memory is to be looked at again. */
  #lookAgain: NodeJS.Timeout | undefined;
  /** Whether the next task comes in without a look: memory is short and none of it is in use by tasks. */
  #spared = false;
  /** When intake stops waiting for memory that no task of ours uses; as long as memory is short. */
  #patienceEnds: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sinceTurn = 0;
  #turn: Promise<void> | undefined;

  constructor(
    limits: IntakeLimits,
    private readonly owner: IntakeOwner,
  ) {
    this.#limits = limits;
    this.#memoryLimit = limits.memoryThreshold * usableMemory();
  }

  /** Whether memory keeps tasks out. */
  get paused(): boolean {
    return this.#timer !== undefined;
  }

  /** Lets in some of `wanted` tasks at once, at least one; 0 where they have to `enter`. */
  tryEnter(wanted: number): number {
    if (this.#waiters.length > 0 || !this.#memoryAllows()) return 0;
    return Math.max(0, Math.min(wanted, this.#room()));
  }

  /** Lets in some of `wanted` tasks, at least one, when there is room. Rejects with the signal's reason. */
  enter(wanted: number, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      let release: (() => void) | undefined;
      const place = this.#waiters.push({
        wanted,
        enter: (tasks) => {
          release?.();
          resolve(tasks);
        },
        refuse: (error) => {
          release?.();
          reject(error);
        },
      });
      release = onAbort(signal, () => {
        this.#waiters.remove(place);
        reject(signal?.reason);
      });
      if (!this.paused) this.owner.awaitRoom(this.#comfortable());
    });
  }

  /** `tasks` were let in: what their caller waits for, lest the event loop starves; nothing while they are few. */
  turn(tasks: number): Promise<void> | undefined {
    this.#sinceTurn += tasks;
    if (this.#sinceTurn < TASKS_A_TURN) return undefined;
    this.#turn ??= new Promise((resolve) =>
      setImmediate(() => {
        this.#sinceTurn = 0;
        this.#turn = undefined;
        resolve();
      }),
    );
    return this.#turn;
  }

  /** The error for `wanted` tasks that may not wait; `undefined` if they need not or may. */
  refusal(wanted: number): NoizylabError | undefined {
    if (this.#limits.overflow === 'wait') return undefined;
    if (!this.#memoryAllows()) {
      const percent = Math.round(this.#limits.memoryThreshold * 100);
      return new NoizylabError(
        'ERR_PROCESSOR_MEMORY',
        `the process uses more than ${percent} % (memoryThreshold) of the memory that it may use; nothing was accepted`,
      );
    }
    const room = this.#room();
    if (wanted <= room) return undefined;
    return new NoizylabError(
      'ERR_PROCESSOR_QUEUE_FULL',
      `${wanted} tasks do not fit: ${Math.max(0, room)} of ${this.#limits.taskQueueSize} places (taskQueueSize) are free; nothing was accepted`,
    );
  }

  /** The engine has room again. */
  room(): void {
    while (this.#waiters.first !== undefined && this.#memoryAllows()) {
      const room = this.#room();
      if (room <= 0) {
        this.owner.awaitRoom(this.#comfortable());
        return;
      }
      const waiter = this.#waiters.shift()!;
      waiter.enter(Math.min(waiter.wanted, room));
      // It submits in a microtask of its own: the next one may count on what it leaves only then.
      if (this.#waiters.length > 0) setImmediate(() => this.room());
      return;
    }
  }

  /** Nobody is let in any more. */
  close(error: Error): void {
    clearInterval(this.#timer);
    clearTimeout(this.#lookAgain);
    this.#timer = undefined;
    this.#lookAgain = undefined;
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift())
      waiter.refuse(error);
  }

  #room(): number {
    return this.#limits.taskQueueSize - this.owner.queued();
  }

  /** A full queue is refilled when half of it is gone: not task by task. */
  #comfortable(): number {
    return Math.floor(this.#limits.taskQueueSize / 2);
  }

  #memoryAllows(): boolean {
    if (this.paused) return false;
    if (this.#spared) {
      this.#spared = false;
      if (this.owner.unfinished() === 0) return true;
    }
    // Looking at the clock costs a tenth of a small task: a timer tells when it is time, and a count where the event loop does not turn.
    if (this.#lookAgain !== undefined && (++this.#calls & 63) !== 0) return true;
    const now = performance.now();
    if (now < this.#nextLook) return true;
    this.#nextLook = now + MEMORY_INTERVAL_MS;
    clearTimeout(this.#lookAgain);
    this.#lookAgain = setTimeout(() => (this.#lookAgain = undefined), MEMORY_INTERVAL_MS).unref();
    const used = residentBytes();
    if (used <= this.#memoryLimit) {
      this.#patienceEnds = undefined;
      return true;
    }
    this.#patienceEnds ??= now + PATIENCE_MS;
    this.#timer = setInterval(() => this.#look(), MEMORY_INTERVAL_MS).unref();
    this.owner.paused(used, this.#memoryLimit);
    return false;
  }

  #look(): void {
    if (residentBytes() > this.#memoryLimit) {
      // What takes the memory is not ours, or the allocator keeps it: waiting for it could last for ever.
      if (this.owner.unfinished() > 0 || performance.now() < this.#patienceEnds!) return;
      this.#spared = true;
    } else {
      this.#patienceEnds = undefined;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.owner.resumed();
    this.room();
  }
}

/** Bytes that the process may use: the container's limit, else the machine's memory. */
function usableMemory(): number {
  // 0 or absurdly large where there is no limit.
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}
