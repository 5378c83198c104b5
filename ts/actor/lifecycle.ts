/**
 * Lifecycle events: what servers, and apart from them supervisors, tell of their starts, faults and ends.
 */
import { describe } from '../options';
import { onReset } from './resets';
import { isThenable } from './thenable';
import type { LifecycleEvent, Ref } from './types';

/** The listeners of one kind of process. */
export class Lifecycle<Event = LifecycleEvent> {
  /** Replaced, never changed: an `emit` that is under way keeps to the listeners it began with. */
  private handlers: readonly ((event: Event) => unknown)[] = [];

  constructor() {
    onReset(() => {
      this.handlers = [];
    });
  }

  /** Whether anybody listens; where not, an event need not be made. */
  get listened(): boolean {
    return this.handlers.length > 0;
  }

  /** Adds a listener, each function once; returns what takes it back. */
  on(handler: (event: Event) => void): () => void {
    if (!this.handlers.includes(handler)) this.handlers = [...this.handlers, handler];
    return () => {
      this.handlers = this.handlers.filter((other) => other !== handler);
    };
  }

  /** Tells all listeners, in the order of registration; what one throws, or its promise rejects with, reaches nobody. */
  emit(event: Event): void {
    for (const handler of this.handlers) {
      try {
        const returned = handler(event);
        if (isThenable(returned)) returned.then(undefined, ignore);
      } catch {
        // A listener must not be able to disturb the process that it listens to.
      }
    }
  }
}

/** The events of servers. */
export const serverEvents = new Lifecycle();

/**
 * Reports an error that has no caller to go to: as an `error` event, or where nobody listens and `warn` is set, as a warning of the Node process.
 *
 * @param message what was being handled
 */
export function reportFault(ref: Ref, error: Error, message: unknown, warn: boolean): void {
  if (serverEvents.listened) {
    serverEvents.emit({ type: 'error', ref, error, message });
  } else if (warn) {
    const { text, stack } = written(error);
    process.emitWarning(`GenServer '${ref.id}' could not handle a message: ${text}`, {
      type: 'ActorWarning',
      code: 'ERR_ACTOR_UNHANDLED_FAULT',
      detail: `${stack}\nListen with GenServer.onLifecycleEvent to see every such error; this warning comes once per server.`,
    });
  }
}

/** Reports the faults of one process as `reportFault` does; of those that nobody listens to, the first is a warning. */
export class Faults {
  private warned = false;

  report(ref: Ref, error: Error, message: unknown): void {
    const heard = serverEvents.listened;
    reportFault(ref, error, message, !this.warned);
    this.warned ||= !heard;
  }
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

function ignore(): void {}
