/**
 * Frames: the broker's own protocol, as drawn in `docs/broker-protocol.md`. The engine's `broker/wire.rs` is its other end.
 */
import { allocate } from '../bridge/allocate';
import type { Encoded } from './values';

/** Length of a frame's header, in bytes. */
export const HEADER = 12;

/** Kinds of requests. */
export const Kind = {
  get: 1,
  set: 2,
  del: 3,
  mget: 4,
  mset: 5,
  incr: 6,
  cas: 7,
  lease: 8,
  release: 9,
  renew: 10,
  begin: 11,
  land: 12,
  watch: 13,
  cancel: 14,
  line: 15,
  ping: 16,
} as const;

/** Kinds of answers. */
export const Answer = { ok: 0, error: 1, compute: 2, event: 3, end: 4 } as const;

/** The number of a request that is not answered. */
export const UNANSWERED = 0xffff_ffff;

/** Length of the token of an owned lease, in bytes. */
export const TOKEN = 16;

const CHUNK = 64 * 1024;
/** Up to this length a key is written faster by hand than by a call into Node. */
const SHORT = 20;
/** A text that is shorter is given the most room that it may need; of a longer one the bytes are counted. */
const COUNTED = 4096;

/**
 * Writes frames one after another into chunks of memory, in which they stay until nobody refers to a chunk any more: what was written can be
 * sent again.
 *
 * No frame reaches over the end of a chunk, and a frame that is longer than a chunk has one of its own.
 */
export class FrameWriter {
  /** The chunk that is being written. The last frame is `bytes.subarray(start, end)`. */
  bytes: Buffer = Buffer.allocUnsafeSlow(CHUNK);
  start = 0;
  end = 0;
  /** Whoever reads the frames is done with each before the next begins: each may stand at the beginning of the same memory. */
  reuse = false;
  /** End of the last frame that is complete. */
  #complete = 0;

  /** Begins a frame; one that was begun and never completed is dropped. */
  begin(number: number, kind: number, tag: number, key: string): void {
    const start = this.reuse ? 0 : this.#complete;
    this.start = start;
    this.end = start;
    if (start + HEADER + key.length * 3 > this.bytes.length || this.bytes.length > CHUNK)
      this.#move(HEADER + key.length * 3);
    const { bytes } = this;
    const keyLength = writeKey(bytes, key, this.start + HEADER);
    bytes.writeUInt32LE(number, this.start + 4);
    bytes[this.start + 8] = kind;
    bytes[this.start + 9] = tag;
    bytes[this.start + 10] = keyLength & 0xff;
    bytes[this.start + 11] = keyLength >> 8;
    this.end = this.start + HEADER + keyLength;
  }

  /** Completes the frame. */
  complete(): void {
    this.bytes.writeUInt32LE(this.end - this.start - HEADER, this.start);
    this.#complete = this.end;
  }

  double(value: number): void {
    this.#reserve(8);
    this.end = this.bytes.writeDoubleLE(value, this.end);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.end = this.bytes.writeUInt32LE(value, this.end);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.bytes[this.end++] = value;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  text(text: string): void {
    this.#reserve(text.length < COUNTED ? text.length * 3 : Buffer.byteLength(text));
    this.end += this.bytes.write(text, this.end, 'utf8');
  }

  encoded(value: Encoded): void {
    if (typeof value === 'string') this.text(value);
    else this.raw(value);
  }

  /** A text or bytes after their length as a u32. */
  counted(value: Encoded): void {
    // What is being written may move to another chunk: places are counted from its start.
    const at = this.end - this.start;
    this.uint32(0);
    this.encoded(value);
    this.bytes.writeUInt32LE(this.end - this.start - at - 4, this.start + at);
  }

  /** A value with its key, as MSET has them. */
  entry(key: string, tag: number, value: Encoded): void {
    const at = this.end - this.start;
    this.#reserve(7);
    this.end += 7;
    this.text(key);
    const keyLength = this.end - this.start - at - 7;
    this.encoded(value);
    const head = this.start + at;
    this.bytes.writeUInt16LE(keyLength, head);
    this.bytes[head + 2] = tag;
    this.bytes.writeUInt32LE(this.end - head - 7 - keyLength, head + 3);
  }

  #reserve(more: number): void {
    if (this.end + more > this.bytes.length) this.#move(more);
  }

  /** Takes the frame that is being written to a chunk that has room for `more`. */
  #move(more: number): void {
    const written = this.end - this.start;
    const needed = written + more;
    const room = needed <= CHUNK ? CHUNK : Math.max(needed, written * 2);
    const from = this.bytes;
    this.bytes = room > CHUNK ? allocate(room) : Buffer.allocUnsafeSlow(room);
    this.bytes.set(from.subarray(this.start, this.end));
    this.start = 0;
    this.end = written;
    this.#complete = 0;
  }
}

/** Writes a key that is well-formed and returns its length in bytes. */
function writeKey(bytes: Buffer, key: string, at: number): number {
  const { length } = key;
  if (length > SHORT) return bytes.write(key, at, 'utf8');
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i);
    if (unit > 127) return bytes.write(key, at, 'utf8');
    bytes[at + i] = unit;
  }
  return length;
}
