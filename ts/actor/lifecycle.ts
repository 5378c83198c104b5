/**
 * Lifecycle events: what servers, and apart from them supervisors, tell of their starts, faults and ends.
 */
import { onReset } from './resets';
import type { LifecycleEvent, Ref } from './types';

/** The listeners of one kind of process. */
export class Lifecycle<Event = LifecycleEvent> {
  /** Replaced, never changed: an `emit` that is under way keeps to the listeners it began with. */
  private handlers: readonly ((event: Event) => void)[] = [];

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

  /** Tells all listeners, in the order of registration; what one throws reaches nobody. */
  emit(event: Event): void {
    for (const handler of this.handlers) {
      try {
        handler(event);
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
    process.emitWarning(`GenServer '${ref.id}' could not handle a message: ${error.message}`, {
      type: 'ActorWarning',
      code: 'ERR_ACTOR_UNHANDLED_FAULT',
      detail: `${error.stack}\nListen with GenServer.onLifecycleEvent to see every such error; this warning comes once per server.`,
    });
  }
}
