/** Entries of shared caches as bytes: the key first, the value right after it. */
import { Writer, writeValue } from '../bridge/frame';
import { NoizylabError, typeError } from '../errors';
import { writeKey } from './wire-key';

/** Holds the key of a lookup, which no code of the user can come between. */
export const keys = new Writer();
/** For entries. Nobody has it at hand while one is encoded: a getter in a value may use a cache. */
let idle: Writer | undefined;

/** A buffer for an entry; `giveBack` it. */
export function takeWriter(): Writer {
  const writer = idle ?? new Writer();
  idle = undefined;
  return writer;
}

export function giveBack(writer: Writer): void {
  writer.reset();
  idle = writer;
}

/**
 * Writes a key to the start of a buffer and returns its length.
 * @throws TypeError `ERR_CACHE_INVALID_KEY`
 */
export function encodeKey(writer: Writer, key: unknown): number {
  writer.reset();
  writeKey(writer, key);
  return writer.length;
}

/**
 * Appends a value and returns its tag.
 * @throws TypeError `ERR_CACHE_NOT_CLONEABLE`, NoizylabError `ERR_CORE_OUT_OF_MEMORY`
 */
export function encodeValue(writer: Writer, value: unknown): number {
  const start = writer.length;
  try {
    return writeValue(writer, value, {});
  } catch (error) {
    writer.length = start;
    const { code, cause: inner } = error as Error & { code?: unknown };
    // That one speaks of tasks; its cause says what V8 found.
    const cause = code === 'ERR_PROCESSOR_NOT_CLONEABLE' ? inner : error;
    // Neither V8's buffers nor its serializer have a code for memory that cannot be had.
    if (cause instanceof Error && /allocation failed|allocate memory|out of memory/i.test(cause.message))
      throw new NoizylabError(
        'ERR_CORE_OUT_OF_MEMORY',
        'there is no memory to encode the value; nothing was changed',
        {
          cause,
        },
      );
    throw typeError(
      'ERR_CACHE_NOT_CLONEABLE',
      `the value cannot leave this isolate: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
