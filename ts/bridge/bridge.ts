/**
 * The bridge of this isolate: what the engine tells comes in here, in batches.
 *
 * However many results wait, the engine wakes the isolate once; the records are then drained into one buffer and handed to the
 * channels that they are for. While promises wait for results, the bridge keeps the process alive; else it does not.
 */
// Node's own timers and clock: a test suite that replaces the global ones must not stop the bridge.
import { performance } from 'node:perf_hooks';
import { clearImmediate, setImmediate, setTimeout } from 'node:timers';
import { align8, allocate } from './allocate';
import { throwLater } from './throw-later';
import { crossing, native, type Native } from './native';

/** What a record tells; the numbers stand in the engine's `bridge/outbox.rs`. */
export const RecordKind = {
  results: 1,
  failed: 2,
  room: 3,
  hostsWanted: 4,
  hostEnd: 5,
  closed: 6,
  scaled: 7,
  work: 8,
  flight: 9,
  brokerFrame: 10,
  brokerGone: 11,
  brokerLog: 12,
  brokerStarted: 13,
  brokerDrained: 14,
  brokerIdle: 15,
  actorPost: 16,
  actorOfficeGone: 17,
  lend: 18,
  retry: 20,
} as const;

/** The values of a record, in memory that is overwritten when the handler returns. */
export interface FrameView {
  readonly layout: number;
  readonly count: number;
  /** The bytes are `bytes.subarray(start, end)`; `start` is a multiple of 8. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** One object of the face that records are for. */
export interface Channel {
  record(kind: number, group: number, index: number, count: number, frame: FrameView): void;
}

const HEADER = 32;
/** The channel of the bridge itself. */
const OWN_CHANNEL = 0;
const SMALL_BUFFER = 256 * 1024;
/** So long a drain may hold the event loop before timers and I/O get their turn. */
const LONGEST_TURN_MS = 8;
/** So long after there was no memory for what cannot be done without, it is tried again, in milliseconds. */
const TRY_AGAIN_MS = 10;

class Bridge {
  readonly native: typeof Native = native();
  /** The number by which the engine knows this load of the package. */
  readonly load: number;
  // Channels are held weakly while they wait for nothing, so that a dropped object can be collected.
  readonly #channels = new Map<number, WeakRef<Channel>>();
  readonly #waiting = new Map<Channel, number>();
  #spare: Buffer | undefined;
  /** What is being delivered, the outermost first. */
  readonly #batches: Batch[] = [];
  #drainAgain: NodeJS.Immediate | undefined;
  /** Held here, because the engine holds it weakly: it lives as long as this load of the package. */
  readonly #wake = (): void => this.#drain();

  /** Held here like `#wake`. */
  readonly #own: Channel = { record: () => this.#lend() };

  constructor() {
    this.load = crossing(() => this.native.register(this.#wake));
    this.open(OWN_CHANNEL, this.#own);
  }

  /** Records for this number go to `channel`. */
  open(number: number, channel: Channel): void {
    this.#channels.set(number, new WeakRef(channel));
  }

  /** Records for this number are dropped from now on. */
  close(number: number): void {
    this.#channels.delete(number);
  }

  /** `channel` waits for one more thing: the process stays alive until as many `release`s have come. */
  retain(channel: Channel): void {
    const waits = this.#waiting.get(channel) ?? 0;
    if (this.#waiting.size === 0) this.native.keepAlive(this.load, true);
    this.#waiting.set(channel, waits + 1);
  }

  /** Something that `channel` waited for has come. */
  release(channel: Channel): void {
    const waits = this.#waiting.get(channel) ?? 0;
    if (waits > 1) {
      this.#waiting.set(channel, waits - 1);
    } else if (this.#waiting.delete(channel) && this.#waiting.size === 0) {
      this.native.keepAlive(this.load, false);
    }
  }

  /** Delivers all that waits, now, also from within a delivery: the records come in their order. */
  flush(): void {
    for (const batch of this.#batches) this.#deliver(batch);
    clearImmediate(this.#drainAgain);
    this.#drainAgain = undefined;
    this.#drain(Infinity);
  }

  #drain(longest = LONGEST_TURN_MS): void {
    if (this.#drainAgain !== undefined) return;
    const until = performance.now() + longest;
    let buffer = this.#spare ?? Buffer.allocUnsafeSlow(SMALL_BUFFER);
    // A handler may flush: that takes another one.
    this.#spare = undefined;
    for (;;) {
      const written = this.native.drain(this.load, buffer);
      if (written === 0) break;
      if (written < 0) {
        const aside = this.#takeAside(buffer);
        if (aside === undefined) {
          const larger = this.#allocate(-written);
          if (larger === undefined) break;
          buffer = larger;
          continue;
        }
        this.#run(aside);
      } else {
        this.#run({ header: buffer, bytes: buffer, at: 0, length: written });
      }
      if (performance.now() > until) {
        this.#drainAgain = setImmediate(() => {
          this.#drainAgain = undefined;
          this.#drain();
        });
        break;
      }
    }
    if (buffer.length === SMALL_BUFFER) this.#spare = buffer;
  }

  /** Workers wait for this isolate's turn to read its arrays. They get more turns, with timers and I/O in between, as long as they want. */
  #lend(): void {
    if (this.native.lend()) setImmediate(() => this.#lend());
  }

  #run(batch: Batch): void {
    this.#batches.push(batch);
    this.#deliver(batch);
    this.#batches.splice(this.#batches.indexOf(batch), 1);
  }

  /** The next record with its frame where the engine has it: one that is too large for the buffer is not copied. `undefined`: foreign memory is refused. */
  #takeAside(buffer: Buffer): Batch | undefined {
    const memory = this.native.drainAside(this.load, buffer);
    if (!memory) return undefined;
    const header = Buffer.allocUnsafeSlow(HEADER);
    buffer.copy(header, 0, 0, HEADER);
    return { header, bytes: Buffer.from(memory), at: 0, length: memory.byteLength };
  }

  /** Memory for the next record. Where there is none, the engine sends a failure in its place, or it is tried again later. */
  #allocate(bytes: number): Buffer | undefined {
    try {
      return allocate(bytes);
    } catch {
      if (this.native.drainRefuse(this.load)) return Buffer.allocUnsafeSlow(SMALL_BUFFER);
      setTimeout(this.#wake, TRY_AGAIN_MS);
      return undefined;
    }
  }

  /** Hands on what is left of a batch. */
  #deliver(batch: Batch): void {
    const { header, bytes, length } = batch;
    const isAside = header !== bytes;
    const words = new Uint32Array(header.buffer, 0, Math.floor(header.length / 4));
    const groups = new Float64Array(header.buffer, 0, Math.floor(header.length / 8));
    while (batch.at < length) {
      const at = isAside ? 0 : batch.at;
      const word = at / 4;
      const start = isAside ? 0 : at + HEADER;
      const end = start + words[word + 7]!;
      batch.at = isAside ? length : align8(end);
      const channel = this.#channels.get(words[word]!)?.deref();
      if (channel === undefined) continue;
      const count = words[word + 5]!;
      const frame = { layout: words[word + 6]!, count, bytes, start, end };
      try {
        channel.record(words[word + 1]!, groups[at / 8 + 1]!, words[word + 4]!, count, frame);
      } catch (error) {
        throwLater(error);
      }
    }
  }
}

/** Records that were drained: those before `at` are delivered. */
interface Batch {
  /** Where the headers are: in front of each frame, or, of a single large record, in memory of its own. */
  readonly header: Buffer;
  readonly bytes: Buffer;
  at: number;
  readonly length: number;
}

let bridge: Bridge | undefined;

/**
 * The bridge of this load of the package, made at first use.
 * @throws NoizylabError `ERR_CORE_UNAVAILABLE`, `ERR_CORE_DUPLICATE`
 */
export function getBridge(): Bridge {
  bridge ??= new Bridge();
  return bridge;
}

export type { Bridge };
