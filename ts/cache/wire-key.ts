/** Keys of shared caches as bytes: the same for all isolates, and different for `1` and `'1'`. */
import type { Writer } from '../bridge/frame';
import { typeError } from '../errors';
import { describe } from '../options';

/** The first byte says what follows. */
const Kind = { text: 0, number: 1, ragged: 2 } as const;

/**
 * Appends a key.
 * @throws TypeError `ERR_CACHE_INVALID_KEY`: it is neither a string nor a number
 */
export function writeKey(writer: Writer, key: unknown): void {
  if (typeof key === 'string') {
    writer.reserve(1 + key.length * 3);
    const isText = key.isWellFormed();
    writer.bytes[writer.length++] = isText ? Kind.text : Kind.ragged;
    if (isText) {
      writer.length += writer.bytes.write(key, writer.length, 'utf8');
    } else {
      // Lone surrogates have no UTF-8.
      writer.length += writer.bytes.write(key, writer.length, 'utf16le');
    }
  } else if (typeof key === 'number') {
    writer.reserve(9);
    writer.bytes[writer.length++] = Kind.number;
    // As in a `Map`, 0 and -0 are one key.
    writer.double(key === 0 ? 0 : key);
  } else {
    throw typeError(
      'ERR_CACHE_INVALID_KEY',
      `the key of a shared cache must be a string or a number; given: ${describe(key)}`,
    );
  }
}

/** The key that stands at `from..to`. */
export function readKey(bytes: Buffer, from: number, to: number): string | number {
  switch (bytes[from]) {
    case Kind.number:
      return bytes.readDoubleLE(from + 1);
    case Kind.ragged:
      return bytes.toString('utf16le', from + 1, to);
    default:
      return bytes.toString('utf8', from + 1, to);
  }
}
