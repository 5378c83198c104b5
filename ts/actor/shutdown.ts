/** How a supervisor takes one process down: in order within its time, else at once. */
import { findProcess, type Process } from './processes';

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
