/**
 * Records: what a secret adds to frames. Each side seals what it sends under a key of its own, which hangs on both lines of the hello;
 * see `docs/broker-protocol.md`.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { NoizylabError } from '../errors';

/** Length of a record's header, in bytes. */
export const RECORD_HEADER = 20;
const MAC_AT = 4;
const MAC_LENGTH = 16;

/** A direction of a connection: its key, and how many records went by. */
class Direction {
  /** Sequence (u64) and length (u32) of a record, as they go into its code. */
  readonly #prefix = Buffer.alloc(12);
  #sequence = 0;

  constructor(private readonly key: Buffer) {}

  /** The code of the next record. */
  next(frames: Uint8Array): Buffer {
    const sequence = this.#sequence++;
    this.#prefix.writeUInt32LE(sequence >>> 0, 0);
    this.#prefix.writeUInt32LE(Math.floor(sequence / 2 ** 32), 4);
    this.#prefix.writeUInt32LE(frames.length, 8);
    const code = createHmac('sha256', this.key).update(this.#prefix).update(frames).digest();
    return code.subarray(0, MAC_LENGTH);
  }
}

/** The records of a connection, seen from the client. */
export class Records {
  readonly #ours: Direction;
  readonly #theirs: Direction;

  /**
   * @param hello the client's first line as it was sent, without its end
   * @param answer the broker's first line as it came, without its end
   */
  constructor(secret: string, hello: Uint8Array, answer: Uint8Array) {
    const lines = [hello, answer].map((line) => createHash('sha256').update(line).digest());
    const direction = (side: string): Direction => {
      const key = createHmac('sha256', secret).update(`noizylab broker 1 ${side}`);
      for (const line of lines) key.update(line);
      return new Direction(key.digest());
    };
    this.#ours = direction('client');
    this.#theirs = direction('broker');
  }

  /** The header of the record of `frames`, which is to be sent next. */
  seal(frames: Uint8Array): Buffer {
    const header = Buffer.allocUnsafe(RECORD_HEADER);
    header.writeUInt32LE(frames.length, 0);
    this.#ours.next(frames).copy(header, MAC_AT);
    return header;
  }

  /**
   * Checks the record at `bytes[at..end]`, the next one to come.
   * @throws NoizylabError `ERR_BROKER_NOT_AUTHENTICATED`
   */
  open(bytes: Buffer, at: number, end: number): void {
    const expected = this.#theirs.next(bytes.subarray(at + RECORD_HEADER, end));
    if (!timingSafeEqual(bytes.subarray(at + MAC_AT, at + RECORD_HEADER), expected))
      throw notAuthenticated('what it sent does not verify');
  }
}

/** The broker has not proved that it knows the secret. */
export function notAuthenticated(why: string): NoizylabError {
  return new NoizylabError(
    'ERR_BROKER_NOT_AUTHENTICATED',
    `the broker has not proved that it knows the secret: ${why}`,
  );
}
