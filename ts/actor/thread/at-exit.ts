/**
 * What a worker thread has said in the turn in which its program ends it (`process.exit`, an error that nobody catches) leaves it all the same. What the main
 * thread says then, nobody lives to hear.
 */
import { isMainThread } from 'node:worker_threads';

/** One that has something to send. */
export interface Sender {
  flush(): void;
}

// All loads of the package in a thread share one listener, and a load that is dropped is not kept for it.
const SENDERS = Symbol.for('@noizylab/core: senders of this thread');

/** Lets `sender` send what it has when this thread ends. */
export function flushAtExit(sender: Sender): void {
  if (isMainThread) return;
  const holder = process as { [SENDERS]?: WeakRef<Sender>[] };
  if (holder[SENDERS] === undefined) {
    const senders: WeakRef<Sender>[] = [];
    holder[SENDERS] = senders;
    process.on('exit', () => {
      for (const one of senders) one.deref()?.flush();
    });
  }
  holder[SENDERS].push(new WeakRef(sender));
}
