/**
 * One worker thread for one server, from the side that starts it. It does not keep the process alive.
 */
import { join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { type ResourceLimits, Worker } from 'node:worker_threads';
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
  /** Resolves with the way to it; rejects where it does not start. */
  readonly ready: Promise<Route>;
  /** Its `exit` event has come. */
  hasEnded = false;
  /** Resolves when it has ended, with the reason, if it said so. */
  readonly ended: Promise<Error | undefined>;
  /** What runs in it. */
  server: Process | undefined;
  readonly #worker: Worker;
  readonly #order = new Int32Array(new SharedArrayBuffer(4));
  #resolve!: (route: Route) => void;
  #reject!: (error: Error) => void;
  #leaving: NodeJS.Timeout | undefined;

  constructor(
    office: number,
    ticket: number,
    preload: string | undefined,
    readonly resourceLimits: ResourceLimits | undefined,
    private readonly exited: (thread: WorkerThread) => void,
  ) {
    const data: WorkerData = { office, ticket, preload, order: this.#order };
    this.#worker = new Worker(join(__dirname, 'worker.js'), {
      name: 'noizylab-actor',
      workerData: data,
      ...(resourceLimits && { resourceLimits }),
    });
    this.ended = new Promise((resolve) => {
      let reason: Error | undefined;
      this.#worker.on('error', (error: Error) => {
        reason = error;
      });
      this.#worker.on('exit', (code) => {
        clearTimeout(this.#leaving);
        this.hasEnded = true;
        this.exited(this);
        this.#reject(reason ?? new Error(`the worker exited with code ${code}`));
        resolve(reason);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Those who need it wait for it; where nobody does, its failure is nobody's.
    this.ready.catch(() => undefined);
    this.#worker.unref();
  }

  /** It has been told what to start. */
  get hasOrder(): boolean {
    return Atomics.load(this.#order, 0) === 1;
  }

  /** It has said that it is ready. */
  setReady(route: Route): void {
    this.#resolve(route);
  }

  /** Keeps the process alive as long as somebody waits for it. */
  hold(): void {
    this.#worker.ref();
  }

  /** Does not keep the process alive any more. */
  letGo(): void {
    this.#worker.unref();
  }

  /** Its server has ended: it ends by itself, or else is made to. */
  leave(): void {
    this.#leaving = setTimeout(() => this.terminate(), LEAVE_MS).unref();
  }

  /** Ends it at once. */
  terminate(): void {
    void this.#worker.terminate();
  }
}
