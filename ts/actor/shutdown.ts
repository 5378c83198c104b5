/** How processes are taken down: one that a user stops, of either kind; and by a supervisor, in order within its time, else at once. */
import { toError } from './errors';
import { reportFault } from './faults';
import { findProcess, type Process } from './processes';
import { exitReason, idOf } from './settings';
import { settledWithin } from './time-limit';
import type { ExitReason, Ref } from './types';

/** Stops the process that `ref` names; resolves when it is down, at once where it is down already. `reason` is `'normal'` by default. */
export function stopProcess(ref: Ref, reason?: ExitReason): Promise<void> {
  // Not an async function: a handler may stop its own server, and only the promise of the server itself knows whether that is awaited there.
  try {
    const wanted = exitReason(reason, 'normal');
    return findProcess(idOf(ref))?.stop(wanted) ?? Promise.resolve();
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Stops a process, and kills it where that takes longer than `ms` or leaves it there. Nobody else awaits that stop, so what `terminate` of a server throws
 * is reported.
 */
export async function shutDown(process: Process, ms: number): Promise<void> {
  const stopped = process.stop('shutdown').catch((error: unknown) => {
    reportFault(process, toError(error), 'shutdown');
  });
  await settledWithin(stopped, ms);
  if (findProcess(process.id) !== undefined) process.kill('shutdown');
}
