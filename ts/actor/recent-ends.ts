/**
 * Why processes ended that were gone before their supervisor could watch them: as long as a start of a child is under way, the ends in this thread are kept.
 */
import { onReset } from './resets';
import { watchEnds } from './processes';
import type { ExitReason } from './types';

/** Ends that are kept, the latest; a start that hangs must not collect them without bound. */
const KEPT = 1024;

const ends = new Map<string, ExitReason>();
let starts = 0;
let watching = false;

/** A start begins. */
export function beginStart(): void {
  starts += 1;
  if (watching) return;
  watching = true;
  watchEnds(note);
}

/** A start is over. */
export function finishStart(): void {
  starts -= 1;
  if (starts === 0) ends.clear();
}

/** Why the process of this id ended, if that was while a start was under way. */
export function recentEnd(id: string): ExitReason | undefined {
  return ends.get(id);
}

function note(id: string, reason: ExitReason): void {
  if (starts === 0) return;
  ends.set(id, reason);
  if (ends.size > KEPT) ends.delete(ends.keys().next().value!);
}

onReset(() => {
  ends.clear();
});
