/**
 * Calls that have outlived their server: it was killed while their handler was under way, and they are answered when that is through. After a reset nobody waits for
 * that.
 */
import type { PendingCall } from './deadlines';
import { ServerNotRunningError } from './errors';
import { onReset } from './resets';

/** Below this size those that are over are not looked for. */
const FEW = 64;

/** The calls, each with the id of its server. Some may be over: by their timeout, or because they were answered. */
const unanswered = new Map<PendingCall, string>();
let many = FEW;

/** The server of this id was killed while it handled `call`. */
export function noteUnanswered(id: string, call: PendingCall): void {
  unanswered.set(call, id);
  if (unanswered.size < many) return;
  for (const noted of unanswered.keys()) if (noted.isSettled) unanswered.delete(noted);
  many = Math.max(FEW, unanswered.size * 2);
}

onReset(() => {
  for (const [call, id] of unanswered) call.reject(new ServerNotRunningError(id));
  unanswered.clear();
  many = FEW;
});
