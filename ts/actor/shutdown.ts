/** How processes are taken down: one that a user stops, of either kind; and by a supervisor, in order within its time, else at once. */
import { findProcess, type Process } from './processes';
import { exitReason, idOf } from './settings';
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

/** Resolves when `promise` is settled, either way, to true; or when `ms` have passed before that, to false. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  if (ms === Infinity) return settled;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const inTime = await Promise.race([settled, late]);
  clearTimeout(timer);
  return inTime;
}

/** Stops a process, and kills it where that takes longer than `ms` or leaves it there. */
export async function shutDown(process: Process, ms: number): Promise<void> {
  await settledWithin(process.stop('shutdown'), ms);
  if (findProcess(process.id) !== undefined) process.kill('shutdown');
}
