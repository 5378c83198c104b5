/**
 * GenServer: a state, and the functions that alone may touch it, one message at a time. A server is named by its reference and found by the `id` of that, so that a
 * reference can be kept, copied and made by hand.
 */
import type { Behavior } from './behavior-process';
import { AlreadyRegisteredError, InitializationError, ServerNotRunningError, toError } from './errors';
import { serverEvents } from './lifecycle';
import { link, unlink } from './links';
import { demonitor, monitor } from './monitors';
import { findProcess, findServer, nextId } from './processes';
import { Registry } from './registry';
import { resetCount } from './resets';
import { promiseOf } from './results';
import { Server } from './server';
import { callTimeout, exitReason, idOf, options as reader, startSettings } from './settings';
import { stopProcess } from './shutdown';
import { isThenable } from './thenable';
// oxlint-disable-next-line import/no-unassigned-import -- it only says how this thread is connected with others
import './thread/connect';
import type { BehaviorModule } from './thread/modules';
import type { ThreadOptions } from './thread/placement';
import { within } from './time-limit';
import { cancelTimer, sendAfter } from './timers';
import type {
  CallOptions,
  ExitReason,
  GenServerBehavior,
  GenServerOptions,
  GenServerRef,
  LifecycleHandler,
  Ref,
} from './types';

/**
 * Starts a server: runs `init`, gives the name, emits `started`.
 *
 * @param behavior what the server does; with the option `thread`, the module that has the behaviour
 * @returns rejects with `InitializationError` where `init` throws, rejects or takes too long, and with `AlreadyRegisteredError` where another process has the name
 */
function start<State, CallMsg, CastMsg, CallReply>(
  behavior: GenServerBehavior<State, CallMsg, CastMsg, CallReply>,
  options?: GenServerOptions & { thread?: false | undefined },
): Promise<GenServerRef<State, CallMsg, CastMsg, CallReply>>;
// The types cannot be derived from a module's name.
// oxlint-disable-next-line typescript/no-explicit-any
function start<State = unknown, CallMsg = any, CastMsg = any, CallReply = unknown>(
  behavior: BehaviorModule,
  options: GenServerOptions & { thread: true | ThreadOptions },
): Promise<GenServerRef<State, CallMsg, CastMsg, CallReply>>;
async function start(
  behavior: Behavior | BehaviorModule,
  options?: GenServerOptions & { thread?: boolean | ThreadOptions | undefined },
): Promise<Ref> {
  const thread = options?.thread;
  if (thread === undefined || thread === false) return startHere(behavior as Behavior, options);
  // oxlint-disable-next-line typescript/no-require-imports -- loaded late on purpose: most programs have no use for it
  const { startOnThread } = require('./thread/placement') as typeof import('./thread/placement');
  return startOnThread(behavior as BehaviorModule, { ...options, thread });
}

async function startHere(behavior: Behavior, options: GenServerOptions | undefined): Promise<Ref> {
  checkBehavior(behavior);
  const { name, initTimeout, server: settings } = startSettings(options);
  checkName(name);
  const id = nextId('genserver');
  const resets = resetCount();
  const state = await runInit(id, behavior, initTimeout);
  if (resets !== resetCount()) throw new ServerNotRunningError(id);
  checkName(name);
  const ref: Ref = { id };
  const server = new Server(ref, behavior, state, settings);
  try {
    if (name !== undefined) Registry.register(name, ref);
  } catch (error) {
    server.kill('shutdown');
    throw error;
  }
  serverEvents.emit({ type: 'started', ref });
  return ref;
}

/**
 * Asks a server and waits for its reply.
 *
 * @returns rejects with what `handleCall` throws, with `ServerNotRunningError` where the server is not running or ends before the call's turn, with
 *   `CallTimeoutError` where there is no reply in time, with `MailboxFullError` where a bounded mailbox has no room or too much is under way to its thread
 */
function call<State, CallMsg, CastMsg, CallReply>(
  ref: GenServerRef<State, CallMsg, CastMsg, CallReply>,
  message: NoInfer<CallMsg>,
  options?: CallOptions,
): Promise<CallReply> {
  try {
    const id = idOf(ref);
    const timeout = callTimeout(options);
    const server = findServer(id);
    if (server !== undefined) return server.call(message, timeout) as Promise<CallReply>;
    return Promise.reject(new ServerNotRunningError(id));
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Sends a message to a server and waits for nothing.
 *
 * @throws ServerNotRunningError where the server is not running
 * @throws MailboxFullError where a bounded mailbox has no room or too much is under way to its thread
 */
function cast<State, CallMsg, CastMsg, CallReply>(
  ref: GenServerRef<State, CallMsg, CastMsg, CallReply>,
  message: NoInfer<CastMsg>,
): void {
  const id = idOf(ref);
  const server = findServer(id);
  if (server === undefined) throw new ServerNotRunningError(id);
  server.cast(message);
}

/**
 * Ends a server, or a supervisor with all its children, in order: a server behind all messages that wait already; what comes later is not handled. However many stop it, `terminate` runs
 * once, with the reason of the first, and all of them wait for it.
 *
 * @param reason default `'normal'`
 * @returns resolves when the server is down, at once where it is down already; rejects with what `terminate` throws, the server being down as well
 */
function stop(ref: Ref, reason?: ExitReason): Promise<void> {
  return stopProcess(ref, reason);
}

/**
 * Ends a server, or a supervisor with all its children, at once and synchronously: waiting calls reject with `ServerNotRunningError`, waiting casts are dropped, `terminate` is called and not waited for. A
 * call whose handler is under way is still answered.
 *
 * @param reason default `'shutdown'`
 */
function kill(ref: Ref, reason?: ExitReason): void {
  findProcess(idOf(ref))?.kill(exitReason(reason, 'shutdown'));
}

/** Whether a server takes messages: from its start until its `stop` has its turn. */
function isRunning(ref: Ref): boolean {
  return findServer(idOf(ref))?.isRunning() ?? false;
}

/** Listens to the lifecycle events of all servers of this thread; returns what ends that. */
function onLifecycleEvent(handler: LifecycleHandler): () => void {
  reader.callback('handler', handler);
  return serverEvents.on(handler);
}

async function runInit(id: string, behavior: { init(): unknown }, timeout: number): Promise<unknown> {
  try {
    const state = behavior.init();
    if (!isThenable(state)) return state;
    return await within(promiseOf(state), timeout, () => {
      throw new Error(`Init timed out after ${timeout}ms`);
    });
  } catch (thrown) {
    throw new InitializationError(id, toError(thrown));
  }
}

function checkName(name: string | undefined): void {
  if (name !== undefined && Registry.isRegistered(name)) throw new AlreadyRegisteredError(name);
}

function checkBehavior(given: object): void {
  const behavior = given as Partial<Record<string, unknown>> | null | undefined;
  if (typeof behavior !== 'object' || behavior === null) {
    throw reader.type('behavior', behavior, 'an object with init, handleCall and handleCast');
  }
  for (const name of ['init', 'handleCall', 'handleCast'])
    reader.callback(`behavior.${name}`, behavior[name]);
  for (const name of ['handleInfo', 'terminate']) {
    if (behavior[name] !== undefined) reader.callback(`behavior.${name}`, behavior[name]);
  }
}

/** Servers: start them, talk to them, end them, watch them. */
export const GenServer = {
  start,
  call,
  cast,
  stop,
  kill,
  isRunning,
  onLifecycleEvent,
  sendAfter,
  cancelTimer,
  monitor,
  demonitor,
  link,
  unlink,
} as const;
