/** Faults that have no caller to go to: told as events `error`, or where nobody listens, the first of each process as a warning of the Node process. */
import { describe } from '../options';
import { serverEvents } from './lifecycle';
import type { OwnServer, Process } from './processes';
import type { Ref } from './types';

/** Reports the faults of one process. */
export class Faults {
  private warned = false;

  /** @param message what was being handled */
  report(ref: Ref, error: Error, message: unknown): void {
    if (serverEvents.listened) {
      serverEvents.emit({ type: 'error', ref, error, message });
    } else if (!this.warned) {
      this.warned = true;
      warn(ref, error);
    }
  }
}

/** Faults of the servers of other threads that are met here. */
const elsewhere = new WeakMap<Process, Faults>();

/** Reports a fault of a server of any thread, which may have ended. */
export function reportFault(server: Process, error: Error, message: unknown): void {
  const { report } = server as Partial<OwnServer>;
  if (report !== undefined) {
    report.call(server, error, message);
    return;
  }
  const faults = elsewhere.get(server) ?? new Faults();
  elsewhere.set(server, faults);
  faults.report(server.ref, error, message);
}

function warn(ref: Ref, error: Error): void {
  const { text, stack } = written(error);
  process.emitWarning(`GenServer '${ref.id}' could not handle a message: ${text}`, {
    type: 'ActorWarning',
    code: 'ERR_ACTOR_UNHANDLED_FAULT',
    detail: `${stack}\nListen with GenServer.onLifecycleEvent to see every such error; this warning comes once per server.`,
  });
}

/** Message and stack of an error, whose getters may throw or give what has no text. */
function written(error: { message: unknown; stack?: unknown }): { text: string; stack: string } {
  try {
    return { text: String(error.message), stack: String(error.stack) };
  } catch {
    const text = describe(error);
    return { text, stack: text };
  }
}
