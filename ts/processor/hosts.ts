/**
 * The worker isolates of a processor, seen from the isolate that owns it: it starts and ends them, and passes on what only a
 * message port can carry. What they run, they take from the engine.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
  type WorkerOptions,
} from 'node:worker_threads';
import type { Native } from '../bridge/native';
import {
  isRefusal,
  PATIENCE_MS,
  refusedThread,
  RETRY_MS,
  RETRY_SELDOM_MS,
  systemCodeOf,
} from '../bridge/refusals';
import { NoizylabError, typeError } from '../errors';
import { portKey, type FromHost, type HostData, type ToHost } from './messages';
import { SharedBufferNumbers } from './shared-buffers';
import type { Transferable } from './types';

const MOST_FAILED_STARTS = 3;

interface Host {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** `ready`: the engine knows it. `ended`: the engine has given it up, and is about to say so. */
  state: 'starting' | 'ready' | 'ended';
  /** Tasks whose data went to it, or is about to. */
  bound: number;
  /** What it died of, if it said so. */
  error: Error | undefined;
}

/** What hosts tell. */
export interface HostsOwner {
  hostFailed(workerId: number, error: Error): void;
}

export class Hosts {
  /** Shared buffers by number, on this side. */
  readonly shared: SharedBufferNumbers;
  readonly #hosts = new Map<number, Host>();
  /** Values that came over a port before anybody asked for them. */
  readonly #values = new Map<string, unknown>();
  /** Tasks whose data was sent to a host and that are not answered, by port key. */
  readonly #sent = new Map<string, number>();
  /** Those who wait for a host to send data to. */
  readonly #waiting: { resolve: (id: number) => void; reject: (error: Error) => void }[] = [];
  /** Hosts that the system has refused and that are not ready yet, by number: since when. */
  readonly #refusedSince = new Map<number, number>();
  /** Those of them that are to be tried again. */
  readonly #postponed = new Set<number>();
  #retry: NodeJS.Timeout | undefined;
  /** Hosts that ended one after another before they were ready. */
  #failedStarts = 0;
  #last = 0;
  #closed = false;

  constructor(
    private readonly native: typeof Native,
    private readonly handle: number,
    private readonly options: WorkerOptions,
    private readonly owner: HostsOwner,
  ) {
    this.shared = new SharedBufferNumbers(
      (number, buffer) => this.#tellAll({ kind: 'share', number, buffer }),
      (number) => this.#tellAll({ kind: 'drop', number }),
    );
  }

  /** Starts `count` hosts, which the engine asks for. */
  start(count: number): void {
    for (let i = 0; i < count && !this.#closed; i++) this.#start(true);
  }

  /** Ends a host that the engine has given up. */
  end(id: number): void {
    const host = this.#hosts.get(id);
    if (host === undefined) return;
    // The results that it sent before are on their way over the bridge.
    this.#receive(host.port);
    this.#hosts.delete(id);
    void host.worker.terminate();
    this.#assign();
  }

  /** Ends all of them; resolves when they have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(shutDown());
    clearTimeout(this.#retry);
    this.#postponed.clear();
    this.#refusedSince.clear();
    const ending = [...this.#hosts.values()].map((host) => host.worker.terminate());
    this.#hosts.clear();
    await Promise.all(ending);
  }

  /**
   * The number of a host to which the data of one task may be sent by port: one that has none, or the one with the least. Hosts
   * are started as long as all are busy and there may be more. The host is not ended for being idle until the data was
   * sent, or it was let go of.
   * Rejects with `ERR_PROCESSOR_WORKER_DIED` where hosts do not start, with `ERR_CORE_RESOURCES` where the system refuses them.
   */
  pick(): Promise<number> {
    if (this.#closed) return Promise.reject(shutDown());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#assign();
    });
  }

  /** Nothing is sent to a host that was picked. */
  letGo(id: number): void {
    const host = this.#hosts.get(id);
    if (host === undefined) return;
    host.bound--;
    this.native.processorHostHold(this.handle, id, false);
  }

  /**
   * Sends the data of a task to a host that was picked for it, moving what stands in `transferList`. `false`: the host has ended
   * meanwhile, and nothing was moved.
   * @throws TypeError `ERR_PROCESSOR_NOT_CLONEABLE`: what cannot be cloned or moved
   */
  send(
    id: number,
    group: number,
    index: number,
    value: unknown,
    transferList: readonly Transferable[],
  ): boolean {
    const host = this.#hosts.get(id);
    if (host === undefined) return false;
    const key = portKey(group, index);
    const message: ToHost = { kind: 'data', key, value };
    try {
      host.port.postMessage(message, transferList as Transferable[]);
    } catch (cause) {
      this.letGo(id);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw typeError('ERR_PROCESSOR_NOT_CLONEABLE', `the data cannot be moved to a worker: ${reason}`, {
        cause,
      });
    }
    this.#sent.set(key, id);
    return true;
  }

  /** Tasks of a group are answered, or will never be. */
  settled(group: number, index: number, count: number): void {
    if (this.#sent.size === 0) return;
    for (let i = index; i < index + count; i++) {
      const key = portKey(group, i);
      const host = this.#hosts.get(this.#sent.get(key) ?? 0);
      if (!this.#sent.delete(key) || host === undefined) continue;
      host.bound--;
      // Without effect where the task has run.
      tell(host.port, { kind: 'forget', key });
    }
    this.#assign();
  }

  /** The result of a task that came over a port. It was posted before the engine was told of it. */
  take(group: number, index: number): unknown {
    const key = portKey(group, index);
    if (!this.#values.has(key)) for (const host of this.#hosts.values()) this.#receive(host.port);
    const value = this.#values.get(key);
    this.#values.delete(key);
    return value;
  }

  /** Gives hosts to those who wait for one. */
  #assign(): void {
    while (this.#waiting.length > 0) {
      const [id, host] = this.#leastBound();
      if (host === undefined || host.bound > 0) {
        let starting = 0;
        for (const { state } of this.#hosts.values()) starting += Number(state === 'starting');
        const coming = starting + this.#postponed.size;
        if (coming < this.#waiting.length && this.#mayStart() && this.#start(false)) continue;
        // Those who still wait are served when the next host is ready.
        if (starting > 0 || host === undefined) return;
      }
      if (!this.native.processorHostHold(this.handle, id, true)) {
        host.state = 'ended';
        continue;
      }
      host.bound++;
      this.#waiting.shift()!.resolve(id);
    }
  }

  #leastBound(): [number, Host] | [0, undefined] {
    let best: [number, Host] | [0, undefined] = [0, undefined];
    for (const [id, host] of this.#hosts) {
      if (host.state === 'ready' && host.bound < (best[1]?.bound ?? Infinity)) best = [id, host];
    }
    return best;
  }

  #mayStart(): boolean {
    return !this.#closed && (this.#failedStarts < MOST_FAILED_STARTS || this.#hosts.size === 0);
  }

  /** Starts a host: one that the engine has asked for, or one more, if there may be one. */
  #start(asked: boolean): boolean {
    const key = this.native.processorKey(this.handle);
    if (key === null) return false; // it was closed
    const id = ++this.#last;
    if (!this.native.processorHostStarting(this.handle, id, asked)) return false;
    this.#launch(id, key);
    return true;
  }

  /** `false`: the system has refused it, and it is tried again later. */
  #launch(id: number, key: number): boolean {
    const { port1, port2 } = new MessageChannel();
    const workerData: HostData = { key, host: id, port: port2, directory: process.cwd() };
    let worker: Worker;
    try {
      worker = new Worker(join(__dirname, 'host.js'), {
        ...this.options,
        name: 'noizylab-host',
        workerData,
        transferList: [port2],
      });
    } catch (error) {
      port1.close();
      if (isRefusal(error)) {
        this.#postpone(id, error);
        return false;
      }
      this.#failedStarts++;
      this.#failed(id, error as Error);
      return true;
    }
    const host: Host = { worker, port: port1, state: 'starting', bound: 0, error: undefined };
    this.#hosts.set(id, host);
    for (const [number, buffer] of this.shared.entries()) tell(port1, { kind: 'share', number, buffer });
    port1.on('message', (message: FromHost) => this.#message(id, message));
    port1.unref();
    worker.on('error', (error: Error) => {
      host.error = error;
    });
    worker.on('exit', (code) => this.#exited(id, host, code));
    worker.unref();
    return true;
  }

  #message(id: number, message: FromHost): void {
    if (message.kind === 'data') {
      this.#values.set(message.key, message.value);
      return;
    }
    const host = this.#hosts.get(id);
    if (host === undefined) return;
    host.state = 'ready';
    this.#refusedSince.delete(id);
    this.#failedStarts = 0;
    this.#assign();
  }

  #receive(port: MessagePort): void {
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const message = got.message as FromHost;
      if (message.kind === 'data') this.#values.set(message.key, message.value);
    }
  }

  #exited(id: number, host: Host, code: number): void {
    // It may have sent results right before.
    this.#receive(host.port);
    host.port.close();
    const expected = !this.#hosts.delete(id);
    if (expected) return;
    if (host.state === 'starting' && isRefusal(host.error)) {
      this.#postpone(id, host.error);
      return;
    }
    if (host.state === 'starting') this.#failedStarts++;
    this.#failed(id, host.error ?? new Error(`the worker exited with code ${code}`));
  }

  /** The system has refused a host: it is tried again until those who wait have waited long enough. */
  #postpone(id: number, error: Error): void {
    if (this.#closed) return;
    const now = performance.now();
    const since = this.#refusedSince.get(id) ?? now;
    this.#refusedSince.set(id, since);
    this.#postponed.add(id);
    if (now - since >= PATIENCE_MS) {
      this.#giveUp(error);
      return;
    }
    const hasOthers = [...this.#hosts.values()].some(({ state }) => state === 'ready');
    // The tasks keep the process alive.
    this.#retry ??= setTimeout(() => this.#tryAgain(), hasOthers ? RETRY_SELDOM_MS : RETRY_MS).unref();
  }

  #tryAgain(): void {
    this.#retry = undefined;
    const key = this.native.processorKey(this.handle);
    if (key === null) return; // it was closed
    for (const id of this.#postponed) {
      this.#postponed.delete(id);
      // Where one is refused the others are not tried.
      if (!this.#launch(id, key)) return;
    }
  }

  #giveUp(error: Error): void {
    const ids = [...this.#postponed];
    this.#postponed.clear();
    for (const id of ids) {
      this.#refusedSince.delete(id);
      this.native.processorHostRefused(this.handle, id, systemCodeOf(error), error.message);
      this.owner.hostFailed(id, error);
    }
    if (this.#hosts.size > 0) return;
    for (const { reject } of this.#waiting.splice(0)) reject(refusedThread(error));
  }

  #failed(id: number, error: Error): void {
    this.#refusedSince.delete(id);
    this.native.processorHostLost(this.handle, id, error.message);
    this.owner.hostFailed(id, error);
    if (this.#waiting.length === 0) return;
    // Whoever waits for a host gets the next one, unless hosts do not start at all.
    if (this.#hosts.size > 0 || this.#failedStarts < MOST_FAILED_STARTS) {
      this.#assign();
      return;
    }
    const died = new NoizylabError('ERR_PROCESSOR_WORKER_DIED', `no worker starts: ${error.message}`, {
      cause: error,
    });
    for (const { reject } of this.#waiting.splice(0)) reject(died);
  }

  #tellAll(message: ToHost): void {
    for (const host of this.#hosts.values()) tell(host.port, message);
  }
}

function shutDown(): NoizylabError {
  return new NoizylabError('ERR_PROCESSOR_SHUT_DOWN', 'the processor was shut down');
}

function tell(port: MessagePort, message: ToHost): void {
  port.postMessage(message);
}
