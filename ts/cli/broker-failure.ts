/** How the commands that ask a broker say that it did not work. */
import { printable } from './format';

/** Errors about an argument; Commander has told the user about its own. */
const WRONG_USAGE = new Set(['TypeError', 'RangeError', 'CommanderError']);
const NOT_RUNNING = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * Tells on standard error why a request failed, and gives the exit code.
 *
 * @throws the error itself where it is about an argument, which is wrong usage of the command
 */
export function tellFailure(error: unknown): number {
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (WRONG_USAGE.has(name)) throw error;
  const text =
    code !== undefined && NOT_RUNNING.has(code)
      ? 'Broker not running or pipe not found\nMake sure EPHEMERAL_PIPE is set or use --pipe option'
      : printable(message);
  process.stderr.write(`Error: ${text}\n`);
  return 1;
}
