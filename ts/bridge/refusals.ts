/**
 * What the system refuses a worker thread of Node for: it is tried again for some seconds, and fails with a code then.
 */
import { types } from 'node:util';
import { NoizylabError } from '../errors';

/** How long after a refusal the system is asked again, in milliseconds. */
export const RETRY_MS = 50;
/** The same where others do the work meanwhile. */
export const RETRY_SELDOM_MS = 1000;
/** How long those wait who need a thread, in milliseconds. */
export const PATIENCE_MS = 5000;

const CODES = new Set([
  'ERR_WORKER_INIT_FAILED',
  'ERR_CORE_RESOURCES',
  'EAGAIN',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
]);

/** Whether a worker thread did not start because the system had not enough for it. */
export function isRefusal(error: unknown): error is Error {
  return types.isNativeError(error) && CODES.has(String((error as NodeJS.ErrnoException).code));
}

/** The system's own code in the error of a worker thread, if it has one. */
export function systemCodeOf(error: Error): string | undefined {
  return /\bE[A-Z]{3,}\b/.exec(`${(error as NodeJS.ErrnoException).code} ${error.message}`)?.[0];
}

/** The error of those for whom the system has refused a worker thread for too long. */
export function refusedThread(cause: Error): NoizylabError {
  return new NoizylabError('ERR_CORE_RESOURCES', `the system refused a worker thread: ${cause.message}`, {
    cause,
  });
}
