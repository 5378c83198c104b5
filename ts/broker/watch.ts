/** A watch: what happens to the keys of a prefix, as an async iterable. */
import { types } from 'node:util';
import { onAbort } from '../parallel/abort';
import { LinkedQueue } from '../parallel/linked-queue';
import { readNothing } from './answers';
import type { WatchEvent } from './client-types';
import { refusal } from './errors';
import { HEADER, Kind } from './frames';
import type { Link } from './link';
import type { Listener, Slot } from './pending';
import { decode, Tag } from './values';

const TYPES = ['set', 'set', 'deleted', 'expired'] as const;
/** Most bytes of events that wait to be read. */
const MOST_BYTES = 64 * 1024 * 1024;

interface Queued<T> {
  readonly event: WatchEvent<T>;
  readonly bytes: number;
}

interface Reader<T> {
  resolve(
    result: IteratorResult<WatchEvent<T>, undefined> | PromiseLike<IteratorResult<WatchEvent<T>, undefined>>,
  ): void;
  reject(error: unknown): void;
}

/**
 * The events of a watch, in their order and without a gap: whoever does not read them in time gets `watch_overflow` instead of those
 * that were missed, once what came before is read. It keeps the process alive only while somebody waits for the next event.
 */
export class Watch<T> implements AsyncIterableIterator<WatchEvent<T>, undefined>, AsyncDisposable, Listener {
  /** Resolves once the broker watches: what happens from then on is told. */
  readonly ready: Promise<void>;
  readonly #link: Link;
  readonly #limit: number;
  readonly #events = new LinkedQueue<Queued<T>>();
  readonly #readers = new LinkedQueue<Reader<T>>();
  #bytes = 0;
  #slot: Slot | undefined;
  #ended = false;
  #error: unknown;
  #release: (() => void) | undefined;

  /** @param limit most events that wait to be read */
  constructor(link: Link, prefix: string, limit: number, signal: AbortSignal | undefined) {
    this.#link = link;
    this.#limit = limit;
    this.ready = this.#start(prefix, signal);
    // Whoever reads is told.
    this.ready.catch(() => undefined);
  }

  next(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    const queued = this.#events.shift();
    if (queued !== undefined) {
      this.#bytes -= queued.bytes;
      return result(queued.event);
    }
    if (this.#ended) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      if (this.#slot !== undefined) this.#link.hold(this.#slot, true);
    });
  }

  /** Ends the watch. */
  return(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    while (this.#events.shift() !== undefined);
    this.#stop(undefined);
    this.#error = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  event(bytes: Buffer, at: number, end: number): void {
    if (this.#ended) return;
    const size = end - at;
    let event: WatchEvent<T>;
    try {
      event = this.#read(bytes, at, end);
    } catch (error) {
      this.#stop(error);
      return;
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve(result(event));
      this.#rest();
    } else if (this.#events.length >= this.#limit || this.#bytes + size > MOST_BYTES) {
      this.#stop(refusal('watch_overflow'));
    } else {
      this.#events.push({ event, bytes: size });
      this.#bytes += size;
    }
  }

  ended(error: Error): void {
    this.#slot = undefined;
    this.#stop(error);
  }

  async #start(prefix: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      if (signal?.aborted) throw signal.reason;
      const link = this.#link;
      const slot = link.begin(Kind.watch, Tag.none, prefix, undefined);
      link.writer.uint32(this.#limit);
      slot.listener = this;
      const started = link.end(slot, readNothing);
      this.#slot = slot;
      this.#release = onAbort(signal, () => this.#stop(signal?.reason));
      await started;
      this.#rest();
      if (this.#readers.length > 0 && this.#slot !== undefined) link.hold(slot, true);
    } catch (error) {
      this.#slot = undefined;
      this.#stop(error);
      throw error;
    }
  }

  #read(bytes: Buffer, at: number, end: number): WatchEvent<T> {
    const body = at + HEADER + bytes.readUInt16LE(at + 10);
    const key = bytes.toString('utf8', at + HEADER, body);
    const event: WatchEvent<T> = { type: TYPES[bytes[body]!] ?? 'set', key };
    const tag = bytes[at + 9]!;
    const ttl = bytes.readDoubleLE(body + 1);
    if (tag !== Tag.none) {
      const value = decode(tag, bytes, body + 9, end, key, this.#link.config.maxResponseSize);
      // Whoever reads the event is told that it cannot be unpacked.
      if (types.isPromise(value)) value.catch(() => undefined);
      event.value = value as T;
    }
    if (!Number.isNaN(ttl)) event.ttl = ttl;
    return event;
  }

  #stop(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release?.();
    const slot = this.#slot;
    this.#slot = undefined;
    if (slot !== undefined) {
      this.#link.hold(slot, false);
      this.#link.withdraw(slot, error);
    }
    // Each reader would have been given an event: the first is given the error, the others the end.
    this.#error = error;
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) {
      if (this.#error === undefined) reader.resolve({ done: true, value: undefined });
      else reader.reject(this.#error);
      this.#error = undefined;
    }
  }

  /** Nobody waits for the next event. */
  #rest(): void {
    if (this.#readers.length === 0 && this.#slot !== undefined) this.#link.hold(this.#slot, false);
  }
}

/** An event for whoever reads; its value may still have to be unpacked. */
async function result<T>(event: WatchEvent<T>): Promise<IteratorResult<WatchEvent<T>, undefined>> {
  if ('value' in event) event.value = await event.value;
  return { done: false, value: event };
}
