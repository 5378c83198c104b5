/**
 * What the commands `broker` and `ctl` take from the command line. Every value is checked before anything is done;
 * the message names the option, what was given and what is allowed.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { reason } from './format';

/** The longest time of a timer of Node, in milliseconds: nearly 25 days. */
export const LONGEST_TIMER = 2 ** 31 - 1;

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** Where a broker is found, and what opens it. */
export interface Access {
  pipe?: string;
  secret?: string;
  /** What the file holds, once it is parsed. */
  secretFile?: string;
}

/** Reads a whole number; units and signs are refused. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    const upTo = most === Number.MAX_SAFE_INTEGER ? '' : ` and of at most ${most}`;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}${upTo}.`);
  };
}

/** Reads any finite number in decimal notation. */
export function anyNumber(text: string): number {
  const number = NUMBER.test(text) ? Number(text) : NaN;
  if (Number.isFinite(number)) return number;
  throw new InvalidArgumentError('It must be a number.');
}

/** Refuses what a shell makes of a variable that is not set: a broker would have no secret, and nobody would notice. */
export function notEmpty(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

/** Adds `--secret` and `--secret-file`. Where none is given, both ends read EPHEMERAL_SECRET. */
export function addSecretOptions(command: Command): Command {
  return command
    .option(
      '--secret <key>',
      'the secret; `ps` shows it to others: prefer --secret-file or EPHEMERAL_SECRET',
      notEmpty,
    )
    .addOption(
      new Option('--secret-file <path>', 'a file that holds the secret')
        .argParser(readSecretFile)
        .conflicts('secret'),
    );
}

/** Adds `--pipe`, `--secret` and `--secret-file`. */
export function addAccessOptions(command: Command): Command {
  return addSecretOptions(
    command.option('--pipe <path>', "the broker's pipe (default: the variable EPHEMERAL_PIPE)", notEmpty),
  );
}

/** The secret that was given, in either way. */
export function secretOf({ secret, secretFile }: Access): string | undefined {
  return secret ?? secretFile;
}

/** What a file holds, without the end of its line. */
function readSecretFile(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${reason(error)}.`);
  }
  // Bytes that are no text would all become the same replacement character, and be easier to guess.
  if (!isUtf8(bytes)) throw new InvalidArgumentError('It must hold text in UTF-8.');
  const secret = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (secret === '') throw new InvalidArgumentError('It holds no secret.');
  return secret;
}
