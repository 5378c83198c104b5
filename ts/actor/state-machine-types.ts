/** The types of state machines. Nothing here runs. */
import type { ExitReason, Ref } from './types';

declare const phantom: unique symbol;

/** How a machine begins. */
export interface StateMachineInit<S extends string, D> {
  readonly state: S;
  readonly data: D;
  /** Done before `start` resolves. */
  readonly actions?: readonly StateMachineAction[] | undefined;
}

/** What a handler decides about an event. */
export type StateTransitionResult<S extends string, D> =
  /**
   * Goes to `nextState`: `onExit` of the old and `onEnter` of the new one run, also where they are the same, and the `state_timeout` is
   * cancelled.
   */
  | {
      readonly type: 'transition';
      readonly nextState: S;
      readonly data: D;
      readonly actions?: readonly StateMachineAction[] | undefined;
    }
  | {
      readonly type: 'keep_state';
      readonly data: D;
      readonly actions?: readonly StateMachineAction[] | undefined;
    }
  | { readonly type: 'keep_state_and_data'; readonly actions?: readonly StateMachineAction[] | undefined }
  /** Keeps the event back; it comes again, before all others, when the state has changed. */
  | { readonly type: 'postpone' }
  /** Ends the machine at once, by default with the reason `'normal'`; events that wait are not handled any more. */
  | { readonly type: 'stop'; readonly reason?: ExitReason | undefined; readonly data: D };

/**
 * What happens after a decision, in the order given. A timeout of the same kind (and name) replaces the one before it; a `time` of
 * `Infinity` cancels it. Times are milliseconds.
 */
export type StateMachineAction =
  /** Unless the state is left before. */
  | { readonly type: 'state_timeout'; readonly time: number; readonly event?: unknown }
  /** Unless another event is sent before. */
  | { readonly type: 'event_timeout'; readonly time: number; readonly event?: unknown }
  /** Whatever happens before. */
  | {
      readonly type: 'generic_timeout';
      readonly name: string;
      readonly time: number;
      readonly event?: unknown;
    }
  /** An event that is handled before all that wait. */
  | { readonly type: 'next_event'; readonly event: unknown }
  /** Answers a `callWithReply`; without effect where that was answered or is over. */
  | { readonly type: 'reply'; readonly to: DeferredReply; readonly value: unknown };

/** The event that a timeout sends to the state that is current then. */
export interface TimeoutEvent {
  readonly type: 'timeout';
  readonly timeoutType: 'state_timeout' | 'event_timeout' | 'generic_timeout';
  /** Of a `generic_timeout`. */
  readonly name: string | undefined;
  readonly event: unknown;
}

/** Names a `callWithReply` that waits for its `reply` action. */
export interface DeferredReply {
  readonly _id: string;
}

/** What a machine does in one state. Every function may return a promise; the next event waits for it. */
export interface StateHandler<S extends string, E, D> {
  /** @param from there for an event of `callWithReply` */
  handleEvent(
    event: E | TimeoutEvent,
    data: D,
    from?: DeferredReply,
  ): StateTransitionResult<S, D> | Promise<StateTransitionResult<S, D>>;
  onEnter?(data: D, previousState: S): void | Promise<void>;
  onExit?(data: D, nextState: S): void | Promise<void>;
}

/**
 * What a machine does.
 *
 * @typeParam S the names of the states
 * @typeParam E the events
 * @typeParam D the data
 */
export interface StateMachineBehavior<S extends string, E, D> {
  init(): StateMachineInit<S, D> | Promise<StateMachineInit<S, D>>;
  readonly states: { readonly [K in S]: StateHandler<S, E, D> };
  terminate?(reason: ExitReason, state: S, data: D): void | Promise<void>;
}

/** Options of `GenStateMachine.start`. */
export interface StateMachineOptions {
  /** Registers the machine under this name. */
  readonly name?: string | undefined;
}

/** Names a state machine. Functions of `GenServer` that take any reference take it, too. */
export interface StateMachineRef<S extends string = string, E = unknown, D = unknown> extends Ref {
  readonly _type: 'StateMachineRef';
  readonly [phantom]?: { readonly state: S; readonly event: E; readonly data: D };
}
