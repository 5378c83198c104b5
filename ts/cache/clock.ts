/**
 * The time for expiry: milliseconds that only ever grow, from a word in native memory that the core refreshes about every millisecond
 * while it is used. A read of it costs about a nanosecond, where `Date.now()` takes 35.
 */
import { performance } from 'node:perf_hooks';
import { native } from '../bridge/native';

/** A clock: the time is `words[0]`, or where that is 0, what `wake()` returns. */
export interface Clock {
  readonly words: Float64Array;
  readonly wake: () => number;
}

let core: Clock | undefined;

/** The clock of the core, or where there is none, that of Node. */
export function coreClock(): Clock {
  core ??= connect();
  return core;
}

/** A clock that asks `now` each time. */
export function injectedClock(now: () => number): Clock {
  return { words: new Float64Array(1), wake: now };
}

function connect(): Clock {
  try {
    const { clockWords, clockWake } = native();
    const memory = clockWords();
    if (memory !== undefined) return { words: new Float64Array(memory), wake: clockWake };
    // V8 refuses foreign memory: the core is asked each time, for the engine compares with its own clock.
    return injectedClock(clockWake);
  } catch {
    // No native part for this platform: the caches of an isolate work without it.
  }
  // As the core's: a multiple of a 1024th, so that whole milliseconds can be added and taken off again exactly.
  return injectedClock(() => Math.floor(performance.now() * 1024) / 1024);
}
