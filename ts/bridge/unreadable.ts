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
  return (
    tooMuch(cause, bytes) ??
    new NoizylabError('ERR_CORE_UNREADABLE', `a value cannot be read: ${textOf(cause)}`, { cause })
  );
}

/** The error for a value of so many bytes where `cause` says that it is more than this isolate can hold. */
export function tooMuch(cause: unknown, bytes: number): Error | undefined {
  if (isOutOfMemory(cause)) return cause as Error;
  const { code } = types.isNativeError(cause) ? (cause as Error & { code?: unknown }) : { code: undefined };
  const text = textOf(cause);
  if (code === 'ERR_STRING_TOO_LONG' || TOO_LONG_TEXT.test(text)) {
    return new NoizylabError(
      'ERR_CORE_TOO_LARGE',
      `a text of ${bytes} bytes has come; JavaScript has strings of at most ${constants.MAX_STRING_LENGTH} characters`,
      { cause },
    );
  }
  const isMemory = (typeof code === 'string' && NO_MEMORY.has(code)) || NO_MEMORY_TEXT.test(text);
  return isMemory ? outOfMemory(bytes, cause) : undefined;
}

/** Errors of Node and V8 need not be of this realm. */
function textOf(cause: unknown): string {
  return types.isNativeError(cause) ? cause.message : String(cause);
}
