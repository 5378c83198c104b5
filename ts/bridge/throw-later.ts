/** What a user's listener throws is an uncaught exception, as from any emitter; but what comes after it still arrives. */
import { setImmediate } from 'node:timers';

/** Throws `error` outside the current call. */
export function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
