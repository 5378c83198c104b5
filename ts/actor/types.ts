/**
 * The types of the actors: references, behaviours, options, events. Nothing here runs.
 */

/** Keeps the message types of a reference apart; never there at run time. */
declare const phantom: unique symbol;

/** Names a process: all that is known of it is found by `id`. A plain object; `{ id }` made by hand works as well. */
export interface Ref {
  readonly id: string;
}

/**
 * Names a GenServer and carries its types, so that `call` and `cast` are checked. Without type arguments it takes every message and its replies are `unknown`.
 *
 * @typeParam State what the behaviour keeps
 * @typeParam CallMsg the messages of `call`
 * @typeParam CastMsg the messages of `cast`
 * @typeParam CallReply what a call resolves to
 */
export interface GenServerRef<
  out State = unknown,
  // A bare reference takes every message.
  // oxlint-disable-next-line typescript/no-explicit-any
  CallMsg = any,
  // oxlint-disable-next-line typescript/no-explicit-any
  CastMsg = any,
  out CallReply = unknown,
> extends Ref {
  readonly [phantom]?: {
    readonly kind: 'server';
    readonly state: State;
    // Methods, whose parameters are compared either way: a reference that takes no message at all stands where none are named as well.
    call(message: CallMsg): void;
    cast(message: CastMsg): void;
    readonly reply: CallReply;
  };
}

/** Names a Supervisor. */
export interface SupervisorRef extends Ref {
  readonly [phantom]?: { readonly kind: 'supervisor' };
}

/** Why a process has ended: as asked for, because its supervisor or program shuts down, or by a fault. */
export type ExitReason = 'normal' | 'shutdown' | { readonly error: Error };

/** What reaches `handleInfo` of a server with `trapExit` when a linked process ends. */
export interface ExitSignal {
  readonly type: 'EXIT';
  readonly from: ProcessRef;
  readonly reason: ExitReason;
}

/** A process and the node it runs on; `nodeId` is `'local'` for all processes of this program. */
export interface ProcessRef extends Ref {
  readonly nodeId: string;
}

/** What `handleCall` returns: the reply for the caller, or a promise of it, and the next state. */
export type CallResult<CallReply, State> = readonly [reply: CallReply | PromiseLike<CallReply>, state: State];

/** What a GenServer does. Every function may return its value or a promise of it; the server handles one message at a time. */
export interface GenServerBehavior<State, CallMsg, CastMsg, CallReply> {
  /** Makes the first state. A throw or rejection makes `GenServer.start` reject with `InitializationError`. */
  init(): State | Promise<State>;
  /** Answers a call. Where it throws, the caller's promise rejects with that error and the state stays. */
  handleCall(
    message: CallMsg,
    state: State,
  ): CallResult<CallReply, State> | Promise<CallResult<CallReply, State>>;
  /** Handles a cast; returns the next state. Where it throws, an `error` event is emitted and the state stays. */
  handleCast(message: CastMsg, state: State): State | Promise<State>;
  /** Handles the end of a linked process, with the option `trapExit`; returns the next state. */
  handleInfo?(info: ExitSignal, state: State): State | Promise<State>;
  /** Cleans up when the server ends. After `stop` its promise is awaited; after `kill` or a crash it is not. */
  terminate?(reason: ExitReason, state: State): void | Promise<void>;
}

/** A bound for the messages that wait for one server. */
export interface MailboxOptions {
  /** How many calls and casts may wait, the one being handled not counted. Default `Infinity`. */
  limit?: number | undefined;
  /**
   * What happens to a message over the limit: `'reject'` (default) rejects the call, or throws at the cast, with `MailboxFullError`;
   * `'drop-newest'` drops a cast without a word; `'drop-oldest'` makes room by dropping what has waited longest. A call that is dropped
   * always rejects with `MailboxFullError`.
   */
  overflow?: 'reject' | 'drop-oldest' | 'drop-newest' | undefined;
}

/** Options of `GenServer.start`. */
export interface GenServerOptions {
  /** Registers the server under this name before `start` resolves; a name in use rejects with `AlreadyRegisteredError`. */
  name?: string | undefined;
  /** Milliseconds that `init` may take; default 5000. */
  initTimeout?: number | undefined;
  /** `true`: the end of a linked process comes to `handleInfo` as a message and does not end this one. Default `false`. */
  trapExit?: boolean | undefined;
  /**
   * What a throw of `handleCall`, `handleCast` or `handleInfo` does: `'continue'` (default) keeps the server and its state, `'crash'` ends it,
   * which is what lets a supervisor restart it.
   */
  onError?: 'continue' | 'crash' | undefined;
  /** A bound for the waiting messages; default none. */
  mailbox?: MailboxOptions | undefined;
}

/** Options of `GenServer.call`. */
export interface CallOptions {
  /** Milliseconds until the call rejects with `CallTimeoutError`; default 5000. `Infinity`: never. */
  timeout?: number | undefined;
}

/** A monitor, for `GenServer.demonitor`. */
export interface MonitorRef {
  readonly monitorId: string;
  readonly monitoredRef: ProcessRef;
}

/** Why a monitored process is down; `noproc`: it was not running when the monitor was set. */
export type DownReason =
  | { readonly type: 'normal' | 'shutdown' | 'noproc' | 'noconnection' }
  | { readonly type: 'error'; readonly message: string };

/** A link of two processes, for `GenServer.unlink`. */
export interface LinkRef {
  readonly linkId: string;
  readonly ref1: ProcessRef;
  readonly ref2: ProcessRef;
}

/** A timer of `GenServer.sendAfter`. */
export interface TimerRef {
  readonly timerId: string;
}

/** What listeners of lifecycle events are told. */
export type LifecycleEvent =
  | { readonly type: 'started'; readonly ref: Ref }
  | { readonly type: 'crashed'; readonly ref: Ref; readonly error: Error }
  | { readonly type: 'restarted'; readonly ref: Ref; readonly attempt: number }
  | { readonly type: 'terminated'; readonly ref: Ref; readonly reason: ExitReason }
  /** `handleCast` or `handleInfo` threw at `message`; the server goes on unless it was started with `onError: 'crash'`. */
  | { readonly type: 'error'; readonly ref: Ref; readonly error: Error; readonly message: unknown }
  | {
      readonly type: 'process_down';
      /** The process that monitors. */
      readonly ref: Ref;
      readonly monitoredRef: ProcessRef;
      readonly reason: DownReason;
      readonly monitorId: string;
    };

/** Listens to lifecycle events: called synchronously, in the order of registration; what it throws is ignored. */
export type LifecycleHandler = (event: LifecycleEvent) => void;

/** The defaults of all time and restart limits; times in milliseconds. */
export const DEFAULTS = {
  INIT_TIMEOUT: 5000,
  CALL_TIMEOUT: 5000,
  SHUTDOWN_TIMEOUT: 5000,
  MAX_RESTARTS: 3,
  RESTART_WITHIN_MS: 5000,
} as const;
