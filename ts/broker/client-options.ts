/** The options of a client, read and checked: explicit ones win over the environment, this over the defaults. */
import { NoizylabError, typeError } from '../errors';
import { environmentFlag, environmentNumber, environmentText } from './environment';
import { read } from './values';

/** Options of `Client`. */
export interface ClientOptions {
  /**
   * Milliseconds until a request that was not answered rejects with `'Request timeout'`, all attempts to connect included; `Infinity` is
   * allowed. Default: `CLIENT_TIMEOUT`, or 5000.
   */
  timeout?: number | undefined;
  /** Write what happens to `console.log`: never values, never secrets. Default: `CLIENT_DEBUG`, or false. */
  debug?: boolean | undefined;
  /** Allow `set` without a ttl. Default: `CLIENT_ALLOW_NO_TTL`, or false. */
  allowNoTtl?: boolean | undefined;
  /** The secret that the broker was given. `''` and `null`: none. Default: `CLIENT_SECRET`, or `EPHEMERAL_SECRET`, or none. */
  secret?: string | null | undefined;
  /** Compress values that are larger than the broker takes; for an original broker: large ones. Default: `CLIENT_COMPRESSION`, or true. */
  compression?: boolean | undefined;
  /** From how many characters of JSON a value for an original broker is compressed. Default: `CLIENT_COMPRESSION_THRESHOLD`, or 1024. */
  compressionThreshold?: number | undefined;
  /**
   * Refuse brokers that do not prove that they know the secret; one of this process need not. Needs `secret`. Default: false.
   */
  requireAuthentication?: boolean | undefined;
  /** Go straight to the store of a broker that lives in this process, in whichever thread. Default: true. */
  inProcess?: boolean | undefined;
  /** Most bytes of an answer, also of what a compressed value unpacks to. Default: 268,435,456. */
  maxResponseSize?: number | undefined;
}

/** The options of a client with all defaults filled in. The secret is there, but not among the enumerable ones. */
export interface ClientConfig {
  readonly timeout: number;
  readonly debug: boolean;
  readonly allowNoTtl: boolean;
  readonly secret: string | null;
  readonly compression: boolean;
  readonly compressionThreshold: number;
  readonly requireAuthentication: boolean;
  readonly inProcess: boolean;
  readonly maxResponseSize: number;
}

/** What every call takes as its last argument. */
export interface RequestOptions {
  /** Calls the request off: it rejects with `signal.reason`; what it asked for may have happened already. */
  signal?: AbortSignal | undefined;
  /** In place of the client's `timeout`. */
  timeout?: number | undefined;
}

const DEFAULT_TIMEOUT = 5000;
const DEFAULT_THRESHOLD = 1024;
const DEFAULT_RESPONSE = 268_435_456;
/** The least that holds every answer to a request that is not about values. */
const LEAST_RESPONSE = 1024;

/**
 * @throws TypeError `ERR_BROKER_INVALID_TYPE`, `ERR_BROKER_INVALID_OPTION`, RangeError `ERR_BROKER_OUT_OF_RANGE`
 */
export function readClientOptions(given: ClientOptions | undefined): ClientConfig {
  const options = read.object('options', given);
  const secret = readSecret(options.secret);
  const requireAuthentication = read.boolean('requireAuthentication', options.requireAuthentication, false);
  if (requireAuthentication && secret === null)
    throw typeError('ERR_BROKER_INVALID_OPTION', 'requireAuthentication needs a secret that both ends know');
  const config = {
    timeout: readTimeout(or(options.timeout, environmentNumber, 'CLIENT_TIMEOUT'), DEFAULT_TIMEOUT),
    debug: read.boolean('debug', or(options.debug, environmentFlag, 'CLIENT_DEBUG'), false),
    allowNoTtl: read.boolean(
      'allowNoTtl',
      or(options.allowNoTtl, environmentFlag, 'CLIENT_ALLOW_NO_TTL'),
      false,
    ),
    compression: read.boolean(
      'compression',
      or(options.compression, environmentFlag, 'CLIENT_COMPRESSION'),
      true,
    ),
    compressionThreshold: read.number(
      'compressionThreshold',
      or(options.compressionThreshold, environmentNumber, 'CLIENT_COMPRESSION_THRESHOLD'),
      DEFAULT_THRESHOLD,
      { min: 0, orInfinity: true },
    ),
    requireAuthentication,
    inProcess: read.boolean('inProcess', options.inProcess, true),
    maxResponseSize: read.integer('maxResponseSize', options.maxResponseSize, DEFAULT_RESPONSE, {
      min: LEAST_RESPONSE,
      max: 2 ** 32 - 1,
    }),
  };
  Object.defineProperty(config, 'secret', { value: secret, enumerable: false });
  return Object.freeze(config) as ClientConfig;
}

/** Milliseconds; `Infinity`: no timeout. */
export function readTimeout(given: unknown, fallback: number): number {
  return read.number('timeout', given, fallback, { min: 0, orInfinity: true });
}

/** `given`, or the first of the variables that is set. */
function or<T>(
  given: T | undefined,
  variable: (name: string) => T | undefined,
  ...names: string[]
): T | undefined {
  if (given !== undefined) return given;
  for (const name of names) {
    const found = variable(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function readSecret(given: unknown): string | null {
  const secret = or(given, environmentText, 'CLIENT_SECRET', 'EPHEMERAL_SECRET');
  if (secret === undefined || secret === null || secret === '') return null;
  if (typeof secret !== 'string') throw read.type('secret', typeof secret, 'a string');
  return secret;
}

/**
 * The path of the broker's pipe: `given`, or `EPHEMERAL_PIPE`.
 * @throws TypeError `ERR_BROKER_INVALID_TYPE`, NoizylabError `ERR_BROKER_NO_PIPE`
 */
export function readPipe(given: unknown): string {
  if (given !== undefined && given !== null && typeof given !== 'string')
    throw read.type('pipe', given, 'a string');
  const pipe = given || environmentText('EPHEMERAL_PIPE');
  if (!pipe) throw new NoizylabError('ERR_BROKER_NO_PIPE', 'No pipe specified and EPHEMERAL_PIPE not set');
  return pipe;
}
