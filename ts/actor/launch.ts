/**
 * One start of a child, which may take its time, fail, or never come to an end. Once nobody wants what comes of it, it is void; when even the waiting for it is over, it
 * is given up, and whoever awaits it is told.
 *
 * A supervisor whose own start begins in the synchronous part of the start of a child belongs to that start: as long as it has not started, nobody else knows of it, so it ends
 * where that is given up. One that begins in a handler, or in a listener of events, that runs within that part is somebody else's. No more can be known of a start without following
 * every promise of the program.
 */
import { nesting } from './handling';
import { beginStart, finishStart } from './recent-ends';
import type { ChildRef } from './supervisor-types';
import type { Ref } from './types';

/** A supervisor that starts. */
export interface Starting {
  /** Ends it at once, unless it has started. */
  abandon(): void;
}

/** Takes the supervisors that begin in the start whose synchronous part runs now. */
let current: Starting[] | undefined;
/** What `nesting` was when that part began. */
let level = 0;

/** A supervisor begins to start. */
export function noteStarting(supervisor: Starting): void {
  if (nesting() === level) current?.push(supervisor);
}

export class Launch {
  /** What comes of it is not wanted any more. */
  isVoid = false;
  readonly #begun: Starting[] = [];
  readonly promise: Promise<ChildRef>;
  #reject!: (error: Error) => void;

  /** @param adopt takes over what `start` gives, late or not; what it rejects with is what the start rejects with */
  constructor(
    start: () => Ref | Promise<Ref>,
    adopt: (started: Promise<Ref>, launch: Launch) => Promise<ChildRef>,
  ) {
    beginStart();
    this.promise = new Promise((resolve, reject) => {
      this.#reject = reject;
      adopt(this.#run(start), this).then(resolve, reject);
    });
    this.promise.then(finishStart, finishStart);
  }

  /** Rejects with `error` unless it is through, and ends what has begun in it. */
  giveUp(error: Error): void {
    this.#reject(error);
    for (const supervisor of this.#begun) supervisor.abandon();
  }

  #run(start: () => Ref | Promise<Ref>): Promise<Ref> {
    const before = current;
    const beforeLevel = level;
    current = this.#begun;
    level = nesting();
    try {
      return Promise.resolve(start());
    } catch (error) {
      return Promise.reject(error);
    } finally {
      current = before;
      level = beforeLevel;
    }
  }
}
