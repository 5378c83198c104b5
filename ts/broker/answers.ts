/** Reads the answers that are more than one value. */
import { NoizylabError } from '../errors';
import { TOKEN } from './frames';
import { accepted, type Response } from './line-requests';
import type { ReadAnswer } from './pending';
import { decode, Tag } from './values';

/** A lease as it was granted. */
export interface Granted {
  readonly value: number;
  /** Proves who owns it. */
  readonly token: Buffer;
}

export const readNothing: ReadAnswer = () => undefined;

export const readTrue: ReadAnswer = () => true;

/** Whether the broker says so. An answer in JSON: `true` or `false`. */
export const readFlag: ReadAnswer = (_tag, bytes, from) => bytes[from] === 't'.charCodeAt(0);

export const readNumber: ReadAnswer = (_tag, bytes, from, to) => Number(bytes.toString('latin1', from, to));

export const readLease: ReadAnswer = (_tag, bytes, from) => bytes.readUInt32LE(from);

export const readGranted: ReadAnswer = (_tag, bytes, from): Granted => ({
  value: bytes.readUInt32LE(from),
  token: Buffer.from(bytes.subarray(from + 4, from + 4 + TOKEN)),
});

/** The response to a request of the first protocol. Throws where the broker refused it. */
export const readResponse: ReadAnswer = (_tag, bytes, from, to): Response =>
  accepted(JSON.parse(bytes.toString('utf8', from, to)) as Response);

/** The values of many keys, in their order; `undefined` for what is missing. */
export function readMany(keys: readonly string[], limit: number): ReadAnswer {
  return (_tag, bytes, from) => {
    const count = bytes.readUInt32LE(from);
    if (count !== keys.length)
      throw new NoizylabError(
        'ERR_BROKER_INVALID_RESPONSE',
        `${keys.length} keys were asked for, ${count} came`,
      );
    const values: unknown[] = [];
    let isWhole = true;
    let at = from + 4;
    for (const key of keys) {
      const tag = bytes[at]!;
      const end = at + 5 + bytes.readUInt32LE(at + 1);
      values.push(decode(tag, bytes, at + 5, end, key, limit));
      if (tag === Tag.gzip || tag === Tag.base64) isWhole = false;
      at = end;
    }
    return isWhole ? values : Promise.all(values);
  };
}
