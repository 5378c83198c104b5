/**
 * Cuts what comes from a socket into units that begin with a header whose first four bytes are the length of what follows it.
 *
 * Units that came whole are handed on where they stand; those that are split over reads are put together in memory that grows
 * with what has come, not with what a header promises.
 */
import { allocate } from '../bridge/allocate';
import { NoizylabError } from '../errors';

const SMALL = 64 * 1024;

/** Takes the unit that stands at `bytes[at..end]`, in memory that is overwritten afterwards. `false`: no more are wanted. */
export type TakeUnit = (bytes: Buffer, at: number, end: number) => boolean;

/** Puts the units of one connection together. */
export class Assembler {
  #held = Buffer.allocUnsafeSlow(0);
  #have = 0;

  /**
   * @param header length of the header
   * @param most longest unit, in bytes
   */
  constructor(
    private readonly header: number,
    private readonly most: number,
    private readonly take: TakeUnit,
  ) {}

  /**
   * Takes in the first `length` bytes of `bytes`.
   * @throws NoizylabError `ERR_BROKER_RESPONSE_TOO_LARGE`, `ERR_CORE_OUT_OF_MEMORY`
   */
  push(bytes: Buffer, length: number): void {
    let at = this.#have === 0 ? 0 : this.#continue(bytes, length);
    if (at < 0) return;
    while (length - at >= this.header) {
      const end = at + this.#lengthOf(bytes, at);
      if (end > length) break;
      if (!this.take(bytes, at, end)) return;
      at = end;
    }
    if (at < length) this.#hold(bytes, at, length);
  }

  /** Length of the unit whose header stands at `at`. */
  #lengthOf(bytes: Buffer, at: number): number {
    const length = this.header + bytes.readUInt32LE(at);
    if (length > this.most)
      throw new NoizylabError(
        'ERR_BROKER_RESPONSE_TOO_LARGE',
        `the broker sends ${length} bytes at once; the option maxResponseSize allows ${this.most}`,
      );
    return length;
  }

  /** Completes the unit that is held. Returns how many of the bytes were used, or -1: no more are wanted, or there was not enough. */
  #continue(bytes: Buffer, length: number): number {
    let at = Math.min(this.header - Math.min(this.header, this.#have), length);
    this.#hold(bytes, 0, at);
    if (this.#have < this.header) return -1;
    const missing = this.#lengthOf(this.#held, 0) - this.#have;
    const more = Math.min(missing, length - at);
    this.#hold(bytes, at, at + more);
    at += more;
    if (more < missing) return -1;
    const unit = this.#held;
    const end = this.#have;
    this.#have = 0;
    if (unit.length > SMALL) this.#held = Buffer.allocUnsafeSlow(0);
    return this.take(unit, 0, end) ? at : -1;
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const needed = this.#have + to - from;
    if (needed > this.#held.length) {
      const grown = allocate(Math.max(needed, Math.min(this.#held.length * 2, this.most), 1024));
      grown.set(this.#held.subarray(0, this.#have));
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(from, to), this.#have);
    this.#have = needed;
  }
}
