/**
 * One worker thread for one server, from the side that starts it. It does not keep the process alive.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { isRefusal, PATIENCE_MS, refusedThread, RETRY_MS } from '../../bridge/refusals';
import type { Process } from '../processes';
import type { Route } from './route';

/** What a worker is started with. */
export interface WorkerData {
  /** The office of its owner. */
  readonly office: number;
  /** By which it says that it is ready. */
  readonly ticket: number;
  /** The URL of a module that it is likely to be asked for: it is loaded before that. */
  readonly preload: string | undefined;
  /** Becomes 1 when it has been told what to start. */
  readonly order: Int32Array;
}

/** So long a worker may take to end by itself once its server has ended, in milliseconds. */
const LEAVE_MS = 1000;

export class WorkerThread {
  /** Resolves with the way to it; rejects where it does not start, with `ERR_CORE_RESOURCES` where the system refuses it for some seconds. */
  readonly ready: Promise<Route>;
  /** Its `exit` event has come. */
  hasEnded = false;
  /** Resolves when it has ended, with the reason, if it said so. */
  readonly ended: Promise<Error | undefined>;
  /** What runs in it. */
  server: Process | undefined;
  #worker: Worker | undefined;
  readonly #data: WorkerData;
  readonly #order = new Int32Array(new SharedArrayBuffer(4));
  readonly #since = performance.now();
  /** Until when the system is not asked again for a thread that it has refused. */
  #retry: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isReady = false;
  #isUnwanted = false;
  #resolve!: (route: Route) => void;
  #reject!: (error: Error) => void;
  #resolveEnded!: (reason: Error | undefined) => void;
  #leaving: NodeJS.Timeout | undefined;

  constructor(
    office: number,
    ticket: number,
    preload: string | undefined,
    readonly resourceLimits: ResourceLimits | undefined,
    private readonly exited: (thread: WorkerThread) => void,
  ) {
    this.#data = { office, ticket, preload, order: this.#order };
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Those who need it wait for it; where nobody does, its failure is nobody's.
    this.ready.catch(() => undefined);
    this.#launch();
  }

  #launch(): void {
    let worker: Worker;
    try {
      worker = new Worker(join(__dirname, 'worker.js'), {
        name: 'noizylab-actor',
        workerData: this.#data,
        ...(this.resourceLimits && { resourceLimits: this.resourceLimits }),
      });
    } catch (error) {
      this.#failed(error as Error);
      return;
    }
    this.#worker = worker;
    let reason: Error | undefined;
    worker.on('error', (error: Error) => {
      reason = error;
    });
    worker.on('exit', (code) => {
      if (isRefusal(reason) && !this.#isReady) this.#failed(reason);
      else this.#end(reason, `the worker exited with code ${code}`);
    });
    if (!this.#isHeld) worker.unref();
  }

  /** It did not start. What the system refuses is tried again until those who wait have waited long enough. */
  #failed(error: Error): void {
    this.#worker = undefined;
    const isTransient = isRefusal(error) && !this.#isUnwanted;
    if (isTransient && performance.now() - this.#since < PATIENCE_MS) {
      this.#retry = setTimeout(() => this.#launch(), RETRY_MS);
      if (!this.#isHeld) this.#retry.unref();
      return;
    }
    // Whoever has made it hears of it when it has been made.
    queueMicrotask(() => this.#end(isRefusal(error) ? refusedThread(error) : error));
  }

  #end(reason: Error | undefined, otherwise = 'the worker was not started'): void {
    if (this.hasEnded) return;
    clearTimeout(this.#leaving);
    this.hasEnded = true;
    this.exited(this);
    this.#reject(reason ?? new Error(otherwise));
    this.#resolveEnded(reason);
  }

  /** It has been told what to start. */
  get hasOrder(): boolean {
    return Atomics.load(this.#order, 0) === 1;
  }

  /** It has said that it is ready. */
  setReady(route: Route): void {
    this.#isReady = true;
    this.#resolve(route);
  }

  /** Keeps the process alive as long as somebody waits for it. */
  hold(): void {
    this.#isHeld = true;
    this.#worker?.ref();
    this.#retry?.ref();
  }

  /** Does not keep the process alive any more. */
  letGo(): void {
    this.#isHeld = false;
    this.#worker?.unref();
    this.#retry?.unref();
  }

  /** Its server has ended: it ends by itself, or else is made to. */
  leave(): void {
    this.#leaving = setTimeout(() => this.terminate(), LEAVE_MS).unref();
  }

  /** Ends it at once. */
  terminate(): void {
    this.#isUnwanted = true;
    if (this.#worker !== undefined) {
      void this.#worker.terminate();
    } else if (!this.hasEnded) {
      clearTimeout(this.#retry);
      this.#end(undefined);
    }
  }
}
