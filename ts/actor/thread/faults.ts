/**
 * Errors and exit reasons between threads. Errors travel as everywhere on the bridge; those of the actors come out as instances of their own
 * classes, with their fields.
 */
import { decodeError, encodeError } from '../../bridge/wire-error';
import * as applicationErrors from '../application-errors';
import * as errors from '../errors';
import type { ExitReason } from '../types';

/** An exit reason on the wire: `normal`, `shutdown`, or the text of an error. */
export type WireReason = 0 | 1 | string;

const NORMAL = 0;
const SHUTDOWN = 1;
/** Causes of causes are followed so far. */
const DEEPEST = 8;

const CLASSES = new Map<string, object>(
  Object.values({ ...errors, ...applicationErrors })
    .filter((exported) => exported.prototype instanceof Error)
    .map((exported) => [exported.name, exported.prototype as object]),
);

/** An error as text. */
export function encodeFault(error: unknown): string {
  return encodeError(error, undefined);
}

/** The error of a text, in the class it had where that is one of ours. */
export function decodeFault(text: string): Error {
  const error = decodeError(text, undefined);
  restore(error, 0);
  return error;
}

export function encodeReason(reason: ExitReason): WireReason {
  if (reason === 'normal') return NORMAL;
  return reason === 'shutdown' ? SHUTDOWN : encodeFault(reason.error);
}

export function decodeReason(wire: WireReason): ExitReason {
  if (wire === NORMAL) return 'normal';
  return wire === SHUTDOWN ? 'shutdown' : { error: decodeFault(wire) };
}

function restore(error: Error, depth: number): void {
  const { code } = error as { code?: unknown };
  const prototype = typeof code === 'string' && code.startsWith('ERR_ACTOR_') && CLASSES.get(error.name);
  if (prototype) Object.setPrototypeOf(error, prototype);
  if (depth === DEEPEST) return;
  const { cause, errors: within } = error as { cause?: unknown; errors?: unknown };
  for (const inner of [cause, ...(Array.isArray(within) ? (within as unknown[]) : [])]) {
    if (inner instanceof Error) restore(inner, depth + 1);
  }
}
