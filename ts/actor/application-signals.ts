/**
 * SIGINT and SIGTERM for applications: all that asked for it are stopped in the order of `stop-order.ts`. The Node process is not ended: it ends by itself once nothing is
 * left to do, and a signal that comes when the applications are down has its usual effect again. A second signal while they are being stopped
 * is not waited with: their supervisors are killed, and unless the program has a listener of its own, the signal has its usual effect.
 *
 * There is one listener a signal, however many applications there are, and none while there is none.
 */
import { performance } from 'node:perf_hooks';
import { stopInOrder, type Stoppable } from './stop-order';

/** What a signal finds. */
export interface Interruptible extends Stoppable {
  /** Ends at once. */
  abandon(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** A second signal within this time is the same press of a key, which npx hands on besides the terminal. */
const SAME_PRESS_MS = 500;

const known = new Set<Interruptible>();
let interruptedAt: number | undefined;

/** `one` is stopped by signals from now on. */
export function handleSignals(one: Interruptible): void {
  if (known.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal);
  known.add(one);
}

/** `one` has ended. */
export function ignoreSignals(one: Interruptible): void {
  if (!known.delete(one) || known.size > 0) return;
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  if (interruptedAt === undefined) {
    interruptedAt = performance.now();
    void interruptAll();
  } else if (performance.now() - interruptedAt >= SAME_PRESS_MS) {
    // Others may have listeners of their own; asked before ours is gone.
    const isOurs = process.listenerCount(signal) === 1;
    for (const one of known) {
      one.abandon();
      ignoreSignals(one);
    }
    if (isOurs) process.kill(process.pid, signal);
  }
}

async function interruptAll(): Promise<void> {
  await stopInOrder(known, 'signal');
  interruptedAt = undefined;
}
