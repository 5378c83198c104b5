/**
 * One child of a supervisor: its description, the process that runs now, and how that is brought up and taken down.
 *
 * Whatever happens at the same time, at most one process is ever the child's: `halt` and `kill` make a start that is under way void, and the process that
 * comes out of a void start is stopped as soon as it is there. Nobody waits longer than the child's shutdown time for a void start.
 */
import { NoizylabError } from '../errors';
import type { CheckedSpec } from './child-spec';
import { RESTARTS, setCounter } from './counters';
import { ServerNotRunningError } from './errors';
import { Launch } from './launch';
import { findProcess, type Process } from './processes';
import { recentEnd } from './recent-ends';
import { options as read } from './settings';
import { shutDown } from './shutdown';
import { settledWithin } from './time-limit';
import { DEFAULTS, type ExitReason, type Ref } from './types';
import type { ChildInfo, ChildRef } from './supervisor-types';

/** Whom a child tells that it has ended by itself. */
export interface ChildOwner {
  readonly id: string;
  /** Called synchronously. */
  childEnded(child: Child, reason: ExitReason): void;
}

export class Child {
  readonly id: string;
  readonly restart: CheckedSpec['restart'];
  readonly significant: boolean;
  /** How often it was restarted. */
  restartCount = 0;
  /** Somebody has taken it on to start it; the others keep off. A start that succeeds ends that. */
  claimed = false;
  /** Set while it is being taken down for good. */
  leaving: Promise<void> | undefined;
  /** Set while it is being restarted by hand. */
  restarting: Promise<ChildRef> | undefined;

  readonly #owner: ChildOwner;
  readonly #spec: CheckedSpec;
  #ref: ChildRef | undefined;
  #process: Process | undefined;
  /** The start that is under way, void or not. */
  #launch: Launch | undefined;
  #halting: Promise<void> | undefined;

  constructor(owner: ChildOwner, spec: CheckedSpec) {
    this.#owner = owner;
    this.#spec = spec;
    this.id = spec.id;
    this.restart = spec.restart;
    this.significant = spec.significant;
  }

  /** Its present reference, or the last one; `undefined` until it has run for the first time. */
  get ref(): ChildRef | undefined {
    return this.#ref;
  }

  /** What users see of it; `undefined` until it has run for the first time. */
  get info(): ChildInfo | undefined {
    const ref = this.#ref;
    return ref && { id: this.id, ref, spec: this.#spec.spec, restartCount: this.restartCount };
  }

  /** It does not run, and nobody is about to change that. */
  get isDown(): boolean {
    return (
      this.#process === undefined &&
      this.#launch === undefined &&
      this.#halting === undefined &&
      this.leaving === undefined &&
      !this.claimed
    );
  }

  /** The process that runs now. */
  get process(): Process | undefined {
    return this.#process;
  }

  /** The start that is under way. */
  get starting(): Promise<ChildRef> | undefined {
    return this.#launch?.promise;
  }

  /**
   * Starts it. Rejects with what its `start` rejects with; with an error of code `ERR_ACTOR_CHILD_TERMINATED` where the start has become void, at the latest when `halt` is through.
   */
  launch(): Promise<ChildRef> {
    this.#launch = new Launch(
      () => this.#spec.spec.start(),
      (started, launch) => this.#adopt(started, launch),
    );
    return this.#launch.promise;
  }

  async #adopt(started: Promise<Ref>, launch: Launch): Promise<ChildRef> {
    try {
      const ref = (await started) as ChildRef;
      if (typeof ref?.id !== 'string')
        throw read.type(`What start of child '${this.id}' gives`, ref, 'the reference of a process');
      const process = findProcess(ref.id);
      if (launch.isVoid) {
        if (process) await shutDown(process, this.#timeoutFor(process));
        throw this.#terminated();
      }
      this.#ref = ref;
      this.claimed = false;
      this.#watch(ref, process);
      return ref;
    } finally {
      if (!launch.isVoid) this.#launch = undefined;
    }
  }

  #terminated(): NoizylabError {
    return new NoizylabError(
      'ERR_ACTOR_CHILD_TERMINATED',
      `Child '${this.id}' of supervisor '${this.#owner.id}' was terminated while it started`,
    );
  }

  #watch(ref: ChildRef, process: Process | undefined): void {
    if (process === undefined) {
      // It has ended before it could be watched.
      this.#owner.childEnded(this, recentEnd(ref.id) ?? { error: new ServerNotRunningError(ref.id) });
      return;
    }
    this.#process = process;
    process.onEnd((reason) => {
      if (this.#process !== process) return;
      this.#process = undefined;
      if (this.#halting === undefined) this.#owner.childEnded(this, reason);
    });
  }

  /** Takes it down, in order within its time, else at once; resolves when it is down. */
  halt(): Promise<void> {
    if (this.#halting !== undefined) return this.#halting;
    if (this.#launch !== undefined) this.#launch.isVoid = true;
    if (this.#process === undefined && this.#launch === undefined) return Promise.resolve();
    return (this.#halting = this.#bringDown());
  }

  async #bringDown(): Promise<void> {
    // The end that comes now is one that was asked for: #halting must be set when it is told.
    await Promise.resolve();
    // What comes out of a start that has become void stops by itself, however late: see #adopt.
    if (this.#launch) {
      await settledWithin(this.#launch.promise, this.#timeoutFor(undefined));
      this.#launch.giveUp(this.#terminated());
    }
    if (this.#process) await shutDown(this.#process, this.#timeoutFor(this.#process));
    this.#process = undefined;
    this.#launch = undefined;
    this.#halting = undefined;
  }

  /** Takes it down at once and synchronously. */
  kill(): void {
    const process = this.#process;
    const launch = this.#launch;
    this.#process = undefined;
    process?.kill('shutdown');
    if (launch === undefined) return;
    launch.isVoid = true;
    launch.giveUp(this.#terminated());
  }

  /** Counts a restart that has succeeded. */
  countRestart(): void {
    this.restartCount += 1;
    if (this.#process !== undefined && this.#process.slot >= 0)
      setCounter(this.#process.slot, RESTARTS, this.restartCount);
  }

  #timeoutFor(process: Process | undefined): number {
    return (
      this.#spec.shutdownTimeout ?? (process?.kind === 'supervisor' ? Infinity : DEFAULTS.SHUTDOWN_TIMEOUT)
    );
  }
}
