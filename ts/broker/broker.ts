/**
 * A broker: its socket, its store and all that clients ask of it live in the engine, on threads of its own. What stands here is what its owner
 * sees: starting and stopping, log lines, signals, and a command that runs beside it.
 */
import { type Channel, type FrameView, getBridge, RecordKind } from '../bridge/bridge';
import { readFrame } from '../bridge/frame';
import { crossing } from '../bridge/native';
import { decodeError } from '../bridge/wire-error';
import { NoizylabError } from '../errors';
import type { ChildProcess } from 'node:child_process';
import { type BrokerConfig, type BrokerOptions, readBrokerOptions } from './broker-options';
import { Child } from './child';
import { Log, type LogFields, type LogLevel } from './log';
import { makePipePath } from './pipe';
import { handleSignals, ignoreSignals } from './signals';
import { read } from './values';

/** Options of `spawn`. */
export interface SpawnOptions {
  /** End this process with the command's exit code when the command ends. Default: true. */
  exit?: boolean | undefined;
}

/** What a broker has counted. */
export interface BrokerMetrics {
  /** Requests by action, and all. */
  readonly requests: { readonly total: number; readonly [action: string]: number };
  /** Refused requests by error, and all. */
  readonly errors: { readonly total: number; readonly [error: string]: number };
  /** Milliseconds from reading a request to its answer. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Requests and failures by action. */
  readonly operations: Readonly<Record<string, { readonly total: number; readonly errors: number }>>;
  readonly compression: {
    readonly compressed: number;
    readonly uncompressed: number;
    readonly bytesBeforeCompression: number;
    readonly bytesAfterCompression: number;
    readonly ratio: number;
  };
  /** What has expired. */
  readonly storage: { readonly itemsExpired: number; readonly leasesExpired: number };
}

interface Report extends BrokerMetrics {
  readonly inFlight: number;
  readonly lastActivity: number;
}

/** A start or a drain that somebody waits for. */
interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

const EMPTY: Report = {
  requests: { total: 0 },
  errors: { total: 0 },
  latency: { p50: 0, p95: 0, p99: 0 },
  operations: {},
  compression: {
    compressed: 0,
    uncompressed: 0,
    bytesBeforeCompression: 0,
    bytesAfterCompression: 0,
    ratio: 0,
  },
  storage: { itemsExpired: 0, leasesExpired: 0 },
  inFlight: 0,
  lastActivity: 0,
};
const PIPE = 'EPHEMERAL_PIPE';
const DRAIN_MS = 5000;

/**
 * A server that keeps values for a while, for this process, its threads and other processes.
 *
 * A started broker keeps its process alive, until `stop()` or `unref()`. It ends with the thread that started it.
 */
export class Broker {
  /** The options with all defaults filled in. */
  readonly options: BrokerConfig;
  /** Where it listens once it is started. */
  readonly pipe: string;
  readonly #log: Log;
  readonly #channel: Channel;
  readonly #interruptible = {
    interrupt: (signal: NodeJS.Signals): Promise<number | undefined> => this.#interrupt(signal),
    abandon: (): void => {
      this.#child?.kill();
      this.stop();
    },
  };
  /** The engine's number for the running broker. */
  #handle: number | undefined;
  #isReferenced = false;
  #starting: Waiting<string> | undefined;
  #draining: (Waiting<void> & { readonly done: Promise<void>; readonly timeout: number }) | undefined;
  #hasDrained = false;
  #startTime: number | null = null;
  #child: Child | undefined;
  #last = EMPTY;

  /**
   * @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE`: an option, or a variable of the environment
   * @throws RangeError `ERR_BROKER_PATH_TOO_LONG`: the folder for temporary files has too long a name for a socket
   */
  constructor(options?: BrokerOptions) {
    this.options = readBrokerOptions(options);
    this.pipe = makePipePath(this.options.pipeId);
    this.#log = new Log(this.options.logLevel, this.options.structuredLogging);
    this.#channel = {
      record: (kind, _group, index, _count, frame) => this.#record(kind, index, frame),
    };
  }

  /** Whether it listens. */
  get running(): boolean {
    return this.#startTime !== null;
  }

  /** Whether new clients are turned away. */
  get draining(): boolean {
    return this.#draining !== undefined || this.#hasDrained;
  }

  /** When it was started, in milliseconds since 1970; `null` while it does not run. */
  get startTime(): number | null {
    return this.#startTime;
  }

  /** When somebody asked last, in milliseconds since 1970; 0: nobody has. */
  get lastActivity(): number {
    return this.#report().lastActivity;
  }

  /** Number of requests that are being handled. */
  get inFlightRequests(): number {
    return this.#handle === undefined ? 0 : this.#report().inFlight;
  }

  /** What it has counted; after it was stopped, until then. */
  get metrics(): BrokerMetrics {
    const { inFlight: _, lastActivity: __, ...metrics } = this.#report();
    return metrics;
  }

  /** The command that `spawn` has started last. */
  get child(): ChildProcess | undefined {
    return this.#child?.process;
  }

  /**
   * Starts the server and sets `process.env.EPHEMERAL_PIPE`.
   *
   * @returns the path of the socket, or the name of the pipe
   * @throws NoizylabError 'Broker already running' (`ERR_BROKER_ALREADY_RUNNING`): this one, or another one there;
   *   `ERR_BROKER_NOT_A_SOCKET`, `ERR_BROKER_UNSAFE_DIRECTORY`, `ERR_BROKER_PATH_TOO_LONG`; `ERR_BROKER_LISTEN`: the system refused, `cause` says why;
   *   `ERR_BROKER_STOPPED`: by `stop()` before it listened
   */
  async start(): Promise<string> {
    if (this.#handle !== undefined)
      throw new NoizylabError('ERR_BROKER_ALREADY_RUNNING', 'Broker already running');
    const bridge = getBridge();
    const { options } = this;
    const handle = crossing(() =>
      bridge.native.brokerStart(bridge.load, {
        ...options,
        pipe: this.pipe,
        secret: options.secret ?? '',
        idleTimeout: options.idleTimeout ?? 0,
        heartbeatInterval: options.heartbeatInterval ?? 0,
        spinMicroseconds: options.busyPoll,
        level: this.#log.level,
      }),
    );
    if (handle === null) throw new NoizylabError('ERR_BROKER_STOPPED', 'this thread is ending');
    this.#handle = handle;
    this.#hasDrained = false;
    bridge.open(handle, this.#channel);
    this.ref();
    const pipe = await new Promise<string>((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    if (options.handleSignals) this.setupSignalHandlers();
    return pipe;
  }

  /**
   * Turns new clients away and waits for the requests in flight. Requests of clients that are connected are served until `stop()`.
   *
   * @param timeout milliseconds to wait at most. Default: 5000
   * @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE`
   */
  async drain(timeout: number = DRAIN_MS): Promise<void> {
    const limit = read.number('timeout', timeout, DRAIN_MS, { min: 0, orInfinity: true });
    if (!this.running || this.#hasDrained) return;
    if (this.#draining === undefined) {
      this.#log.write('info', 'Draining connections', { inFlight: this.inFlightRequests });
      const { promise: done, resolve, reject } = withResolvers<void>();
      this.#draining = { done, resolve, reject, timeout: limit };
      getBridge().native.brokerDrain(this.#handle!, limit);
    }
    await this.#draining.done;
  }

  /** Stops at once: closes the socket and all connections, forgets all values and leases, and removes its own socket file. */
  stop(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    const bridge = getBridge();
    this.#last = this.#report();
    bridge.native.brokerStop(handle);
    bridge.flush();
    const wasRunning = this.running;
    this.#forget(handle);
    if (process.env[PIPE] === this.pipe) delete process.env[PIPE];
    this.#starting?.reject(
      new NoizylabError('ERR_BROKER_STOPPED', 'the broker was stopped before it listened'),
    );
    this.#starting = undefined;
    this.#draining?.resolve();
    this.#draining = undefined;
    if (wasRunning) this.#log.write('info', 'Broker stopped and cleaned up');
  }

  /**
   * Runs a command that finds the broker in its environment (`EPHEMERAL_PIPE`, and `EPHEMERAL_SECRET` where there is one). When it ends, the broker
   * stops, and this process ends with the command's exit code: 128 and its number where a signal ended it, 127 where there is no such command.
   *
   * @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE`
   * @throws NoizylabError `ERR_BROKER_NOT_RUNNING`, `ERR_BROKER_HAS_CHILD`: a command is running already
   */
  spawn(command: string, args: readonly string[] = [], options?: SpawnOptions): ChildProcess {
    read.text('command', command);
    read.array('args', args);
    const exit = read.boolean('exit', read.object('options', options).exit, true);
    if (!this.running)
      throw new NoizylabError('ERR_BROKER_NOT_RUNNING', 'start the broker before it runs a command');
    if (this.#child !== undefined)
      throw new NoizylabError('ERR_BROKER_HAS_CHILD', 'the broker runs a command already');
    const environment: NodeJS.ProcessEnv = { ...process.env, [PIPE]: this.pipe };
    delete environment['BROKER_SECRET'];
    if (this.options.secret !== null) environment['EPHEMERAL_SECRET'] = this.options.secret;
    const child = new Child(command, args, environment, this.#log);
    this.#child = child;
    void child.ended.then((code) => {
      this.#child = undefined;
      this.stop();
      if (exit) process.exit(code);
    });
    return child.process;
  }

  /**
   * SIGINT, SIGTERM and SIGHUP drain and stop the broker; then the process ends, if nobody else listens for the signal. `start()` does this unless
   * `handleSignals` is false.
   */
  setupSignalHandlers(): void {
    if (!handleSignals(this.#interruptible))
      this.#log.write('debug', 'Signal handlers already configured, skipping setup');
  }

  /** Drops all that has expired now, as is done every `sweeperInterval`; how many items and leases. */
  sweepExpired(): { items: number; leases: number } {
    const [items = 0, leases = 0] =
      this.#handle === undefined ? [] : (getBridge().native.brokerSweep(this.#handle) ?? []);
    return { items, leases };
  }

  /** The broker keeps the process alive while it runs: so it is from the start. */
  ref(): this {
    if (this.#handle !== undefined && !this.#isReferenced) {
      this.#isReferenced = true;
      getBridge().retain(this.#channel);
    }
    return this;
  }

  /** The process may end though the broker runs. */
  unref(): this {
    if (this.#isReferenced) {
      this.#isReferenced = false;
      getBridge().release(this.#channel);
    }
    return this;
  }

  /** `drain()`, then `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
    this.stop();
  }

  #forget(handle: number): void {
    this.unref();
    ignoreSignals(this.#interruptible);
    getBridge().close(handle);
    this.#handle = undefined;
    this.#startTime = null;
    this.#hasDrained = false;
  }

  #report(): Report {
    if (this.#handle === undefined) return this.#last;
    const report = getBridge().native.brokerReport(this.#handle);
    return report === null ? this.#last : (JSON.parse(report) as Report);
  }

  async #interrupt(signal: NodeJS.Signals): Promise<number | undefined> {
    this.#log.write('info', 'Received shutdown signal', { signal });
    // The end of the command ends the broker.
    const code = await this.#child?.interrupt(signal);
    await this.drain();
    this.stop();
    return code;
  }

  #record(kind: number, index: number, frame: FrameView): void {
    let value: unknown;
    readFrame(frame, undefined, (one) => (value = one));
    switch (kind) {
      case RecordKind.brokerLog: {
        const { level, message, fields } = value as { level: LogLevel; message: string; fields: LogFields };
        this.#log.write(level, message, fields);
        return;
      }
      case RecordKind.brokerStarted:
        this.#onStarted(index === 1, value as string);
        return;
      case RecordKind.brokerDrained:
        this.#onDrained(index === 1, Number(value));
        return;
      default:
        this.#onIdle(Number(value));
    }
  }

  #onStarted(listens: boolean, text: string): void {
    const starting = this.#starting;
    this.#starting = undefined;
    if (!listens) {
      const handle = this.#handle!;
      getBridge().native.brokerStop(handle);
      this.#forget(handle);
      starting?.reject(decodeError(text, undefined));
      return;
    }
    this.#startTime = Date.now();
    process.env[PIPE] = this.pipe;
    this.#log.write('info', 'Broker started', { pipe: this.pipe });
    starting?.resolve(this.pipe);
  }

  #onDrained(isComplete: boolean, inFlight: number): void {
    const draining = this.#draining;
    if (draining === undefined) return;
    this.#draining = undefined;
    this.#hasDrained = true;
    if (isComplete) this.#log.write('info', 'Drain complete');
    else this.#log.write('warn', 'Drain timeout exceeded', { inFlight, timeout: draining.timeout });
    draining.resolve();
  }

  #onIdle(idleTime: number): void {
    this.#log.write('info', 'Idle timeout exceeded, shutting down', {
      idleTime,
      timeout: this.options.idleTimeout,
    });
    void this[Symbol.asyncDispose]();
  }
}

function withResolvers<T>(): Waiting<T> & { promise: Promise<T> } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
