/**
 * Values, keys and times to live as they travel: a string as text, a `Buffer` or `Uint8Array` as bytes, all else as JSON text. `undefined`,
 * functions, symbols, BigInt, circular objects and other kinds of binary data are refused; what stands inside of an object is as `JSON.stringify` has it.
 */
import { promisify, types } from 'node:util';
import { gunzip, gzipSync } from 'node:zlib';
import { tooMuch } from '../bridge/unreadable';
import { decodeError, isError } from '../bridge/wire-error';
import { NoizylabError, typeError } from '../errors';
import { describe, OptionReader } from '../options';
import { BrokerError, damaged } from './errors';

/** Reads options under the codes `ERR_BROKER_INVALID_TYPE` and `ERR_BROKER_OUT_OF_RANGE`. */
export const read = new OptionReader('BROKER');

/** How the bytes of a value are to be read; the numbers stand in `docs/broker-protocol.md`. */
export const Tag = {
  none: 0,
  json: 2,
  text: 3,
  bytes: 4,
  error: 6,
  gzip: 16,
  base64: 17,
} as const;

/** What stands in a frame for a value: text, which is written as UTF-8, or bytes. */
export type Encoded = string | Uint8Array;

/** Most bytes of a key in UTF-8. */
export const LONGEST_KEY = 65_535;
/** A longer value is beyond every broker. */
const LARGEST = 2 ** 30;

const unzip = promisify(gunzip);

/** The tag under which `value` travels. */
export function tagOf(value: unknown): number {
  // JSON keeps what UTF-8 cannot: the halves of surrogate pairs.
  if (typeof value === 'string') return value.isWellFormed() ? Tag.text : Tag.json;
  return types.isUint8Array(value) ? Tag.bytes : Tag.json;
}

/**
 * `value` as it travels under `tag`.
 * @throws TypeError `ERR_BROKER_INVALID_VALUE`
 */
export function encode(value: unknown, tag: number): Encoded {
  const encoded = tag === Tag.json ? toJson(value) : (value as Encoded);
  if (encoded.length > LARGEST) throw new BrokerError('too_large');
  return encoded;
}

function toJson(value: unknown): string {
  let text: string | undefined;
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))
    throw typeError(
      'ERR_BROKER_INVALID_VALUE',
      `bytes must be a Buffer or Uint8Array, which comes back as a Buffer; given: ${describe(value)}`,
    );
  try {
    // What it gives for `undefined`, functions and symbols is not in its type.
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    const reason = isError(cause) ? cause.message : describe(cause);
    throw typeError('ERR_BROKER_INVALID_VALUE', `the value cannot be written as JSON: ${reason}`, { cause });
  }
  if (text === undefined)
    throw typeError(
      'ERR_BROKER_INVALID_VALUE',
      `a value must be what JSON can carry, a string or bytes; given: ${describe(value)}`,
    );
  return text;
}

/**
 * Reads the value of a tag that stands at `from..to`. The bytes are not kept.
 * @param limit most bytes that a compressed value may unpack to
 * @returns the value; a promise of it where it has to be unpacked
 */
export function decode(
  tag: number,
  bytes: Buffer,
  from: number,
  to: number,
  key: string,
  limit: number,
): unknown {
  try {
    return decodeNow(tag, bytes, from, to, key, limit);
  } catch (cause) {
    throw tooMuch(cause, to - from) ?? cause;
  }
}

function decodeNow(
  tag: number,
  bytes: Buffer,
  from: number,
  to: number,
  key: string,
  limit: number,
): unknown {
  switch (tag) {
    case Tag.text:
      return bytes.toString('utf8', from, to);
    case Tag.json:
      return JSON.parse(bytes.toString('utf8', from, to));
    case Tag.bytes:
      return Buffer.from(bytes.subarray(from, to));
    case Tag.none:
      return undefined;
    case Tag.gzip:
      return unpack(Buffer.from(bytes.subarray(from, to)), key, limit);
    case Tag.base64:
      return unpack(Buffer.from(bytes.toString('latin1', from, to), 'base64'), key, limit);
    case Tag.error:
      throw decodeError(bytes.toString('utf8', from, to), undefined);
    default:
      throw new NoizylabError('ERR_BROKER_INVALID_RESPONSE', `the broker sent a value of unknown tag ${tag}`);
  }
}

/**
 * The value whose JSON text was compressed to `packed`.
 * @throws (as a rejection) NoizylabError `ERR_BROKER_DAMAGED_VALUE`
 */
export async function unpack(packed: Buffer, key: string, limit: number): Promise<unknown> {
  try {
    const text = await unzip(packed, { maxOutputLength: limit });
    return JSON.parse(text.toString());
  } catch (cause) {
    throw damaged(key, cause);
  }
}

/** A value that was encoded under `tag`, as gzip of its JSON text; `undefined` for bytes. */
export function pack(tag: number, encoded: Uint8Array): Buffer | undefined {
  if (tag === Tag.json) return gzipSync(encoded);
  if (tag === Tag.text) return gzipSync(JSON.stringify(Buffer.from(encoded).toString()));
  return undefined;
}

/** @throws TypeError `ERR_BROKER_INVALID_KEY` */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key === 'string' && key.length > 0 && key.isWellFormed()) {
    // A UTF-16 unit is at most three bytes of UTF-8.
    if (key.length * 3 <= LONGEST_KEY || Buffer.byteLength(key) <= LONGEST_KEY) return;
  }
  throw typeError(
    'ERR_BROKER_INVALID_KEY',
    `a key must be a string of well-formed text, not empty and of at most 65,535 bytes in UTF-8; given: ${describe(key)}`,
  );
}

/**
 * The ttl as it travels: NaN where none was given.
 * @throws TypeError `ERR_BROKER_INVALID_TYPE`, BrokerError `ERR_BROKER_INVALID_TTL`
 */
export function checkTtl(ttl: unknown): number {
  if (ttl === undefined) return NaN;
  if (typeof ttl !== 'number') throw read.type('ttl', ttl, 'a number of milliseconds');
  if (ttl >= 0 && ttl < Infinity) return ttl;
  throw new BrokerError('invalid_ttl');
}
