/**
 * Which server of this thread handles its messages when. Servers with waiting messages take turns in a microtask; after a slice of 8 ms the rest goes on from
 * `setImmediate`, so that timers and I/O get their turn however flooded the servers are. The clock is looked at every 16 messages, and more often at
 * the beginning of a slice and while handlers are slow.
 */
import { setImmediate } from 'node:timers';
import { microtask, now } from './clock';

/** One that has messages to handle. */
export interface Runnable {
  /** Handles up to `quantum` messages and returns how many it handled; where more are left, it schedules itself again. */
  run(quantum: number): number;
}

const SLICE_MS = 8;
/** Of a slice, before the clock has told how long the handlers take. */
const FIRST_QUANTUM = 4;
const LONGEST_QUANTUM = 16;
/** A longer queue is not kept once it is empty. */
const LONGEST_KEPT = 1024;
/** Quanta become longer below and shorter above these times, in milliseconds. */
const QUICK_MS = 0.25;
const SLOW_MS = 1;

// Taken once, at the load: a test that replaces timers must not stop the servers.
const nextTurn = setImmediate;

/** A queue in an array that is used again: `next` is the first in it, `end` is behind the last. */
let ready: (Runnable | undefined)[] = [];
let next = 0;
let end = 0;
/** A microtask, or while `paused` an immediate, is going to work through `ready`. */
let scheduled = false;
let paused = false;
let quantum = FIRST_QUANTUM;
let handled = 0;
let lookedAt = 0;
/** When the slice ends; 0 where none has begun since the event loop last turned. */
let sliceEnd = 0;

/** Lets a server run soon. */
export function schedule(server: Runnable): void {
  ready[end] = server;
  end += 1;
  if (scheduled) return;
  scheduled = true;
  void microtask.then(runReady);
}

/** Lets a server go on right now, or where the slice is over, in the next turn of the event loop. */
export function proceed(server: Runnable): void {
  if (paused) {
    schedule(server);
    return;
  }
  runOne(server);
}

/** Whether a message that comes on its own may be handled right now; it counts for the slice. */
export function mayHandle(): boolean {
  if (paused) return false;
  handled += 1;
  if (handled >= quantum) lookAtClock();
  return !paused;
}

function runReady(): void {
  while (next < end) {
    if (paused) return;
    const server = ready[next]!;
    ready[next] = undefined;
    next += 1;
    runOne(server);
  }
  if (end > LONGEST_KEPT) ready = [];
  next = 0;
  end = 0;
  scheduled = false;
}

/** Where `run` throws, Node tells of it as an unhandled rejection; that server goes on with its next message, and no other is held up. */
function runOne(server: Runnable): void {
  handled += 1;
  try {
    handled += server.run(quantum);
  } catch (error) {
    void Promise.reject(error);
    schedule(server);
  }
  if (handled >= quantum) lookAtClock();
}

function lookAtClock(): void {
  handled = 0;
  const time = now();
  if (sliceEnd === 0) {
    sliceEnd = time + SLICE_MS;
    quantum = 1;
    nextTurn(beginSlice);
  } else {
    if (time >= sliceEnd) paused = true;
    const took = time - lookedAt;
    if (took < QUICK_MS) quantum = Math.min(quantum * 2, LONGEST_QUANTUM);
    else if (took > SLOW_MS) quantum = 1;
  }
  lookedAt = time;
}

function beginSlice(): void {
  sliceEnd = 0;
  quantum = FIRST_QUANTUM;
  paused = false;
  if (next > 0) {
    ready = ready.slice(next, end);
    next = 0;
    end = ready.length;
  }
  if (scheduled) runReady();
}
