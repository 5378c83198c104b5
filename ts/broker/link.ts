/**
 * The link of a client to its broker: it connects at first use, keeps the connection, connects anew when that was lost, and brings
 * each answer to whom it is for.
 *
 * Requests are written as frames at once, and leave together when the turn of the event loop ends. What waits for a connection leaves in the
 * order in which it was asked for. One timer looks after all timeouts.
 */
import { performance } from 'node:perf_hooks';
import { decodeError } from '../bridge/wire-error';
import { fromError } from '../cache/thrown';
import { NoizylabError } from '../errors';
import { onAbort } from '../parallel/abort';
import { Alarm } from './alarm';
import { Attempts, isTransient } from './attempts';
import { readTimeout, type ClientConfig, type RequestOptions } from './client-options';
import type { Connection, Host } from './connection';
import { BrokerError, connectionLost, refusal, timedOut } from './errors';
import { Answer, FrameWriter, HEADER, Kind, UNANSWERED } from './frames';
import { KeepAlive } from './keep-alive';
import { packed } from './packed';
import { Pending, State, Turn, type ReadAnswer, type Slot } from './pending';
import { read, Tag } from './values';

// Kept from before a test suite may replace it: the link must not stop then.
const nextTick = process.nextTick.bind(process);

/** Requests that do the same when they are sent a second time, because nobody knows whether they arrived. */
const REPEATABLE = new Set<number>([
  Kind.get,
  Kind.set,
  Kind.del,
  Kind.mget,
  Kind.mset,
  Kind.lease,
  Kind.renew,
  Kind.begin,
  Kind.watch,
  Kind.ping,
]);
/** Requests that the broker may let wait: they are taken back when nobody waits for them any more. */
const LASTING = new Set<number>([Kind.lease, Kind.begin, Kind.watch]);

/** What a request that the broker answers with COMPUTE resolves to. */
export const COMPUTE = Symbol('compute');

// A promise hands its functions to a callback; this one is made once instead of once for each request.
let lastResolve: (value: unknown) => void;
let lastReject: (error: unknown) => void;
const takeSettlers = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  lastResolve = resolve;
  lastReject = reject;
};

// What a request was answered that was answered at once.
const Outcome = { none: 0, value: 1, error: 2 } as const;
let outcome: number = Outcome.none;
let kept: unknown;
const keepValue = (value: unknown): void => {
  outcome = Outcome.value;
  kept = value;
};
const keepError = (error: unknown): void => {
  outcome = Outcome.error;
  kept = error;
};

/** The requests of one client, and the connection that they go over. */
export class Link implements Host {
  /** Where the frame is written between `begin` and `end`. */
  readonly writer = new FrameWriter();
  oneAtATime = false;
  readonly #pending = new Pending();
  readonly #waiting = new Set<Slot>();
  #connection: Connection | undefined;
  #writing: Slot | undefined;
  #signal: AbortSignal | undefined;
  #turn = new Turn();
  #turnEnds = false;
  readonly #alive = new KeepAlive((on) => this.#connection?.hold(on));
  readonly #alarm = new Alarm(() => this.#giveUpLate());
  readonly #attempts: Attempts;
  /** Requests to take back when the turn ends. */
  #withdrawn: number[] = [];
  /** A listener is told of an event: the writer's memory may hold it. */
  #telling = false;
  #closed = false;
  #retiring = false;
  readonly #endTurn = (): void => this.#finishTurn();

  constructor(
    readonly pipe: string,
    readonly config: ClientConfig,
  ) {
    this.#attempts = new Attempts(pipe, config, this, this.#waiting);
  }

  /**
   * Begins a request: the frame up to its key. What else it has is written to `writer`, then comes `end`.
   * @throws `signal.reason`; NoizylabError `ERR_BROKER_CLOSED`, `ERR_BROKER_TOO_MANY_PENDING`; what is wrong with the options
   */
  begin(kind: number, tag: number, key: string, options: RequestOptions | undefined): Slot {
    let { timeout } = this.config;
    let signal: AbortSignal | undefined;
    if (options !== undefined) {
      const given = read.object('options', options);
      timeout = readTimeout(given.timeout, timeout);
      signal = read.signal('signal', given.signal);
      if (signal?.aborted) throw signal.reason;
    }
    if (this.#closed) throw closed();
    if (timeout === 0) throw usedUp();
    // A frame that was begun and could not be written.
    if (this.#writing !== undefined) this.#pending.free(this.#writing);
    const slot = this.#pending.take();
    this.#writing = slot;
    this.#signal = signal;
    slot.kind = kind;
    slot.key = key;
    slot.timeout = timeout;
    slot.repeatable = REPEATABLE.has(kind);
    this.writer.begin(slot.number, kind, tag, key);
    return slot;
  }

  /** Sends the request that was begun. @param read reads its result from the answer */
  end(slot: Slot, readAnswer: ReadAnswer): Promise<unknown> {
    const { writer } = this;
    writer.complete();
    this.#writing = undefined;
    slot.bytes = writer.bytes;
    slot.start = writer.start;
    slot.end = writer.end;
    slot.read = readAnswer;
    if (this.#signal !== undefined) this.#listen(slot, this.#signal);
    const connection = this.#connection;
    if (connection?.done) return this.#exchange(slot, connection);
    const answer = this.#promise(slot);
    // Nobody but the broker that asked for a computation expects its outcome.
    if (connection === undefined && slot.kind === Kind.land) this.refuse(slot, connectionLost());
    else if (connection === undefined) this.#waiting.add(slot);
    else this.#send(slot, connection);
    if (slot.state === State.open) this.#await(slot);
    return answer;
  }

  /** Takes a request back. If it was not answered it rejects with `error`; of one that goes on, nothing is told any more. */
  withdraw(slot: Slot, error: unknown): void {
    this.#giveUp(slot, error);
    if (slot.state !== State.lasting) return;
    slot.state = State.abandoned;
    slot.listener = undefined;
    this.#sendCancel(slot);
    if (slot.kind === Kind.begin) this.#pending.free(slot);
    this.#retireIfIdle();
  }

  /** A computation is over: the number of its request may be used again. */
  landed(slot: Slot): void {
    if (slot.state === State.lasting) this.#pending.free(slot);
  }

  /** Whether somebody waits for the events of a request keeps the process alive. */
  hold(slot: Slot, on: boolean): void {
    if (on && slot.state === State.lasting && !slot.held) this.#alive.hold(slot);
    else if (!on) this.#alive.release(slot);
  }

  /** Ends the link; what is pending rejects with `ERR_BROKER_CLOSED`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#attempts.stop();
    this.#alarm.stop();
    const connection = this.#connection;
    this.#connection = undefined;
    for (const slot of this.#pending.slots) {
      if (slot.state === State.open) this.refuse(slot, closed());
      else if (slot.state === State.lasting) slot.listener?.ended(closed());
    }
    connection?.close();
  }

  /** Nobody will ask any more: closes once nothing is pending. */
  retire(): void {
    this.#retiring = true;
    this.#retireIfIdle();
  }

  ready(connection: Connection): void {
    this.#attempts.over();
    this.#connection = connection;
    const waiting = [...this.#waiting].toSorted((a, b) => a.order - b.order);
    this.#waiting.clear();
    for (const slot of waiting) {
      if (connection.done) ownFrame(slot);
      if (this.#connection === connection) this.#send(slot, connection);
      else this.#waiting.add(slot);
    }
    this.writer.reuse = this.#connection?.done ?? false;
    this.#connection?.flush();
    this.#connection?.hold(this.#alive.on);
  }

  failed(error: Error): void {
    this.#attempts.failed(error);
  }

  lost(connection: Connection, error: Error): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#withdrawn = [];
    this.writer.reuse = false;
    connection.close();
    const again = new Set<Slot>();
    for (const slot of this.#pending.slots) {
      if (slot.state === State.free || slot === this.#writing || this.#waiting.has(slot)) continue;
      const { listener, state } = slot;
      if (state !== State.open) {
        this.#finish(slot);
        listener?.ended(connectionLost(error));
      } else if (slot.kind !== Kind.land && (!slot.sent || (slot.repeatable && isTransient(error)))) {
        if (slot.sent) again.add(slot);
        slot.sent = false;
        this.#waiting.add(slot);
      } else {
        this.refuse(slot, isTransient(error) ? connectionLost(error) : error);
      }
    }
    this.#attempts.again(error, again);
  }

  answer(bytes: Buffer, at: number, end: number): void {
    const slot = this.#pending.find(bytes.readInt32LE(at + 4));
    if (slot === undefined) return;
    const tag = bytes[at + 9]!;
    const from = at + HEADER;
    switch (bytes[at + 8]) {
      case Answer.ok:
        this.#accept(slot, tag, bytes, from, end);
        break;
      case Answer.error: {
        const text = bytes.toString('utf8', from, end);
        // The connection is about to end, and then it is asked for again.
        if (text === 'stopped' && slot.state === State.open && isHarmless(slot)) break;
        this.refuse(slot, tag === Tag.error ? fromError(decodeError(text, undefined)) : refusal(text));
        break;
      }
      case Answer.compute:
        this.#compute(slot);
        break;
      case Answer.event:
        this.#telling = true;
        slot.listener?.event(bytes, at, end);
        this.#telling = false;
        break;
      case Answer.end: {
        const { listener } = slot;
        this.#finish(slot);
        listener?.ended(refusal(bytes.toString('utf8', from, end)));
      }
    }
  }

  succeed(slot: Slot, value: unknown): void {
    const { resolve } = slot;
    this.#finish(slot);
    this.debug('Response: ok');
    resolve(value);
  }

  refuse(slot: Slot, error: unknown): void {
    const { reject, listener, state } = slot;
    this.#waiting.delete(slot);
    this.#finish(slot);
    if (error instanceof BrokerError) this.debug(`Response: ${error.message}`);
    if (state === State.lasting) listener?.ended(error as Error);
    else reject(error);
  }

  debug(text: string): void {
    // oxlint-disable-next-line no-console -- that is what the option `debug` asks for
    if (this.config.debug) console.log(`[client] ${text}`);
  }

  #promise(slot: Slot): Promise<unknown> {
    const answer = new Promise(takeSettlers);
    slot.resolve = lastResolve;
    slot.reject = lastReject;
    return answer;
  }

  /** Sends a request that is likely to be answered before this returns: a promise that is settled from the start costs a third of another. */
  #exchange(slot: Slot, connection: Connection): Promise<unknown> {
    outcome = Outcome.none;
    slot.resolve = keepValue;
    slot.reject = keepError;
    this.#send(slot, connection);
    const settled = kept;
    kept = undefined;
    if (outcome === Outcome.value) return Promise.resolve(settled);
    if (outcome === Outcome.error) return Promise.reject(settled);
    const answer = this.#promise(slot);
    this.#await(slot);
    return answer;
  }

  #send(slot: Slot, connection: Connection): void {
    if (slot.end - slot.start > connection.maxValueSize && !this.#fit(slot, connection)) return;
    if (!connection.send(slot.bytes, slot.start, slot.end, slot)) this.#waiting.add(slot);
  }

  /** Makes a long frame one that the broker takes, or refuses it. */
  #fit(slot: Slot, connection: Connection): boolean {
    if (this.config.compression) {
      const shorter = packed(slot.bytes.subarray(slot.start, slot.end), connection.maxValueSize);
      if (shorter !== undefined) {
        slot.bytes = shorter;
        slot.start = 0;
        slot.end = shorter.length;
      }
    }
    if (slot.end - slot.start <= connection.maxRequestSize) return true;
    this.refuse(slot, refusal('too_large'));
    return false;
  }

  /** A request was sent, or waits to be: somebody waits for its answer. */
  #await(slot: Slot): void {
    // The frame of a request that may wait for long must not keep a whole chunk; one that was handed over will be overwritten.
    if (this.writer.reuse || LASTING.has(slot.kind)) ownFrame(slot);
    this.#alive.hold(slot);
    const turn = this.#turn;
    slot.turn = turn;
    if (slot.timeout < turn.soonest) turn.soonest = slot.timeout;
    this.#endTurnLater();
  }

  #endTurnLater(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    nextTick(this.#endTurn);
  }

  #finishTurn(): void {
    this.#turnEnds = false;
    if (this.#withdrawn.length > 0) this.#writeCancels();
    this.#connection?.flush();
    const turn = this.#turn;
    turn.at = performance.now();
    this.#turn = new Turn();
    this.#alarm.at(turn.at + turn.soonest, turn.at);
    if (this.#waiting.size > 0 && this.#connection === undefined) this.#attempts.connect();
  }

  #listen(slot: Slot, signal: AbortSignal): void {
    this.#signal = undefined;
    slot.release = onAbort(signal, () => this.#giveUp(slot, signal.reason));
  }

  #accept(slot: Slot, tag: number, bytes: Buffer, from: number, to: number): void {
    if (slot.state === State.abandoned) {
      const { late } = slot;
      this.#finish(slot);
      late?.(tag, bytes, from, to);
      return;
    }
    if (slot.state !== State.open) return;
    let value: unknown;
    try {
      value = slot.read(tag, bytes, from, to, slot);
    } catch (error) {
      this.refuse(slot, error);
      return;
    }
    if (slot.listener === undefined) this.succeed(slot, value);
    else this.#last(slot, value);
  }

  #compute(slot: Slot): void {
    if (slot.state === State.open) this.#last(slot, COMPUTE);
    else if (slot.state === State.abandoned) this.#finish(slot);
  }

  /** The request was answered, and goes on. */
  #last(slot: Slot, value: unknown): void {
    const { resolve } = slot;
    slot.state = State.lasting;
    slot.release?.();
    slot.release = undefined;
    this.#alive.release(slot);
    resolve(value);
  }

  /** Its caller does not wait any more. */
  #giveUp(slot: Slot, error: unknown): void {
    if (slot.state !== State.open) return;
    const { reject } = slot;
    this.#waiting.delete(slot);
    // First of all: the broker may answer at once that it was cancelled.
    reject(error);
    if (slot.sent) {
      slot.state = State.abandoned;
      slot.release?.();
      slot.release = undefined;
      this.#alive.release(slot);
      this.#sendCancel(slot);
    } else {
      this.#finish(slot);
    }
    if (this.#waiting.size === 0) this.#attempts.stop();
  }

  #sendCancel({ kind, number }: Slot): void {
    if (this.#connection === undefined || !LASTING.has(kind)) return;
    this.#withdrawn.push(number);
    if (this.#telling) this.#endTurnLater();
    else this.#writeCancels();
  }

  #writeCancels(): void {
    const { writer } = this;
    for (const number of this.#withdrawn.splice(0)) {
      writer.begin(UNANSWERED, Kind.cancel, Tag.none, '');
      writer.uint32(number);
      writer.complete();
      this.#connection?.send(writer.bytes, writer.start, writer.end, undefined);
    }
    this.#endTurnLater();
  }

  #giveUpLate(): void {
    const now = performance.now();
    let next = Infinity;
    for (const slot of this.#pending.slots) {
      // What was asked for in this very turn is looked after when the turn ends.
      if (slot.state !== State.open || Number.isNaN(slot.turn.at)) continue;
      const due = slot.turn.at + slot.timeout;
      if (due <= now) this.#giveUp(slot, timedOut());
      else if (due < next) next = due;
    }
    this.#alarm.at(next, now);
  }

  #finish(slot: Slot): void {
    this.#alive.release(slot);
    if (slot.release !== undefined) {
      slot.release();
      slot.release = undefined;
    }
    this.#pending.free(slot);
    if (this.#retiring) this.#retireIfIdle();
  }

  #retireIfIdle(): void {
    if (!this.#retiring || this.#closed) return;
    if (this.#pending.slots.every((slot) => slot.state === State.free)) this.close();
  }
}

/** It may be sent a second time, and is answered at once. */
function isHarmless({ repeatable, kind }: Slot): boolean {
  return repeatable && !LASTING.has(kind);
}

/** Gives a request a frame that stands nowhere else. */
function ownFrame(slot: Slot): void {
  slot.bytes = Buffer.from(slot.bytes.subarray(slot.start, slot.end));
  slot.end -= slot.start;
  slot.start = 0;
}

function closed(): NoizylabError {
  return new NoizylabError('ERR_BROKER_CLOSED', 'this client was closed');
}

/** The error where there is no time for a first attempt; its text and code are those of the original. */
function usedUp(): Error {
  return Object.assign(new Error('Request timeout after 0ms (0 attempts). Last error: unknown'), {
    code: 'ETIMEOUT',
  });
}
