/**
 * `EventBus`: publish and subscribe by topic, with wildcards, between whatever runs in one thread.
 *
 * A bus is a GenServer: events are delivered one after another in the order in which they were published, each to its subscribers in the
 * order of subscription over all patterns. Listeners are called, not awaited. What one throws or rejects with is reported as a lifecycle
 * event `error` of the bus (where nobody listens to those, as a process warning) and keeps no other listener from its event.
 *
 * How patterns match is told in `topic-trie.ts`.
 */
import { ServerNotRunningError, toError } from './errors';
import { GenServer } from './gen-server';
import { asked, checkText, FaultReporter, named } from './services';
import { options as read } from './settings';
import { TopicTrie, type Subscribed } from './topic-trie';
import { isThenable } from './thenable';
import type { ExitReason, GenServerRef } from './types';

/** Is told of events. A promise that it returns is not awaited. */
export type EventBusHandler<T = unknown> = (message: T, topic: string) => unknown;

/** Options of `EventBus.start`. */
export interface EventBusOptions {
  /** Registers the bus under this name. */
  readonly name?: string | undefined;
}

interface Subscription extends Subscribed {
  readonly handler: EventBusHandler;
}

interface Publication {
  readonly type: 'publish';
  readonly topic: string;
  readonly message: unknown;
}

type BusCall =
  | Publication
  | { readonly type: 'subscribe'; readonly pattern: string; readonly handler: EventBusHandler }
  | { readonly type: 'unsubscribe'; readonly subscription: Subscription }
  | { readonly type: 'getSubscriptionCount' }
  | { readonly type: 'getTopics' };

/** Names an event bus. */
export type EventBusRef = GenServerRef<unknown, BusCall, Publication>;

/** What a bus keeps. */
class Bus {
  readonly subscriptions = new TopicTrie<Subscription>();
  #subscribed = 0;

  subscribe(pattern: string, handler: EventBusHandler): Subscription {
    const subscription = { pattern, handler, order: this.#subscribed++ };
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** Calls all whose pattern matches. */
  deliver(event: Publication, failed: (error: Error, event: Publication) => void): void {
    for (const { handler } of this.subscriptions.match(event.topic)) {
      try {
        const returned = handler(event.message, event.topic);
        if (isThenable(returned)) returned.then(undefined, (error: unknown) => failed(toError(error), event));
      } catch (error) {
        failed(toError(error), event);
      }
    }
  }
}

/** Publish and subscribe by topic. */
export const EventBus = {
  /**
   * Starts a bus.
   * @throws (rejects) AlreadyRegisteredError: the name is in use. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: the name
   */
  async start(options?: EventBusOptions): Promise<EventBusRef> {
    const { name } = read.object('options', options);
    const faults = new FaultReporter();
    const failed = (error: Error, event: Publication): void => faults.report(error, event);
    const ref: EventBusRef = await GenServer.start<Bus, BusCall, Publication, unknown>(
      {
        init: () => new Bus(),
        handleCall: (message, bus) => [answer(message, bus, failed), bus],
        handleCast: (message, bus) => {
          bus.deliver(message, failed);
          return bus;
        },
      },
      named(name),
    );
    faults.begin(ref);
    return ref;
  },

  /**
   * Has `handler` called with each event whose topic matches `pattern`: `user.created` that topic alone, `user.*` all that begin with
   * `user.`, `*` every one. The same handler subscribed twice is called twice.
   * @returns takes the subscription back; may be called again, and after the bus has stopped
   * @throws (rejects) ServerNotRunningError. TypeError `ERR_ACTOR_INVALID_TYPE`: the pattern is no string, the handler no function
   */
  subscribe<T = unknown>(
    ref: EventBusRef,
    pattern: string,
    handler: EventBusHandler<T>,
  ): Promise<() => Promise<void>> {
    return asked(() => {
      checkText('pattern', pattern);
      read.callback('handler', handler);
      const subscribed = GenServer.call(ref, {
        type: 'subscribe',
        pattern,
        handler: handler as EventBusHandler,
      }) as Promise<Subscription>;
      return subscribed.then((subscription) => () => unsubscribe(ref, subscription));
    });
  },

  /**
   * Publishes an event and does not wait for its delivery.
   * @throws ServerNotRunningError. TypeError `ERR_ACTOR_INVALID_TYPE`: the topic is no string
   */
  publish(ref: EventBusRef, topic: string, message?: unknown): void {
    checkText('topic', topic);
    GenServer.cast(ref, { type: 'publish', topic, message });
  },

  /**
   * Publishes an event and resolves when all its listeners have been called.
   * @throws (rejects) ServerNotRunningError, CallTimeoutError. TypeError `ERR_ACTOR_INVALID_TYPE`: the topic is no string
   */
  publishSync(ref: EventBusRef, topic: string, message?: unknown): Promise<void> {
    return asked(() => {
      checkText('topic', topic);
      return GenServer.call(ref, { type: 'publish', topic, message }) as Promise<void>;
    });
  },

  /** How many subscriptions there are. */
  getSubscriptionCount(ref: EventBusRef): Promise<number> {
    return GenServer.call(ref, { type: 'getSubscriptionCount' }) as Promise<number>;
  },

  /** The patterns that are subscribed to, each once, in the order in which they came. */
  getTopics(ref: EventBusRef): Promise<readonly string[]> {
    return GenServer.call(ref, { type: 'getTopics' }) as Promise<readonly string[]>;
  },

  /** Whether the bus takes events. */
  isRunning(ref: EventBusRef): boolean {
    return GenServer.isRunning(ref);
  },

  /** Stops the bus when all that was published has been delivered. Resolves at once where it has stopped already. */
  stop(ref: EventBusRef, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function unsubscribe(ref: EventBusRef, subscription: Subscription): Promise<void> {
  return GenServer.call(ref, { type: 'unsubscribe', subscription }).then(
    () => {},
    (error: unknown) => {
      // A bus that has stopped, or does so before this call has its turn, has no subscriptions any more.
      if (!(error instanceof ServerNotRunningError)) throw error;
    },
  );
}

function answer(message: BusCall, bus: Bus, failed: (error: Error, event: Publication) => void): unknown {
  switch (message.type) {
    case 'publish':
      return bus.deliver(message, failed);
    case 'subscribe':
      return bus.subscribe(message.pattern, message.handler);
    case 'unsubscribe':
      return bus.subscriptions.delete(message.subscription);
    case 'getSubscriptionCount':
      return bus.subscriptions.size;
    default:
      return bus.subscriptions.patterns();
  }
}
