/** The errors of `Application`. */
import { NoizylabError } from '../errors';

/** The `start` of an application has thrown, rejected or taken too long. */
export class ApplicationStartError extends NoizylabError {
  override name = 'ApplicationStartError';

  constructor(
    readonly applicationName: string,
    message: string,
    cause: Error,
  ) {
    super('ERR_ACTOR_APPLICATION_START', `Application '${applicationName}' failed to start: ${message}`, {
      cause,
    });
  }
}

/** An application of that name has started, or is starting or stopping. */
export class ApplicationAlreadyRunningError extends NoizylabError {
  override name = 'ApplicationAlreadyRunningError';

  constructor(readonly applicationName: string) {
    super('ERR_ACTOR_APPLICATION_ALREADY_RUNNING', `Application '${applicationName}' is already running`);
  }
}

/** The application was not stopped in time; its supervisor was killed. */
export class ApplicationStopTimeoutError extends NoizylabError {
  override name = 'ApplicationStopTimeoutError';

  constructor(
    readonly applicationName: string,
    readonly timeoutMs: number,
  ) {
    super(
      'ERR_ACTOR_APPLICATION_STOP_TIMEOUT',
      `Application '${applicationName}' stop timed out after ${timeoutMs}ms`,
    );
  }
}

/** There is no such application, it has ended, or it is about to. */
export class ApplicationNotRunningError extends NoizylabError {
  override name = 'ApplicationNotRunningError';

  constructor(readonly applicationName: string) {
    super('ERR_ACTOR_APPLICATION_NOT_RUNNING', `Application '${applicationName}' is not running`);
  }
}
