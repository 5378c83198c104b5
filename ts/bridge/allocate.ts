/**
 * Memory for bytes on the bridge, and their places in it. Positions and lengths go beyond 2^31, where the operators on bits have long gone wrong.
 */
import { outOfMemory } from '../errors';

/** What stands in 32 bits: the length of anything on the bridge. */
export const MOST_BYTES = 2 ** 32 - 1;

/** The next multiple of 8. */
export function align8(length: number): number {
  const over = length % 8;
  return over === 0 ? length : length + 8 - over;
}

/**
 * A buffer of its own for so many bytes, not filled.
 * @throws NoizylabError `ERR_CORE_OUT_OF_MEMORY`
 */
export function allocate(bytes: number): ReturnType<typeof Buffer.allocUnsafeSlow> {
  if (bytes > MOST_BYTES) throw outOfMemory(bytes);
  try {
    return Buffer.allocUnsafeSlow(bytes);
  } catch (cause) {
    throw outOfMemory(bytes, cause);
  }
}
