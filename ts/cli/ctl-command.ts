/** The command `noizylab ctl`: one request to a broker, its answer on standard output. */
import { types } from 'node:util';
import type { Command } from 'commander';
import type { Client } from '../broker';
import {
  type Access,
  LONGEST_TIMER,
  addAccessOptions,
  anyNumber,
  secretOf,
  wholeNumber,
} from './broker-arguments';
import { tellFailure } from './broker-failure';
import { brokerParts } from './broker-parts';
import { printEvents } from './ctl-watch';
import { printable } from './format';
import { Interrupt } from './interrupt';

/** The options that every request has, whether they stand before or after its name. */
interface Connection extends Access {
  timeout?: number;
}

interface TtlOption {
  ttl?: number;
}

interface SetOptions extends TtlOption {
  json?: true;
}

interface LeaseOptions extends TtlOption {
  max?: number;
  /** Milliseconds; true: for ever. */
  wait?: number | true;
}

/** What a request gives to print; `undefined` is nothing. */
type Output = string | Uint8Array | undefined;

/** A request: the arguments are those of the command line, then its options. */
type Work<Given extends unknown[]> = (client: Client, ...given: Given) => Promise<Output>;

/** The broker counts them in 32 bits. */
const MOST_LEASES = 2 ** 32 - 1;

const HELP = `
Options of the connection may stand before or after the name of the request; a key or value that begins with a dash
stands after --.

Exit codes:
  0    done
  1    the broker refused, or could not be reached; standard error says why
  2    wrong usage
  130  interrupted by Ctrl+C while it waited or watched (143: by SIGTERM)`;

/** Adds the command to the program. */
export function addCtlCommand(program: Command): void {
  const ctl = addConnectionOptions(
    program
      .command('ctl')
      .description('Ask a broker: read, write, count, lease and watch from the shell.')
      .enablePositionalOptions()
      .addHelpText('after', HELP),
  );
  addValueRequests(ctl);
  addLeaseRequests(ctl);
  addReports(ctl);
  request(
    ctl,
    'watch [prefix]',
    'print a line of JSON for each change of a key that begins so',
    (client, prefix: string | undefined) =>
      untilInterrupted((signal) => printEvents(client, prefix ?? '', signal)),
  );
}

function addValueRequests(ctl: Command): void {
  request(
    ctl,
    'get <key>',
    'print a value: text and bytes as they are, all else as JSON',
    async (client, key: string) => rendered(await client.get(key)),
  );
  const set = request(
    ctl,
    'set <key> <value>',
    'store text; prints OK',
    async (client, key: string, text: string, { ttl, json }: SetOptions) => {
      await client.set(key, json ? parseJson(set, text) : text, ttl);
      return 'OK\n';
    },
  )
    .option('--ttl <ms>', 'time to live', wholeNumber(0))
    .option('--json', 'the value is JSON');
  request(
    ctl,
    'del <key>',
    'delete a key; prints OK, whether there was one or not',
    async (client, key: string) => {
      await client.del(key);
      return 'OK\n';
    },
  );
  request(
    ctl,
    'incr <key>',
    'add to a number, which begins at 0; prints the sum',
    async (client, key: string, by: number, { ttl }: TtlOption) => `${await client.incr(key, by, ttl)}\n`,
  )
    .argument('[by]', 'what is added', anyNumber, 1)
    .option(
      '--ttl <ms>',
      'time to live of the sum, where there is none yet or it is to change',
      wholeNumber(0),
    );
}

function addLeaseRequests(ctl: Command): void {
  request(
    ctl,
    'lease <key> <workerId>',
    'lease the least free number of a pool; prints it',
    (client, key: string, workerId: string, options: LeaseOptions) =>
      // Interrupted, it leaves the queue of the pool: nothing is leased for nobody.
      untilInterrupted(async (signal) => {
        const { ttl, max, wait } = options;
        return `${await client.lease(key, workerId, { ttl, max, wait, signal })}\n`;
      }),
  )
    .option('--ttl <ms>', 'how long it is leased (default: as the broker was started)', wholeNumber(0))
    .option('--max <n>', 'how many numbers the pool has (default: no bound)', wholeNumber(1, MOST_LEASES))
    .option(
      '--wait [ms]',
      'wait until one is free, for ever or so long (default: do not wait)',
      wholeNumber(0),
    );
  request(
    ctl,
    'release <workerId>',
    'give back what a worker leases; prints OK or NOT_FOUND',
    async (client, workerId: string) => ((await client.release(workerId)) ? 'OK\n' : 'NOT_FOUND\n'),
  );
}

function addReports(ctl: Command): void {
  request(ctl, 'list', 'print the keys', async (client) => pretty(await client.list()));
  request(ctl, 'entries', 'print the keys, and when each expires', async (client) =>
    pretty(await client.entries()),
  );
  request(ctl, 'stats', 'print what the broker holds', async (client) => pretty(await client.stats()));
  request(ctl, 'health', 'print how the broker is', async (client) => pretty(await client.health()));
  request(
    ctl,
    'metrics',
    'print what the broker has counted',
    async (client, { prometheus }: { prometheus?: true }) =>
      prometheus ? client.metrics({ format: 'prometheus' }) : pretty(await client.metrics()),
  ).option('--prometheus', 'as text for Prometheus');
  request(ctl, 'ping', 'print how long an answer takes', async (client) => {
    // The first one opens the connection.
    await client.ping();
    return `pong (${(await client.ping()).toFixed(2)}ms)\n`;
  });
}

function addConnectionOptions(command: Command): Command {
  return addAccessOptions(command).option(
    '--timeout <ms>',
    'how long to try (default: 5000)',
    wholeNumber(1, LONGEST_TIMER),
  );
}

/** Adds a request, which runs `work` and prints what it gives. */
function request<Given extends unknown[]>(
  ctl: Command,
  usage: string,
  description: string,
  work: Work<Given>,
): Command {
  const command = addConnectionOptions(ctl.command(usage).description(description));
  return command.action(async (...given: unknown[]) => {
    let client: Client | undefined;
    try {
      client = connect(command.opts<Connection>(), ctl.opts<Connection>());
      const output = await work(client, ...(given as Given));
      if (output !== undefined) process.stdout.write(output);
    } catch (error) {
      process.exitCode = tellFailure(error);
    } finally {
      await client?.close();
    }
  });
}

/** A client with the options of a request, or those that stand before its name. */
function connect({ pipe, timeout, ...secrets }: Connection, before: Connection): Client {
  return new (brokerParts().Client)(pipe ?? before.pipe, {
    secret: secretOf(secrets) ?? secretOf(before),
    timeout: timeout ?? before.timeout,
    allowNoTtl: true,
  });
}

/** Runs what may take long. A signal aborts it, and gives the exit code. */
async function untilInterrupted(work: (signal: AbortSignal) => Promise<Output>): Promise<Output> {
  const interrupt = new Interrupt();
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.exitCode === undefined) throw error;
    return undefined;
  } finally {
    if (interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
    interrupt.dispose();
  }
}

function parseJson(command: Command, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return command.error(`error: the value is not JSON: ${printable((error as Error).message)}`);
  }
}

function rendered(value: unknown): Output {
  if (typeof value === 'string') return `${value}\n`;
  return types.isUint8Array(value) ? value : `${JSON.stringify(value)}\n`;
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
