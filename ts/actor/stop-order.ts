/** In which order several applications are stopped: the last started first, each when the one before has ended. Those that are starting hold up no other. */
import type { ApplicationStopReason } from './application-types';

/** An application that is to be stopped with others. */
export interface Stoppable {
  readonly isStarting: boolean;
  /** Ends in good order, one that is starting as soon as it has; resolves when it has ended, never rejects. */
  stopQuietly(reason: ApplicationStopReason): Promise<void>;
}

/** Stops `all`, which are in the order of their start; resolves when all have ended. */
export async function stopInOrder(all: Iterable<Stoppable>, reason: ApplicationStopReason): Promise<void> {
  const started: Stoppable[] = [];
  const starting: Promise<void>[] = [];
  for (const one of all) {
    if (one.isStarting) starting.push(one.stopQuietly(reason));
    else started.push(one);
  }
  for (const one of started.toReversed()) await one.stopQuietly(reason);
  await Promise.all(starting);
}
