/**
 * Messages to come: casts that are sent after a time. A timer keeps the program alive as `setTimeout` does, and ends with its target.
 */
import { toError } from './errors';
import { reportFault } from './faults';
import { findServer, nextId, noticeEnd, watchEnds } from './processes';
import { onReset } from './resets';
import { addTo, removeFrom } from './set-index';
import { idOf, MILLISECONDS, options } from './settings';
import type { GenServerRef, TimerRef } from './types';

interface Timer {
  readonly target: string;
  readonly handle: ReturnType<typeof setTimeout>;
}

const timers = new Map<string, Timer>();
/** The timers for each server, by its id. */
const byTarget = new Map<string, Set<string>>();

/**
 * Casts `message` to a server after a time. Where the server ends before, nothing is sent.
 *
 * @param delayMs milliseconds, up to 2^31 - 1
 * @returns for `cancelTimer`
 */
export function sendAfter<State, CallMsg, CastMsg, CallReply>(
  ref: GenServerRef<State, CallMsg, CastMsg, CallReply>,
  message: NoInfer<CastMsg>,
  delayMs: number,
): TimerRef {
  const target = idOf(ref);
  const delay = options.number('delayMs', delayMs ?? null, 0, MILLISECONDS);
  const timerId = nextId('timer');
  const server = findServer(target);
  if (server === undefined) return { timerId };
  noticeEnd(server);
  const handle = setTimeout(() => {
    forget(timerId);
    send(ref, message);
  }, delay);
  timers.set(timerId, { target, handle });
  addTo(byTarget, target, timerId);
  return { timerId };
}

/**
 * Takes a timer back; `false` where it has fired, was cancelled before, or its target has ended.
 *
 * @throws TypeError `ERR_ACTOR_INVALID_TYPE`: no such argument
 */
export function cancelTimer(timerRef: TimerRef): boolean {
  const timerId: unknown = (timerRef as Partial<TimerRef> | null | undefined)?.timerId;
  if (typeof timerId !== 'string') throw options.type('timerRef', timerRef, 'what sendAfter has given');
  return forget(timerId);
}

function send(ref: GenServerRef, message: unknown): void {
  const server = findServer(ref.id);
  if (!server?.isRunning()) return;
  try {
    server.cast(message);
  } catch (thrown) {
    // Its mailbox is full.
    reportFault(server, toError(thrown), message);
  }
}

function forget(timerId: string): boolean {
  const timer = timers.get(timerId);
  if (timer === undefined) return false;
  clearTimeout(timer.handle);
  timers.delete(timerId);
  removeFrom(byTarget, timer.target, timerId);
  return true;
}

watchEnds((id) => {
  for (const timerId of byTarget.get(id) ?? []) forget(timerId);
});
onReset(() => {
  for (const timerId of timers.keys()) forget(timerId);
});
