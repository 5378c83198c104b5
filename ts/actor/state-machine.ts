/**
 * The rules of a state machine: what follows from an event.
 *
 * An event goes to the handler of the current state. Its decision is done in this order: `onExit` and `onEnter`, the new state and data,
 * the actions as given; then events that the actions made, then those that were postponed in the state that was left, each in their order
 * and before whatever waits in the mailbox. Where a handler, `onExit` or `onEnter` throws, or the decision itself is wrong, state and data stay
 * and the decision counts for nothing; events that wait are handled all the same.
 */
import { ServerNotRunningError, toError } from './errors';
import { checkActions, checkedDecision, checkObject } from './decisions';
import { DeferredReplies, type DeferredCall } from './deferred-replies';
import { GenServer } from './gen-server';
import { FaultReporter } from './services';
import { exitReason, options as read } from './settings';
import type {
  DeferredReply,
  StateHandler,
  StateMachineAction,
  StateMachineBehavior,
  StateMachineInit,
  TimeoutEvent,
} from './state-machine-types';
import type { Steps } from './steps';
import { Timeouts, type Timeout } from './timeouts';
import type { ExitReason, GenServerRef } from './types';

/** The casts of a machine's server. */
export type MachineCast<E> =
  { readonly type: 'event'; readonly event: E } | { readonly type: 'timeout'; readonly timeout: Timeout };

interface Entry<E> {
  readonly event: E | TimeoutEvent;
  readonly from: DeferredReply | undefined;
  /** Its sender waits no longer, so it is not handled any more. */
  expired?: boolean;
}

/** A machine: what the server that runs it keeps. */
export class StateMachine<S extends string, E, D> {
  state: S;
  data: D;
  readonly #behavior: StateMachineBehavior<S, E, D>;
  readonly #timeouts = new Timeouts((timeout) => this.#fire(timeout));
  readonly #replies = new DeferredReplies();
  readonly #faults = new FaultReporter();
  /** Events to be handled before the next message; the next one is the last. */
  readonly #next: Entry<E>[] = [];
  readonly #postponed = new Set<Entry<E>>();
  #ref: GenServerRef<unknown, never, MachineCast<E>> | undefined;
  /** Timeouts whose time was over before `attach`. */
  readonly #early: Timeout[] = [];
  /** Why the machine has decided to stop, or has ended. */
  #stopped: ExitReason | undefined;

  constructor(behavior: StateMachineBehavior<S, E, D>, init: StateMachineInit<S, D>) {
    checkObject('the result of init', init);
    this.#behavior = behavior;
    this.#handlerOf(init.state);
    this.state = init.state;
    this.data = init.data;
  }

  /** Does the first actions and handles the events that they make. */
  *begin(actions: readonly StateMachineAction[] | undefined): Steps<void> {
    checkActions(actions);
    this.#act(actions);
    for (let entry; (entry = this.#nextEntry()) !== undefined;) yield* this.#handle(entry);
  }

  /** Gives the machine up: it could not be started. */
  abandon(): void {
    this.#close('shutdown');
  }

  /** Makes the server known that runs the machine. */
  attach(ref: GenServerRef<unknown, never, MachineCast<E>>): void {
    this.#ref = ref;
    this.#faults.begin(ref);
    this.#stopIfDecided();
    for (const timeout of this.#early.splice(0)) this.#fire(timeout);
  }

  /** Handles an event that was sent. */
  *receive(event: E): Steps<void> {
    this.#timeouts.cancel('event_timeout');
    yield* this.#settle({ event, from: undefined });
  }

  /** Handles an event whose sender waits for a reply, and returns the promise of it. */
  *request(event: E, call: DeferredCall): Steps<{ readonly reply: Promise<unknown> }> {
    const expired = (): void => {
      entry.expired = true;
      this.#postponed.delete(entry);
    };
    const [from, reply] = this.#replies.expect(() => this.#ref?.id ?? '', call, expired);
    const entry: Entry<E> = { event, from };
    this.#timeouts.cancel('event_timeout');
    try {
      yield* this.#settle(entry);
    } catch (error) {
      // The call itself rejects with that; nobody has got the promise.
      this.#replies.reject(from, toError(error));
      throw error;
    }
    return { reply };
  }

  /** Handles a timeout, unless it was cancelled after it had fired. */
  *expire(timeout: Timeout): Steps<void> {
    if (this.#timeouts.take(timeout)) yield* this.#settle({ event: timeout.event, from: undefined });
  }

  /** Cleans up; the server ends. */
  end(reason: ExitReason): void | Promise<void> {
    this.#close(reason);
    this.#replies.rejectAll(new ServerNotRunningError(this.#ref?.id ?? ''));
    return this.#behavior.terminate?.(reason, this.state, this.data);
  }

  /** Handles an event and all that follow from it. @throws what its handler throws; faults of those that follow are theirs */
  *#settle(first: Entry<E>): Steps<void> {
    if (this.#stopped !== undefined) throw new ServerNotRunningError(this.#ref?.id ?? '');
    let fault: { readonly error: unknown } | undefined;
    try {
      yield* this.#handle(first);
    } catch (error) {
      fault = { error };
    }
    for (let entry; (entry = this.#nextEntry()) !== undefined;) {
      try {
        yield* this.#handle(entry);
      } catch (error) {
        this.#fail(entry, toError(error));
      }
    }
    this.#stopIfDecided();
    if (fault !== undefined) throw fault.error;
  }

  #nextEntry(): Entry<E> | undefined {
    if (this.#stopped !== undefined) return undefined;
    let entry: Entry<E> | undefined;
    do entry = this.#next.pop();
    while (entry?.expired);
    return entry;
  }

  *#handle(entry: Entry<E>): Steps<void> {
    const handler = this.#handlerOf(this.state);
    const result = checkedDecision<S, D>(yield handler.handleEvent(entry.event, this.data, entry.from));
    switch (result.type) {
      case 'transition': {
        const previous = this.state;
        const { nextState, data } = result;
        const entered = this.#handlerOf(nextState);
        yield handler.onExit?.(this.data, nextState);
        yield entered.onEnter?.(data, previous);
        this.state = nextState;
        this.data = data;
        this.#timeouts.cancel('state_timeout');
        if (previous !== nextState) this.#replay();
        this.#act(result.actions);
        break;
      }
      case 'keep_state':
        this.data = result.data;
        this.#act(result.actions);
        break;
      case 'keep_state_and_data':
        this.#act(result.actions);
        break;
      case 'postpone':
        if (!entry.expired) this.#postponed.add(entry);
        break;
      case 'stop':
        this.#stopped = exitReason(result.reason, 'normal');
        this.data = result.data;
        break;
    }
  }

  #act(actions: readonly StateMachineAction[] = []): void {
    const made: Entry<E>[] = [];
    for (const action of actions) {
      switch (action.type) {
        case 'next_event':
          made.push({ event: action.event as E, from: undefined });
          break;
        case 'reply':
          this.#replies.resolve(action.to, action.value);
          break;
        default:
          this.#timeouts.set(action);
      }
    }
    this.#next.push(...made.toReversed());
  }

  /** Lets the postponed events come again. */
  #replay(): void {
    for (const entry of [...this.#postponed].toReversed()) this.#next.push(entry);
    this.#postponed.clear();
  }

  /** An event that nobody waits for has met a fault; or somebody waits for its reply. */
  #fail(entry: Entry<E>, error: Error): void {
    if (entry.from !== undefined) this.#replies.reject(entry.from, error);
    else this.#faults.report(error, entry.event);
  }

  #fire(timeout: Timeout): void {
    if (this.#ref === undefined) this.#early.push(timeout);
    else if (GenServer.isRunning(this.#ref)) GenServer.cast(this.#ref, { type: 'timeout', timeout });
  }

  /** A handler that is under way is the last, and no timeout is set any more. */
  #close(reason: ExitReason): void {
    this.#stopped ??= reason;
    this.#timeouts.close();
  }

  #stopIfDecided(): void {
    if (this.#stopped !== undefined && this.#ref !== undefined) GenServer.kill(this.#ref, this.#stopped);
  }

  #handlerOf(state: S): StateHandler<S, E, D> {
    const { states } = this.#behavior;
    if (Object.hasOwn(states, state)) return states[state];
    throw read.range('state', state, `one of ${Object.keys(states).join(', ')}`);
  }
}
