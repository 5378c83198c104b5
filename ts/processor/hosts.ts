/**
 * The worker isolates of a processor, seen from the isolate that owns it: it starts and ends them, and passes on what only a
 * message port can carry. What they run, they take from the engine.
 */
import { join } from 'node:path';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
  type WorkerOptions,
} from 'node:worker_threads';
import type { Native } from '../bridge/native';
import { NoizylabError } from '../errors';
import { portKey, type FromHost, type HostData, type ToHost } from './messages';
import { SharedBufferNumbers } from './shared-buffers';
import type { Transferable } from './types';

const MOST_FAILED_STARTS = 3;

interface Host {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** The engine knows it. */
  ready: boolean;
  /** Tasks whose data went to it. */
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
  readonly #waitingForReady: { resolve: (id: number) => void; reject: (error: Error) => void }[] = [];
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

  /** Starts `count` hosts. */
  start(count: number): void {
    for (let i = 0; i < count && !this.#closed; i++) this.#start();
  }

  /** Ends a host that the engine has given up. */
  end(id: number): void {
    const host = this.#hosts.get(id);
    this.#hosts.delete(id);
    if (host !== undefined) void host.worker.terminate();
  }

  /** Ends all of them; resolves when they have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waitingForReady.splice(0)) {
      reject(new NoizylabError('ERR_PROCESSOR_SHUT_DOWN', 'the processor was shut down'));
    }
    const ending = [...this.#hosts.values()].map((host) => host.worker.terminate());
    this.#hosts.clear();
    await Promise.all(ending);
  }

  /**
   * The number of a host to which data may be sent by port: the one with the least of it. Starts one if there is none.
   * Rejects with `ERR_PROCESSOR_WORKER_DIED` where hosts do not start.
   */
  async pick(): Promise<number> {
    let best: number | undefined;
    let least = Infinity;
    for (const [id, host] of this.#hosts) {
      if (host.ready && host.bound < least) [best, least] = [id, host.bound];
    }
    if (best !== undefined) return best;
    return new Promise((resolve, reject) => {
      this.#waitingForReady.push({ resolve, reject });
      if (this.#hosts.size === 0) this.#start();
    });
  }

  /**
   * Sends the data of a task to a host, moving what stands in `transferList`.
   * @throws DataCloneError what cannot be cloned or moved
   */
  send(
    id: number,
    group: number,
    index: number,
    value: unknown,
    transferList: readonly Transferable[],
  ): void {
    const host = this.#hosts.get(id);
    if (host === undefined) return; // it has just ended; the engine will say so of the task
    const key = portKey(group, index);
    const message: ToHost = { kind: 'data', key, value };
    host.port.postMessage(message, transferList as Transferable[]);
    host.bound++;
    this.#sent.set(key, id);
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
  }

  /** The result of a task that came over a port. It was posted before the engine was told of it. */
  take(group: number, index: number): unknown {
    const key = portKey(group, index);
    if (!this.#values.has(key)) for (const host of this.#hosts.values()) this.#receive(host.port);
    const value = this.#values.get(key);
    this.#values.delete(key);
    return value;
  }

  #start(): void {
    const id = ++this.#last;
    const { port1, port2 } = new MessageChannel();
    const key = this.native.processorKey(this.handle);
    if (key === null) return; // it was closed
    const workerData: HostData = { key, host: id, port: port2, directory: process.cwd() };
    this.native.processorHostStarting(this.handle, id);
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
      this.#failedStarts++;
      this.#failed(id, error as Error);
      return;
    }
    const host: Host = { worker, port: port1, ready: false, bound: 0, error: undefined };
    this.#hosts.set(id, host);
    for (const [number, buffer] of this.shared.entries()) tell(port1, { kind: 'share', number, buffer });
    port1.on('message', (message: FromHost) => this.#message(id, message));
    port1.unref();
    worker.on('error', (error: Error) => {
      host.error = error;
    });
    worker.on('exit', (code) => this.#exited(id, host, code));
    worker.unref();
  }

  #message(id: number, message: FromHost): void {
    if (message.kind === 'data') {
      this.#values.set(message.key, message.value);
      return;
    }
    const host = this.#hosts.get(id);
    if (host === undefined) return;
    host.ready = true;
    this.#failedStarts = 0;
    for (const { resolve } of this.#waitingForReady.splice(0)) resolve(id);
  }

  #receive(port: MessagePort): void {
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const message = got.message as FromHost;
      if (message.kind === 'data') this.#values.set(message.key, message.value);
    }
  }

  #exited(id: number, host: Host, code: number): void {
    host.port.close();
    const expected = !this.#hosts.delete(id);
    if (expected) return;
    if (!host.ready) this.#failedStarts++;
    this.#failed(id, host.error ?? new Error(`the worker exited with code ${code}`));
  }

  #failed(id: number, error: Error): void {
    this.native.processorHostLost(this.handle, id, error.message);
    this.owner.hostFailed(id, error);
    if (this.#waitingForReady.length === 0 || this.#hosts.size > 0) return;
    // Whoever waits for a host gets the next one, unless hosts do not start at all.
    if (this.#failedStarts < MOST_FAILED_STARTS && !this.#closed) {
      this.#start();
      return;
    }
    const died = new NoizylabError('ERR_PROCESSOR_WORKER_DIED', `no worker starts: ${error.message}`, {
      cause: error,
    });
    for (const { reject } of this.#waitingForReady.splice(0)) reject(died);
  }

  #tellAll(message: ToHost): void {
    for (const host of this.#hosts.values()) tell(host.port, message);
  }
}

function tell(port: MessagePort, message: ToHost): void {
  port.postMessage(message);
}
