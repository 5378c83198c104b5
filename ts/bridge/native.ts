/**
 * The native part, loaded at its first use: requiring the package costs nothing but a few small files.
 */
import type * as Native from '../../native';
import { NoizylabError } from '../errors';

export type { Native };

let loaded: typeof Native | undefined;

/**
 * The addon.
 * @throws NoizylabError `ERR_CORE_UNAVAILABLE`: there is no binary for this platform, or it cannot be loaded; `cause` says why.
 */
export function native(): typeof Native {
  if (loaded === undefined) {
    try {
      // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
      loaded = require('../../native.js') as typeof Native;
    } catch (cause) {
      throw new NoizylabError(
        'ERR_CORE_UNAVAILABLE',
        `@noizylab/core has no native binary that loads on ${process.platform}-${process.arch} (Node ${process.version}). ` +
          'Install it together with its optional dependencies, or build it from source with Rust',
        { cause },
      );
    }
  }
  return loaded;
}

/** Calls into the addon; an error that it throws comes out as one of ours (native errors are of another realm). */
export function crossing<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code === 'string' && code.startsWith('ERR_')) throw new NoizylabError(code, String(message));
    throw error;
  }
}
