/**
 * Why a value that has come over the bridge cannot be read: in most cases it is more than this isolate can hold.
 */
import { constants } from 'node:buffer';
import { types } from 'node:util';
import { isOutOfMemory, NoizylabError, outOfMemory } from '../errors';

/** What Node says of memory that it cannot have, and V8 only in words. */
const NO_MEMORY = new Set(['ERR_MEMORY_ALLOCATION_FAILED', 'ERR_BUFFER_TOO_LARGE', 'ERR_OUT_OF_RANGE']);
const NO_MEMORY_TEXT = /allocation failed|invalid (typed array|array buffer) length/i;
const TOO_LONG_TEXT = /invalid string length/i;

/** The error for a value of so many bytes whose reading has thrown `cause`. */
export function unreadable(cause: unknown, bytes: number): Error {
  if (isOutOfMemory(cause)) return cause as Error;
  // Those of Node and V8 need not be of this realm.
  const { code, message } = types.isNativeError(cause)
    ? (cause as Error & { code?: unknown })
    : { code: undefined, message: String(cause) };
  if (code === 'ERR_STRING_TOO_LONG' || TOO_LONG_TEXT.test(message)) {
    return new NoizylabError(
      'ERR_CORE_TOO_LARGE',
      `a text of ${bytes} bytes has come; JavaScript has strings of at most ${constants.MAX_STRING_LENGTH} characters`,
      { cause },
    );
  }
  if ((typeof code === 'string' && NO_MEMORY.has(code)) || NO_MEMORY_TEXT.test(message))
    return outOfMemory(bytes, cause);
  return new NoizylabError('ERR_CORE_UNREADABLE', `a value cannot be read: ${message}`, { cause });
}
