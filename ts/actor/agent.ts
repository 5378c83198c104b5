/**
 * `Agent`: a value that functions read and change, one after another.
 *
 * A GenServer whose messages are functions, so it lives in one thread. A function may return a promise: one that changes the value then
 * holds up those behind it until it settles; a rejection or throw leaves the value as it was.
 */
import { GenServer } from './gen-server';
import { asked, named } from './services';
import { options as read } from './settings';
import { isThenable } from './thenable';
import type { CallResult, ExitReason, GenServerRef } from './types';

type Get<T> = (state: T) => unknown;
type Update<T> = (state: T) => T | PromiseLike<T>;
type GetAndUpdate<T> = (state: T) => CallResult<unknown, T> | PromiseLike<CallResult<unknown, T>>;

type AgentCall<T> =
  | { readonly type: 'get'; readonly fn: Get<T> }
  | { readonly type: 'update'; readonly fn: Update<T> }
  | { readonly type: 'getAndUpdate'; readonly fn: GetAndUpdate<T> };

/** Names an agent. */
export type AgentRef<T> = GenServerRef<T, AgentCall<T>, Update<T>>;

/** Options of `Agent.start`. */
export interface AgentOptions {
  /** Registers the agent under this name. */
  readonly name?: string | undefined;
}

/** A value behind functions. */
export const Agent = {
  /**
   * Starts an agent.
   * @param initializer makes the first value
   * @throws (rejects) InitializationError: `initializer` throws or rejects. AlreadyRegisteredError: the name is in use. TypeError
   * `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: an argument
   */
  async start<T>(initializer: () => T | Promise<T>, options?: AgentOptions): Promise<AgentRef<T>> {
    read.callback('initializer', initializer);
    const { name } = read.object('options', options);
    return GenServer.start<T, AgentCall<T>, Update<T>, unknown>(
      {
        init: initializer,
        handleCall: (message, state) => apply(message, state) as CallResult<unknown, T>,
        handleCast: (fn, state) => fn(state) as T,
      },
      named(name),
    );
  },

  /**
   * What `fn` makes of the value. Where it returns a promise, the agent goes on meanwhile.
   * @throws (rejects) what `fn` throws; ServerNotRunningError, CallTimeoutError
   */
  get<T, R>(ref: AgentRef<T>, fn: (state: T) => R): Promise<Awaited<R>> {
    return ask(ref, 'get', fn) as Promise<Awaited<R>>;
  },

  /** Replaces the value by what `fn` makes of it. Rejects as `get` does, and then the value stays. */
  update<T>(ref: AgentRef<T>, fn: (state: T) => T | PromiseLike<T>): Promise<void> {
    return ask(ref, 'update', fn) as Promise<void>;
  },

  /**
   * As `update`, without waiting for it; what `fn` throws is reported as a lifecycle event `error`.
   * @throws ServerNotRunningError
   */
  castUpdate<T>(ref: AgentRef<T>, fn: (state: T) => T | PromiseLike<T>): void {
    read.callback('fn', fn);
    GenServer.cast(ref, fn);
  },

  /**
   * Resolves to the first and replaces the value by the second of the pair that `fn` returns. Rejects as `get` does, and then the value
   * stays.
   */
  getAndUpdate<T, R>(
    ref: AgentRef<T>,
    fn: (state: T) => readonly [R, T] | PromiseLike<readonly [R, T]>,
  ): Promise<R> {
    return ask(ref, 'getAndUpdate', fn) as Promise<R>;
  },

  /** Whether the agent answers. */
  isRunning<T>(ref: AgentRef<T>): boolean {
    return GenServer.isRunning(ref);
  },

  /** Stops the agent behind all that was asked of it. Resolves at once where it has stopped already. */
  stop<T>(ref: AgentRef<T>, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function ask<T>(ref: AgentRef<T>, type: AgentCall<T>['type'], fn: (state: T) => unknown): Promise<unknown> {
  return asked(() => {
    read.callback('fn', fn);
    return GenServer.call(ref, { type, fn } as AgentCall<T>);
  });
}

function apply<T>(
  message: AgentCall<T>,
  state: T,
): CallResult<unknown, T> | PromiseLike<CallResult<unknown, T>> {
  switch (message.type) {
    case 'get':
      return [message.fn(state), state];
    case 'update': {
      const next = message.fn(state);
      return isThenable(next) ? next.then((settled) => [undefined, settled]) : [undefined, next];
    }
    default:
      return message.fn(state);
  }
}
