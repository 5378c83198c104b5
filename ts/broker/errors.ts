/**
 * What the broker refuses, as errors: `message` is the broker's own word (`'not_found'`), `code` the package's (`'ERR_BROKER_NOT_FOUND'`).
 */
import { isError } from '../bridge/wire-error';
import { NoizylabError } from '../errors';

/** The code of each word of `docs/broker-protocol.md`. */
const CODES = new Map<string, string>([
  ['not_found', 'ERR_BROKER_NOT_FOUND'],
  ['expired', 'ERR_BROKER_EXPIRED'],
  ['invalid_ttl', 'ERR_BROKER_INVALID_TTL'],
  ['ttl_required', 'ERR_BROKER_TTL_REQUIRED'],
  ['too_large', 'ERR_BROKER_TOO_LARGE'],
  ['max_items', 'ERR_BROKER_MAX_ITEMS'],
  ['max_leases', 'ERR_BROKER_MAX_LEASES'],
  ['invalid_key', 'ERR_BROKER_INVALID_KEY'],
  ['invalid_value', 'ERR_BROKER_INVALID_VALUE'],
  ['not_a_number', 'ERR_BROKER_NOT_A_NUMBER'],
  ['key_and_worker_required', 'ERR_BROKER_KEY_AND_WORKER_REQUIRED'],
  ['worker_required', 'ERR_BROKER_WORKER_REQUIRED'],
  ['worker_already_has_lease', 'ERR_BROKER_WORKER_ALREADY_HAS_LEASE'],
  ['pool_exhausted', 'ERR_BROKER_POOL_EXHAUSTED'],
  ['lease_timeout', 'ERR_BROKER_LEASE_TIMEOUT'],
  ['no_lease', 'ERR_BROKER_NO_LEASE'],
  ['not_owner', 'ERR_BROKER_NOT_OWNER'],
  ['cancelled', 'ERR_BROKER_CANCELLED'],
  ['stopped', 'ERR_BROKER_STOPPED'],
  ['too_many_pending', 'ERR_BROKER_TOO_MANY_PENDING'],
  ['too_many_connections', 'ERR_BROKER_TOO_MANY_CONNECTIONS'],
  ['watch_overflow', 'ERR_BROKER_WATCH_OVERFLOW'],
  ['unknown_action', 'ERR_BROKER_UNKNOWN_ACTION'],
  ['unsupported_protocol', 'ERR_BROKER_UNSUPPORTED_PROTOCOL'],
  ['invalid_json', 'ERR_BROKER_INVALID_JSON'],
  ['invalid_frame', 'ERR_BROKER_INVALID_FRAME'],
  ['auth_failed', 'ERR_BROKER_AUTH_FAILED'],
  ['draining', 'ERR_BROKER_DRAINING'],
  ['request_timeout', 'ERR_BROKER_REQUEST_TIMEOUT'],
  ['out_of_memory', 'ERR_CORE_OUT_OF_MEMORY'],
]);

/** The broker has refused a request. `message` is its word for why, `code` the same as `ERR_BROKER_<WORD>` (of `out_of_memory`, `ERR_CORE_OUT_OF_MEMORY`). */
export class BrokerError extends NoizylabError {
  override name = 'BrokerError';

  /** @param error the broker's word; one that this version does not know has the code `ERR_BROKER_REFUSED` */
  constructor(error: string, options?: ErrorOptions) {
    super(CODES.get(error) ?? 'ERR_BROKER_REFUSED', error, options);
  }
}

/**
 * The error for an answer of the broker. It has no stack: what could stand there is the arrival of the answer, not the call that asked, and
 * collecting it would make a miss cost ten times what a hit does.
 */
export function refusal(error: string): BrokerError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new BrokerError(error);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The broker does not know what was asked for: it is an original one. */
export function unsupported(what: string): NoizylabError {
  return new NoizylabError(
    'ERR_BROKER_UNSUPPORTED',
    `the broker does not know ${what}: it speaks the protocol of lines only`,
  );
}

/** The connection ended while an answer was awaited. */
export function connectionLost(cause?: unknown): NoizylabError {
  return new NoizylabError(
    'ERR_BROKER_CONNECTION_LOST',
    'the connection to the broker was lost; a request that waited for its answer may or may not have taken effect',
    cause === undefined ? undefined : { cause },
  );
}

/** The error of a request that was not answered in time; its code is that of the original. */
export function timedOut(): Error {
  return Object.assign(new Error('Request timeout'), { code: 'ETIMEDOUT' });
}

/** Wraps what was thrown while a value was unpacked, with the text of the original. */
export function damaged(key: string, cause: unknown): NoizylabError {
  const reason = isError(cause) ? cause.message : String(cause);
  return new NoizylabError(
    'ERR_BROKER_DAMAGED_VALUE',
    `Failed to decompress value for key "${key}": ${reason}. This may indicate data corruption or a broker version mismatch.`,
    { cause },
  );
}
