/**
 * The native part, loaded at its first use: requiring the package costs nothing but a few small files.
 */
import { types } from 'node:util';
import type * as Native from '../../native';
import { NoizylabError } from '../errors';
import { systemError } from './system-error';

export type { Native };

let loaded: typeof Native | undefined;

/**
 * The addon.
 * @throws NoizylabError `ERR_CORE_UNAVAILABLE`: there is no binary for this platform, or it cannot be loaded; the message says why, `cause` has
 * all that was tried.
 */
export function native(): typeof Native {
  if (loaded === undefined) {
    try {
      // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
      loaded = require('../../native.js') as typeof Native;
    } catch (cause) {
      throw new NoizylabError('ERR_CORE_UNAVAILABLE', whyUnavailable(cause), { cause });
    }
  }
  return loaded;
}

function whyUnavailable(cause: unknown): string {
  const reason = reasonOf(cause);
  if (reason?.message.includes('loading addons is disabled')) {
    return (
      '@noizylab/core cannot load its native binary, because addons are disabled in this process ' +
      "(--no-addons, or Node's permission model). Run Node without --no-addons, and under the permission model with --allow-addons"
    );
  }
  const where = `on ${process.platform}-${process.arch} (Node ${process.version})`;
  if (reason !== undefined) return `@noizylab/core cannot load its native binary ${where}: ${reason.message}`;
  return (
    `@noizylab/core has no native binary that loads ${where}. ` +
    'Install it together with its optional dependencies, or build it from source with Rust'
  );
}

/**
 * What stood against loading a binary that is there. The loader tries one place after another and makes each error, of which it keeps the text alone,
 * the cause of the next: places where nothing is say nothing.
 */
function reasonOf(cause: unknown): Error | undefined {
  let reason: Error | undefined;
  const seen = new Set<unknown>();
  for (let error = cause; types.isNativeError(error) && !seen.has(error); { cause: error } = error) {
    seen.add(error);
    if (!/^Cannot find (?:module|native binding)/.test(error.message)) reason = error;
  }
  return reason;
}

/** Calls into the addon; an error that it throws comes out as one of ours (native errors are of another realm). */
export function crossing<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message, cause } = error as { code?: unknown; message?: unknown; cause?: Error };
    if (typeof code === 'string' && code.startsWith('ERR_')) {
      // Where the system has refused something, the cause is the name of its error.
      const reason = systemError(cause?.message);
      throw new NoizylabError(code, String(message), reason && { cause: reason });
    }
    throw error;
  }
}
