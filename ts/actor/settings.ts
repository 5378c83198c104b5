/**
 * The options of `GenServer.start` and of `GenServer.call`, read and checked.
 */
import { OptionReader } from '../options';
import { LONGEST_TIMER } from './deadlines';
import { isError } from './errors';
import {
  DEFAULTS,
  type CallOptions,
  type ExitReason,
  type GenServerOptions,
  type MailboxOptions,
  type Ref,
} from './types';

/** Reads the options of all actors: errors `ERR_ACTOR_INVALID_TYPE` and `ERR_ACTOR_OUT_OF_RANGE`. */
export const options = new OptionReader('ACTOR');

/** Bounds of every option in milliseconds that a timer waits for. */
export const MILLISECONDS = { min: 0, max: LONGEST_TIMER } as const;

/** What a running server needs of its options; one object for all servers with none. */
export interface ServerSettings {
  readonly trapExit: boolean;
  readonly crashOnError: boolean;
  /** How many calls and casts may wait. */
  readonly limit: number;
  readonly overflow: NonNullable<MailboxOptions['overflow']>;
}

/** What `GenServer.start` needs besides. */
export interface StartSettings {
  readonly name: string | undefined;
  readonly initTimeout: number;
  readonly server: ServerSettings;
}

const PLAIN: ServerSettings = {
  trapExit: false,
  crashOnError: false,
  limit: Infinity,
  overflow: 'reject',
};
const DEFAULT_START: StartSettings = {
  name: undefined,
  initTimeout: DEFAULTS.INIT_TIMEOUT,
  server: PLAIN,
};

/** Reads the options of `GenServer.start`. */
export function startSettings(given: GenServerOptions | undefined): StartSettings {
  if (given === undefined) return DEFAULT_START;
  const { name, initTimeout, trapExit, onError, mailbox } = options.object('options', given);
  return {
    name: name === undefined ? undefined : options.text('name', name),
    initTimeout: milliseconds('initTimeout', initTimeout, DEFAULTS.INIT_TIMEOUT),
    server: serverSettings(trapExit, onError, mailbox),
  };
}

/** Reads the timeout of `GenServer.call`, in milliseconds. */
export function callTimeout(given: CallOptions | undefined): number {
  if (given === undefined) return DEFAULTS.CALL_TIMEOUT;
  return milliseconds('timeout', options.object('options', given).timeout, DEFAULTS.CALL_TIMEOUT);
}

/** A time that a timer can wait for, or `Infinity`. */
export function milliseconds(name: string, value: unknown, fallback: number): number {
  return options.number(name, value, fallback, { ...MILLISECONDS, orInfinity: true });
}

/** Checks a reference and returns its id. */
export function idOf(ref: Ref, name = 'ref'): string {
  const id: unknown = (ref as Partial<Ref> | null | undefined)?.id;
  if (typeof id === 'string') return id;
  throw options.type(name, ref, "a reference, an object with an 'id'");
}

/** Checks a reason to end. */
export function exitReason(reason: ExitReason | undefined, fallback: ExitReason): ExitReason {
  if (reason === undefined) return fallback;
  if (reason === 'normal' || reason === 'shutdown') return reason;
  const allowed = "'normal', 'shutdown' or { error: Error }";
  if (typeof reason === 'string') throw options.range('reason', reason, allowed);
  if (isError((reason as { error?: unknown } | null)?.error)) return reason;
  throw options.type('reason', reason, allowed);
}

function serverSettings(
  trapExit: unknown,
  onError: unknown,
  mailbox: MailboxOptions | undefined,
): ServerSettings {
  const { limit, overflow } = options.object('mailbox', mailbox);
  const read: ServerSettings = {
    trapExit: options.boolean('trapExit', trapExit, PLAIN.trapExit),
    crashOnError: options.oneOf('onError', onError, 'continue', ['continue', 'crash']) === 'crash',
    limit: options.integer('mailbox.limit', limit, PLAIN.limit, { min: 1, orInfinity: true }),
    overflow: options.oneOf('mailbox.overflow', overflow, PLAIN.overflow, [
      'reject',
      'drop-oldest',
      'drop-newest',
    ]),
  };
  const plain =
    !read.trapExit && !read.crashOnError && read.limit === PLAIN.limit && read.overflow === PLAIN.overflow;
  return plain ? PLAIN : read;
}
