/** The command `noizylab broker`: starts a broker, alone or around another command, and asks whether one is ready. */
import { type Command, Option } from 'commander';
import type { Client, LogLevel } from '../broker';
import { LEVELS } from '../broker/log';
import {
  type Access,
  LONGEST_TIMER,
  addAccessOptions,
  addSecretOptions,
  notEmpty,
  secretOf,
  wholeNumber,
} from './broker-arguments';
import { tellFailure } from './broker-failure';
import { brokerParts } from './broker-parts';
import { printable } from './format';

const CHECK_TIMEOUT_MS = 2000;

/** What was given on the command line; the rest is left to the environment and the defaults of the broker. */
interface StartOptions extends Omit<Access, 'pipe'> {
  ttl?: number;
  maxItems?: number;
  maxRequestSize?: number;
  maxValueSize?: number;
  maxConnections?: number;
  /** The negated options are true where they are not given. */
  requireTtl: boolean;
  refreshTtlOnGet?: true;
  sweeperInterval?: number;
  idleTimeout?: number;
  heartbeatInterval?: number;
  metrics: boolean;
  debug?: true;
  logLevel?: LogLevel;
  structuredLogging?: true;
  pipeId?: string;
}

interface CheckOptions extends Access {
  timeout: number;
}

const START_HELP = `
Without a command the broker runs until Ctrl+C (SIGINT), SIGTERM or SIGHUP. With one it runs as long as the command,
which finds the broker by EPHEMERAL_PIPE and, where there is a secret, EPHEMERAL_SECRET:
  noizylab broker start --ttl 60000 -- npm test

Every option that is not given is read from the environment, as BROKER_MAX_ITEMS, BROKER_DEFAULT_TTL, ...

Exit codes:
  0    stopped by a signal, without a command
  1    the broker could not be started
  2    wrong usage
  with a command: its exit code; 128 and the number of the signal that ended it; 127 where there is no such command`;

const CHECK_HELP = `
Exit codes:
  0    a broker answers, and has room
  1    none answers, or it is full
  2    wrong usage`;

/** Adds the command to the program. */
export function addBrokerCommand(program: Command): void {
  const broker = program
    .command('broker')
    .description('Run a broker: values, leases and counters that processes of one machine share for a while.')
    .enablePositionalOptions();
  addStart(broker);
  addCheck(broker);
}

function addStart(broker: Command): void {
  const command = broker
    .command('start')
    .description('start a broker, alone or for as long as a command runs')
    .argument('[command...]', 'the command and its arguments, best after --')
    .passThroughOptions()
    .option('--ttl <ms>', 'time to live where none is given (default: 1800000)', wholeNumber(1))
    .option('--max-items <n>', 'most items; 0: no bound (default: 10000)', wholeNumber(0))
    .option('--max-request-size <bytes>', 'largest request (default: 1048576)', wholeNumber(1))
    .option('--max-value-size <bytes>', 'largest value (default: 262144)', wholeNumber(1))
    .option('--max-connections <n>', 'most connections at once (default: 4096)', wholeNumber(1))
    .option('--no-require-ttl', 'take values without a time to live')
    .option('--refresh-ttl-on-get', 'a value that is read lives on for its whole time')
    .option(
      '--sweeper-interval <ms>',
      'how often what has expired is removed (default: 30000)',
      wholeNumber(1),
    )
    .option('--idle-timeout <ms>', 'stop after so long without a request; 0: never', wholeNumber(0))
    .option('--heartbeat-interval <ms>', 'log figures so often; 0: never', wholeNumber(0))
    .option('--no-metrics', 'count nothing')
    .option('--debug', 'log every request, with its key and never with its value')
    .addOption(
      new Option('--log-level <level>', 'least level that is logged (default: info)').choices(LEVELS),
    )
    .option('--structured-logging', 'log lines of JSON')
    .option('--pipe-id <id>', "a name for the broker's pipe (default: a random one)", notEmpty);
  addSecretOptions(command)
    .addHelpText('after', START_HELP)
    .action((words: string[], options: StartOptions) => start(words, options));
}

function addCheck(broker: Command): void {
  const command = broker.command('check').description('tell whether a broker answers and has room');
  addAccessOptions(command)
    .option(
      '--timeout <ms>',
      'how long to wait for the answer',
      wholeNumber(1, LONGEST_TIMER),
      CHECK_TIMEOUT_MS,
    )
    .addHelpText('after', CHECK_HELP)
    .action(async (options: CheckOptions) => {
      process.exitCode = await check(options);
    });
}

/** Starts a broker. It keeps the process alive, and ends it on a signal or when the command has ended. */
async function start([command, ...args]: string[], options: StartOptions): Promise<void> {
  const { Broker } = brokerParts();
  const broker = new Broker({
    defaultTTL: options.ttl,
    maxItems: options.maxItems,
    maxRequestSize: options.maxRequestSize,
    maxValueSize: options.maxValueSize,
    maxConnections: options.maxConnections,
    requireTTL: options.requireTtl ? undefined : false,
    refreshTTLOnGet: options.refreshTtlOnGet,
    sweeperInterval: options.sweeperInterval,
    idleTimeout: options.idleTimeout,
    heartbeatInterval: options.heartbeatInterval,
    metrics: options.metrics ? undefined : false,
    debug: options.debug,
    logLevel: options.logLevel,
    structuredLogging: options.structuredLogging,
    pipeId: options.pipeId,
    secret: secretOf(options),
  });
  try {
    await broker.start();
  } catch (error) {
    process.stderr.write(`Failed to start broker: ${printable((error as Error).message)}\n`);
    process.exitCode = 1;
    return;
  }
  if (command === undefined) {
    process.stdout.write(`Broker running on: ${broker.pipe}\nPress Ctrl+C to stop\n`);
    return;
  }
  try {
    broker.spawn(command, args);
  } catch (error) {
    // Such as one with more arguments than the system allows.
    broker.stop();
    throw error;
  }
}

/** What `checkReadiness` tests, but says why. */
async function check({ pipe, timeout, ...secrets }: CheckOptions): Promise<number> {
  let client: Client | undefined;
  try {
    client = new (brokerParts().Client)(pipe, { timeout, secret: secretOf(secrets) });
    const { ok, status } = await client.health();
    process.stdout.write(`${status}\n`);
    return ok ? 0 : 1;
  } catch (error) {
    return tellFailure(error);
  } finally {
    await client?.close();
  }
}
