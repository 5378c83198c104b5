/**
 * SIGINT, SIGTERM and SIGHUP: all brokers of this load are drained and stopped, then the process ends with code 0, or with that of the command that a broker
 * runs. Where the program has a listener of its own for the signal, the end is its affair.
 *
 * There is one listener a signal, however many brokers there are, and none while there is none.
 */
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';

/** What a signal finds. */
export interface Interruptible {
  /** Ends in good order; the code that the process shall exit with, if it is not 0. */
  interrupt(signal: NodeJS.Signals): Promise<number | undefined>;
  /** Ends at once. */
  abandon(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A second signal within this time is the same press of a key, which npx hands on besides the terminal. */
const SAME_PRESS_MS = 500;

const known = new Set<Interruptible>();
let interruptedAt: number | undefined;

/** `one` ends with the process from now on; `false`: so it did before. */
export function handleSignals(one: Interruptible): boolean {
  if (known.has(one)) return false;
  if (known.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal);
  known.add(one);
  return true;
}

/** `one` has ended. */
export function ignoreSignals(one: Interruptible): void {
  if (!known.delete(one) || known.size > 0) return;
  for (const signal of SIGNALS) process.off(signal, onSignal);
  interruptedAt = undefined;
}

function onSignal(signal: NodeJS.Signals): void {
  // Others may have listeners of their own; asked before ours are gone.
  const isOurs = process.listenerCount(signal) === 1;
  if (interruptedAt === undefined) {
    interruptedAt = performance.now();
    void interruptAll(signal, isOurs);
  } else if (performance.now() - interruptedAt >= SAME_PRESS_MS) {
    for (const one of known) one.abandon();
    if (isOurs) process.exit(128 + constants.signals[signal]);
  }
}

async function interruptAll(signal: NodeJS.Signals, isOurs: boolean): Promise<void> {
  const codes = await Promise.all([...known].map((one) => one.interrupt(signal)));
  interruptedAt = undefined;
  if (isOurs) process.exit(codes.find((code) => code !== undefined) ?? 0);
}
