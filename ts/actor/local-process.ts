/**
 * What every server of this thread has as a process: its slot of counters, its status, those who wait for its end, and the one way out.
 */
import * as counters from './counters';
import { serverEvents } from './lifecycle';
import { addProcess, type Answers, type OwnServer, removeProcess } from './processes';
import type { ExitReason, ExitSignal, Ref } from './types';

/** The stop of a process: however many ask for it, they share one promise. */
export class Stopping {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  /** @param reason that of the first who asked */
  constructor(readonly reason: ExitReason) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

export abstract class LocalProcess implements OwnServer {
  slot: number;
  protected status = counters.STATUS_RUNNING;
  protected stopping: Stopping | undefined;
  private ended = false;
  private listeners: readonly ((reason: ExitReason) => void)[] | undefined;

  constructor(readonly ref: Ref) {
    this.slot = counters.takeSlot();
    counters.setCounter(this.slot, counters.STATUS, this.status);
    counters.setCounter(this.slot, counters.STARTED_AT, Date.now());
    addProcess(this);
  }

  get id(): string {
    return this.ref.id;
  }

  get kind(): 'server' {
    return 'server';
  }

  isRunning(): boolean {
    return this.status === counters.STATUS_RUNNING;
  }

  onEnd(listener: (reason: ExitReason) => void): () => void {
    this.listeners = [...(this.listeners ?? []), listener];
    return () => {
      this.listeners = this.listeners?.filter((other) => other !== listener);
    };
  }

  abstract call(message: unknown, timeout: number): Promise<unknown>;
  abstract answer(
    message: unknown,
    timeout: number,
    ticket: number,
    answers: Answers,
  ): Promise<unknown> | undefined;
  abstract cast(message: unknown): void;
  abstract deliver(message: unknown): void;
  abstract report(error: Error, message: unknown): void;
  abstract exit(signal: ExitSignal): void;
  abstract stop(reason: ExitReason): Promise<void>;
  abstract kill(reason: ExitReason): void;

  /** Refuses what still waits in the mailbox. */
  protected abstract refuseWaiting(): void;

  protected setStatus(status: number): void {
    this.status = status;
    counters.setCounter(this.slot, counters.STATUS, status);
  }

  /** The one way out, taken once; `failed` is what `terminate` threw at a stop. */
  protected end(reason: ExitReason, failed?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.setStatus(counters.STATUS_STOPPED);
    removeProcess(this.id, reason);
    this.refuseWaiting();
    if (failed === undefined) this.stopping?.resolve();
    else this.stopping?.reject(failed);
    for (const listener of this.listeners ?? []) listener(reason);
    serverEvents.emit({ type: 'terminated', ref: this.ref, reason });
    counters.freeSlot(this.slot);
  }
}
