/**
 * `GenStateMachine`: a process that is always in one of a few named states, each with its own handler of events, with timeouts, postponed
 * events and deferred replies.
 *
 * A GenServer that runs the rules of `state-machine.ts`: one event at a time, in the order in which they were sent. Where a handler throws,
 * a call rejects with that error, and any other event is reported as a lifecycle event `error`; the machine keeps its state and goes on.
 */
import { timerTime } from './clock';
import { GenServer } from './gen-server';
import { asked, named, required } from './services';
import { milliseconds, options as read } from './settings';
import type { DeferredCall } from './deferred-replies';
import { StateMachine, type MachineCast } from './state-machine';
import type {
  StateHandler,
  StateMachineBehavior,
  StateMachineOptions,
  StateMachineRef,
} from './state-machine-types';
import { walk, type Steps } from './steps';
import { DEFAULTS, type CallOptions, type CallResult, type ExitReason, type Ref } from './types';

type MachineCall<E> =
  | { readonly type: 'event'; readonly event: E }
  | { readonly type: 'request'; readonly event: E; readonly call: DeferredCall }
  | { readonly type: 'getState' | 'getData' };

/** State machines as processes. */
export const GenStateMachine = {
  /**
   * Starts a machine. Its first actions are done, and the events that they make handled, before this resolves.
   * @throws (rejects) InitializationError: `init` or one of those fails. AlreadyRegisteredError: the name is in use. TypeError
   * `ERR_ACTOR_INVALID_TYPE`: an argument
   */
  async start<S extends string, E, D>(
    behavior: StateMachineBehavior<S, E, D>,
    options?: StateMachineOptions,
  ): Promise<StateMachineRef<S, E, D>> {
    read.callback('behavior.init', read.object('behavior', behavior).init);
    const states: [string, Partial<StateHandler<S, E, D>> | null][] = Object.entries(
      read.object('behavior.states', required(behavior.states)),
    );
    for (const [state, handler] of states)
      read.callback(`behavior.states.${state}.handleEvent`, handler?.handleEvent);
    const { name } = read.object('options', options);
    let machine: StateMachine<S, E, D> | undefined;
    let ref: Ref;
    let abandoned = false;
    try {
      ref = await GenServer.start<StateMachine<S, E, D>, MachineCall<E>, MachineCast<E>, unknown>(
        {
          init: async () => {
            const init = await behavior.init();
            machine = new StateMachine(behavior, init);
            // It may have taken too long.
            if (!abandoned) await walk(machine.begin(init.actions));
            return machine;
          },
          handleCall: (message, state) => walk(answer(message, state)),
          handleCast: (message, state) => walk(accept(message, state)),
          terminate: (reason, state) => state.end(reason),
        },
        named(name),
      );
    } catch (error) {
      abandoned = true;
      machine?.abandon();
      throw error;
    }
    machine!.attach(ref);
    return { _type: 'StateMachineRef', id: ref.id };
  },

  /**
   * Sends an event and resolves to the state that the machine is in when it has been handled, or postponed.
   * @param timeout milliseconds, default 5000; `Infinity`: none
   * @throws (rejects) what the handler throws; ServerNotRunningError, CallTimeoutError
   */
  call<S extends string, E, D>(
    ref: StateMachineRef<S, E, D>,
    event: NoInfer<E>,
    timeout?: number,
  ): Promise<S> {
    const options = timeout === undefined ? undefined : { timeout };
    return ask<E, S>(ref, { type: 'event', event }, options);
  },

  /**
   * Sends an event and resolves to the value of the action `reply` that answers it, now or after later events.
   * @param timeout milliseconds, default 5000; `Infinity`: none
   * @typeParam R the type of that value: taken from where the result is used, or given with all the others, for the event is checked by them
   * @throws (rejects) what the handler throws; ServerNotRunningError, also where the machine ends before it replies; CallTimeoutError
   */
  callWithReply<R, S extends string, E, D>(
    ref: StateMachineRef<S, E, D>,
    event: NoInfer<E>,
    timeout?: number,
  ): Promise<R> {
    return asked(() => {
      const call = { timeout: milliseconds('timeout', timeout, DEFAULTS.CALL_TIMEOUT), sentAt: timerTime() };
      return ask<E, R>(ref, { type: 'request', event, call }, call);
    });
  },

  /**
   * Sends an event.
   * @throws ServerNotRunningError
   */
  cast<S extends string, E, D>(ref: StateMachineRef<S, E, D>, event: NoInfer<E>): void {
    GenServer.cast(ref, { type: 'event', event });
  },

  /** The current state. */
  getState<S extends string, E, D>(ref: StateMachineRef<S, E, D>): Promise<S> {
    return ask<E, S>(ref, { type: 'getState' });
  },

  /** The current data. */
  getData<S extends string, E, D>(ref: StateMachineRef<S, E, D>): Promise<D> {
    return ask<E, D>(ref, { type: 'getData' });
  },

  /** Whether the machine takes events. */
  isRunning(ref: StateMachineRef): boolean {
    return GenServer.isRunning(ref);
  },

  /** Stops the machine behind all that was sent to it; replies that are still to be given reject with `ServerNotRunningError`. */
  stop(ref: StateMachineRef, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function ask<E, Reply>(ref: Ref, message: MachineCall<E>, options?: CallOptions): Promise<Reply> {
  return GenServer.call<unknown, MachineCall<E>, never, Reply>(ref, message, options);
}

function* answer<S extends string, E, D>(
  message: MachineCall<E>,
  machine: StateMachine<S, E, D>,
): Steps<CallResult<unknown, StateMachine<S, E, D>>> {
  switch (message.type) {
    case 'event':
      yield* machine.receive(message.event);
      return [machine.state, machine];
    case 'request': {
      const { reply } = yield* machine.request(message.event, message.call);
      return [reply, machine];
    }
    case 'getState':
      return [machine.state, machine];
    default:
      return [machine.data, machine];
  }
}

function* accept<S extends string, E, D>(
  message: MachineCast<E>,
  machine: StateMachine<S, E, D>,
): Steps<StateMachine<S, E, D>> {
  if (message.type === 'event') yield* machine.receive(message.event);
  else yield* machine.expire(message.timeout);
  return machine;
}
