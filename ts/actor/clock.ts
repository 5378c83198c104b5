/** The clock by which the actors measure durations, and their microtasks. Taken once, at the load: a test that replaces the timers of its program must not stop them. */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

const { timeOrigin } = performance;
// Where fake timers seldom are.
const nodeSetTimeout: typeof setTimeout = timers.setTimeout;

/** What is to be done in a microtask is put behind it by `then`. Not by `queueMicrotask`, which fake timers replace. */
export const microtask: Promise<void> = Promise.resolve();

/** Milliseconds since this thread began. */
export const now: () => number = performance.now.bind(performance);

/** Whether a test has replaced the timers. */
export function hasFakeTimers(): boolean {
  return setTimeout !== nodeSetTimeout;
}

/** Milliseconds since 1970, in all threads, by the clock that the timers go by: fake ones where there are some, else one that nobody can set. */
export function timerTime(): number {
  return hasFakeTimers() ? Date.now() : timeOrigin + now();
}
