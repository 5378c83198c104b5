/**
 * Lifecycle events: what servers, and apart from them supervisors, tell of their starts, faults and ends.
 */
import { enter, leave } from './handling';
import { onReset } from './resets';
import { isThenable } from './thenable';
import type { LifecycleEvent } from './types';

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
      const before = enter(undefined);
      try {
        const returned = handler(event);
        if (isThenable(returned)) returned.then(undefined, ignore);
      } catch {
        // A listener must not be able to disturb the process that it listens to.
      } finally {
        leave(before);
      }
    }
  }
}

/** The events of servers. */
export const serverEvents = new Lifecycle();

function ignore(): void {}
