/** The clock by which the actors measure durations. Taken once, at the load: a test that replaces the timers of its program must not stop them. */
import { performance } from 'node:perf_hooks';

/** Milliseconds since this thread began. */
export const now: () => number = performance.now.bind(performance);
