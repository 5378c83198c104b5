/** The options of a broker, read and checked: explicit ones win over the environment, this over the defaults. */
import { environmentFlag, environmentNumber, environmentText } from './environment';
import { LEVELS, type LogLevel } from './log';
import { readPipeId } from './pipe';
import { read } from './values';

/** Options of `Broker`. An explicit `undefined` counts as not given. */
export interface BrokerOptions {
  /** Log all. Default: `BROKER_DEBUG`, or false. */
  debug?: boolean | undefined;
  /** Refuse values without a time to live. Default: `BROKER_REQUIRE_TTL`, or true. */
  requireTTL?: boolean | undefined;
  /** Milliseconds that a value or a lease lives that was given no time. Default: `BROKER_DEFAULT_TTL`, or 1,800,000. */
  defaultTTL?: number | undefined;
  /** Most items; 0: no bound. Default: `BROKER_MAX_ITEMS`, or 10,000. */
  maxItems?: number | undefined;
  /** Most leases; 0: no bound. Default: 100,000. */
  maxLeases?: number | undefined;
  /** Most connections. Default: 4096. */
  maxConnections?: number | undefined;
  /** Most bytes of a request. Default: `BROKER_MAX_REQUEST_SIZE`, or 1,048,576. */
  maxRequestSize?: number | undefined;
  /** Most bytes of a value. Default: `BROKER_MAX_VALUE_SIZE`, or 262,144. */
  maxValueSize?: number | undefined;
  /** What both ends sign with; `''` and `null`: nothing is signed. Default: `BROKER_SECRET`, or `EPHEMERAL_SECRET`, or none. */
  secret?: string | null | undefined;
  /** For clients that ask: values may be compressed. The broker keeps values as they come. Default: `BROKER_COMPRESSION`, or true. */
  compression?: boolean | undefined;
  /** For clients that ask: from how many bytes on. Default: `BROKER_COMPRESSION_THRESHOLD`, or 1024. */
  compressionThreshold?: number | undefined;
  /** Milliseconds between sweeps of what has expired. Default: `BROKER_SWEEPER_INTERVAL`, or 30,000. */
  sweeperInterval?: number | undefined;
  /** Stop after so many milliseconds without a request; `null` and 0: never. Default: `BROKER_IDLE_TIMEOUT`, or never. */
  idleTimeout?: number | null | undefined;
  /** Milliseconds between log lines with figures; `null` and 0: none. Default: `BROKER_HEARTBEAT_INTERVAL`, or none. */
  heartbeatInterval?: number | null | undefined;
  /** Milliseconds after which a request that has begun must be there, and an answer read. Default: 30,000. */
  requestTimeout?: number | undefined;
  /** A read makes an item live as long again as it was given. Default: `BROKER_REFRESH_TTL_ON_GET`, or false. */
  refreshTTLOnGet?: boolean | undefined;
  /** The least level that is logged: `debug`, `info`, `warn`, `error`. Default: `BROKER_LOG_LEVEL`; or `debug` with `debug`, else `info`. */
  logLevel?: LogLevel | undefined;
  /** Log lines as JSON. Default: `BROKER_STRUCTURED_LOGGING`, or false. */
  structuredLogging?: boolean | undefined;
  /** Count requests, errors and times. Default: true. */
  metrics?: boolean | undefined;
  /** The name in the socket's path: letters, digits, `.`, `_` and `-`. Default: random. */
  pipeId?: string | undefined;
  /** Microseconds that the server looks for more requests before it sleeps; 0: it sleeps at once. Default: 50. */
  busyPoll?: number | undefined;
  /** `start()` calls `setupSignalHandlers()`. Default: true. */
  handleSignals?: boolean | undefined;
}

/** The options of a broker with all defaults filled in. The secret is there, but not among the enumerable ones. */
export interface BrokerConfig {
  readonly debug: boolean;
  readonly requireTTL: boolean;
  readonly defaultTTL: number;
  readonly maxItems: number;
  readonly maxLeases: number;
  readonly maxConnections: number;
  readonly maxRequestSize: number;
  readonly maxValueSize: number;
  readonly secret: string | null;
  readonly compression: boolean;
  readonly compressionThreshold: number;
  readonly sweeperInterval: number;
  readonly idleTimeout: number | null;
  readonly heartbeatInterval: number | null;
  readonly requestTimeout: number;
  readonly refreshTTLOnGet: boolean;
  readonly logLevel: LogLevel;
  readonly structuredLogging: boolean;
  readonly metrics: boolean;
  readonly pipeId: string | undefined;
  readonly busyPoll: number;
  readonly handleSignals: boolean;
}

/** As long as timers of the engine reach. */
const LONGEST_MS = 2 ** 40;
/** Requests are held in memory whole. */
const LARGEST = 2 ** 30;

/**
 * @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE`, also for what stands in the environment
 */
export function readBrokerOptions(given: BrokerOptions | undefined): BrokerConfig {
  const options = read.object('options', given);
  const flag = (name: keyof BrokerOptions, variable: string, fallback: boolean): boolean =>
    read.boolean(name, options[name] === undefined ? environmentFlag(variable) : options[name], fallback);
  const number = (
    name: keyof BrokerOptions,
    variable: string | undefined,
    fallback: number,
    max: number,
    min = 0,
  ): number =>
    read.integer(
      name,
      options[name] === undefined && variable ? environmentNumber(variable) : options[name],
      fallback,
      { min, max },
    );
  const debug = flag('debug', 'BROKER_DEBUG', false);
  const secret = readSecret(options.secret);
  const config = {
    debug,
    requireTTL: flag('requireTTL', 'BROKER_REQUIRE_TTL', true),
    defaultTTL: number('defaultTTL', 'BROKER_DEFAULT_TTL', 1_800_000, LONGEST_MS, 1),
    maxItems: number('maxItems', 'BROKER_MAX_ITEMS', 10_000, 2 ** 32 - 1),
    maxLeases: number('maxLeases', undefined, 100_000, 2 ** 32 - 1),
    maxConnections: number('maxConnections', undefined, 4096, 2 ** 20, 1),
    maxRequestSize: number('maxRequestSize', 'BROKER_MAX_REQUEST_SIZE', 1_048_576, LARGEST, 64),
    maxValueSize: number('maxValueSize', 'BROKER_MAX_VALUE_SIZE', 262_144, LARGEST, 1),
    compression: flag('compression', 'BROKER_COMPRESSION', true),
    compressionThreshold: number('compressionThreshold', 'BROKER_COMPRESSION_THRESHOLD', 1024, LARGEST),
    sweeperInterval: number('sweeperInterval', 'BROKER_SWEEPER_INTERVAL', 30_000, LONGEST_MS, 1),
    idleTimeout: readInterval('idleTimeout', options.idleTimeout, 'BROKER_IDLE_TIMEOUT'),
    heartbeatInterval: readInterval(
      'heartbeatInterval',
      options.heartbeatInterval,
      'BROKER_HEARTBEAT_INTERVAL',
    ),
    requestTimeout: number('requestTimeout', undefined, 30_000, LONGEST_MS, 1),
    refreshTTLOnGet: flag('refreshTTLOnGet', 'BROKER_REFRESH_TTL_ON_GET', false),
    logLevel: readLogLevel(options.logLevel, debug ? 'debug' : 'info'),
    structuredLogging: flag('structuredLogging', 'BROKER_STRUCTURED_LOGGING', false),
    metrics: read.boolean('metrics', options.metrics, true),
    pipeId: pipeIdOf(options.pipeId),
    busyPoll: number('busyPoll', undefined, 50, 10_000),
    handleSignals: read.boolean('handleSignals', options.handleSignals, true),
  };
  Object.defineProperty(config, 'secret', { value: secret, enumerable: false });
  return Object.freeze(config) as unknown as BrokerConfig;
}

function readInterval(name: string, given: unknown, variable: string): number | null {
  const value = given === null ? 0 : (given ?? environmentNumber(variable));
  return read.integer(name, value, 0, { min: 0, max: LONGEST_MS }) || null;
}

function readSecret(given: unknown): string | null {
  const value =
    given === undefined ? (environmentText('BROKER_SECRET') ?? environmentText('EPHEMERAL_SECRET')) : given;
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') throw read.type('secret', '(not shown)', 'a string or null');
  return value;
}

function pipeIdOf(given: unknown): string | undefined {
  return given === undefined || given === null || given === '' ? undefined : readPipeId(given);
}

function readLogLevel(given: unknown, fallback: LogLevel): LogLevel {
  if (given !== undefined) return read.oneOf('logLevel', given, fallback, LEVELS);
  const variable = 'BROKER_LOG_LEVEL';
  return read.oneOf(`the environment variable ${variable}`, environmentText(variable), fallback, LEVELS);
}
