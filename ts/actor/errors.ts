/**
 * The errors of the actors: each with its own class, `name` and fields, and a `code` besides.
 */
import { isNativeError } from 'node:util/types';
import { NoizylabError } from '../errors';
import { describe } from '../options';

/** A call was not answered in time. Where its handler was already running, that goes on and its new state counts. */
export class CallTimeoutError extends NoizylabError {
  override name = 'CallTimeoutError';

  constructor(
    readonly serverId: string,
    readonly timeoutMs: number,
  ) {
    super('ERR_ACTOR_CALL_TIMEOUT', `Call to GenServer '${serverId}' timed out after ${timeoutMs}ms`);
  }
}

/** There is no such process, it has ended, or it is about to. */
export class ServerNotRunningError extends NoizylabError {
  override name = 'ServerNotRunningError';

  constructor(readonly serverId: string) {
    super('ERR_ACTOR_SERVER_NOT_RUNNING', `GenServer '${serverId}' is not running`);
  }
}

/** `init` has thrown, rejected or taken too long. */
export class InitializationError extends NoizylabError {
  override name = 'InitializationError';
  declare readonly cause: Error;

  constructor(
    readonly serverId: string,
    cause: Error,
  ) {
    super('ERR_ACTOR_INITIALIZATION', `GenServer '${serverId}' failed to initialize: ${cause.message}`, {
      cause,
    });
  }
}

/** A mailbox with a limit was full, or too much is under way to the thread of the server. */
export class MailboxFullError extends NoizylabError {
  override name = 'MailboxFullError';

  /** @param limit how many messages may wait; `Infinity`: no bound */
  constructor(
    readonly serverId: string,
    readonly limit: number,
    detail = `limit ${limit}`,
  ) {
    super('ERR_ACTOR_MAILBOX_FULL', `The mailbox of GenServer '${serverId}' is full (${detail})`);
  }
}

/** A handler awaits its own server, which handles nothing else until that handler has ended. `advice` says what to do. */
export class DeadlockError extends NoizylabError {
  override name = 'DeadlockError';

  constructor(
    readonly serverId: string,
    advice: string,
  ) {
    super('ERR_ACTOR_DEADLOCK', `A handler of GenServer '${serverId}' awaits its own server: ${advice}`);
  }
}

/** More restarts were needed than the supervisor's restart intensity allows. */
export class MaxRestartsExceededError extends NoizylabError {
  override name = 'MaxRestartsExceededError';

  constructor(
    readonly supervisorId: string,
    readonly maxRestarts: number,
    readonly withinMs: number,
    options?: ErrorOptions,
  ) {
    super(
      'ERR_ACTOR_MAX_RESTARTS_EXCEEDED',
      `Supervisor '${supervisorId}' exceeded max restarts (${maxRestarts} within ${withinMs}ms)`,
      options,
    );
  }
}

/** There is no such supervisor, or it has ended. */
export class SupervisorNotFoundError extends NoizylabError {
  override name = 'SupervisorNotFoundError';

  constructor(readonly supervisorId: string) {
    super('ERR_ACTOR_SUPERVISOR_NOT_FOUND', `Supervisor '${supervisorId}' not found`);
  }
}

/** The supervisor has a child of that id, or is starting one. */
export class DuplicateChildError extends NoizylabError {
  override name = 'DuplicateChildError';

  constructor(
    readonly supervisorId: string,
    readonly childId: string,
  ) {
    super('ERR_ACTOR_DUPLICATE_CHILD', `Child '${childId}' already exists in supervisor '${supervisorId}'`);
  }
}

/** The supervisor has no child of that id. */
export class ChildNotFoundError extends NoizylabError {
  override name = 'ChildNotFoundError';

  constructor(
    readonly supervisorId: string,
    readonly childId: string,
  ) {
    super('ERR_ACTOR_CHILD_NOT_FOUND', `Child '${childId}' not found in supervisor '${supervisorId}'`);
  }
}

/** The strategy `simple_one_for_one` needs a `childTemplate`. */
export class MissingChildTemplateError extends NoizylabError {
  override name = 'MissingChildTemplateError';

  constructor(readonly supervisorId: string) {
    super(
      'ERR_ACTOR_MISSING_CHILD_TEMPLATE',
      `Supervisor '${supervisorId}': simple_one_for_one strategy requires childTemplate`,
    );
  }
}

/** The strategy `simple_one_for_one` and what was asked for do not go together. */
export class InvalidSimpleOneForOneConfigError extends NoizylabError {
  override name = 'InvalidSimpleOneForOneConfigError';

  constructor(
    readonly supervisorId: string,
    readonly reason: string,
  ) {
    super(
      'ERR_ACTOR_INVALID_SIMPLE_ONE_FOR_ONE_CONFIG',
      `Supervisor '${supervisorId}': invalid simple_one_for_one config - ${reason}`,
    );
  }
}

/** No process has that name. */
export class NotRegisteredError extends NoizylabError {
  override name = 'NotRegisteredError';

  constructor(readonly processName: string) {
    super('ERR_ACTOR_NOT_REGISTERED', `No process registered under name '${processName}'`);
  }
}

/** Another process has that name. */
export class AlreadyRegisteredError extends NoizylabError {
  override name = 'AlreadyRegisteredError';

  constructor(readonly registeredName: string) {
    super('ERR_ACTOR_ALREADY_REGISTERED', `Name '${registeredName}' is already registered`);
  }
}

/** The rate limit of that key leaves no room for now. */
export class RateLimitExceededError extends NoizylabError {
  override name = 'RateLimitExceededError';

  constructor(
    readonly key: string,
    readonly retryAfterMs: number,
  ) {
    super('ERR_ACTOR_RATE_LIMIT_EXCEEDED', `Rate limit exceeded for '${key}'. Retry after ${retryAfterMs}ms`);
  }
}

/** A task did not finish in the time that was given to it. */
export class TaskTimeoutError extends NoizylabError {
  override name = 'TaskTimeoutError';

  constructor(readonly timeoutMs: number) {
    super('ERR_ACTOR_TASK_TIMEOUT', `Task timed out after ${timeoutMs}ms`);
  }
}

/** The function of a task has thrown or rejected. */
export class TaskExecutionError extends NoizylabError {
  override name = 'TaskExecutionError';
  declare readonly cause: Error;

  constructor(cause: Error) {
    super('ERR_ACTOR_TASK_EXECUTION', `Task execution failed: ${cause.message}`, { cause });
  }
}

/** A linked process has ended otherwise than `'normal'`. */
export class LinkBrokenError extends NoizylabError {
  override name = 'LinkBrokenError';

  constructor(readonly processId: string) {
    super('ERR_ACTOR_LINK_BROKEN', `Linked process '${processId}' exited`);
  }
}

/** What was thrown, as an Error: anything else is wrapped, an Error whose message has no text as well. Never throws, whatever it is given. */
export function toError(thrown: unknown): Error {
  try {
    if (isError(thrown) && hasText(thrown.message)) return thrown;
  } catch {
    // A proxy, or a message that cannot be read.
  }
  return new Error(textOf(thrown));
}

/** Whether a value can be written into a text; throws where its `toString` does. */
function hasText(value: unknown): boolean {
  return typeof value !== 'symbol' && typeof String(value) === 'string';
}

/** A text for any value: an object may have no `toString`, and a proxy may refuse every question. */
function textOf(value: unknown): string {
  for (const write of [String, describe]) {
    try {
      return write(value);
    } catch {
      // The next way may do.
    }
  }
  return `a value of type ${typeof value} without a text`;
}

/** Whether a value is an Error, of any realm. */
export function isError(value: unknown): value is Error {
  return isNativeError(value) || value instanceof Error;
}
