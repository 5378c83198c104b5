/** When a client tries again. */

/** The waits between attempts, in milliseconds. */
export const DELAYS: readonly number[] = [50, 100, 200, 400, 800];

/** Errors that may be over in a moment: the broker has not started yet, was started anew, or has more to accept than its queue holds. */
const TRANSIENT = new Set<unknown>([
  'ECONNREFUSED',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EAGAIN',
  'ECONNRESET',
  'ERR_BROKER_CONNECTION_LOST',
]);

/** Whether another attempt may succeed. */
export function isTransient(error: Error): boolean {
  return TRANSIENT.has((error as NodeJS.ErrnoException).code);
}
