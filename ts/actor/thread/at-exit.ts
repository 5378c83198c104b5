/**
 * What a worker thread has said in the turn in which its program ends it (`process.exit`, an error that nobody catches) leaves it all the same. What the main
 * thread says then, nobody lives to hear.
 */
import { isMainThread } from 'node:worker_threads';

/** One that has something to send. */
export interface Sender {
  /** Sends what it has; no turn ends any more, so all that is said from now on is to be sent at once. */
  lastTurn(): void;
}

// All loads of the package in a thread share one listener, and a load that is dropped is not kept for it.
const SENDERS = Symbol.for('@noizylab/core: senders of this thread');

/** Tells `sender` when this thread ends. */
export function tellAtExit(sender: Sender): void {
  if (isMainThread) return;
  const holder = process as { [SENDERS]?: WeakRef<Sender>[] };
  if (holder[SENDERS] === undefined) {
    const senders: WeakRef<Sender>[] = [];
    holder[SENDERS] = senders;
    process.on('exit', () => {
      for (const one of senders) one.deref()?.lastTurn();
    });
  }
  holder[SENDERS].push(new WeakRef(sender));
}
