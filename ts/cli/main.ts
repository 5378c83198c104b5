#!/usr/bin/env node
/**
 * The command line `noizylab`. Each command is one file that adds itself to the program.
 *
 * Exit codes: 0 success, 1 done with failures that were reported, 2 wrong usage or an error that ended the command,
 * 128 and the number of the signal when interrupted.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { addBrokerCommand } from './broker-command';
import { addCtlCommand } from './ctl-command';
import { printable, reason } from './format';
import { addIndexCommand } from './index-command';

const FAILED = 2;

async function main(): Promise<void> {
  process.stdout.on('error', onOutputError);
  // Nobody is left to tell.
  process.stderr.on('error', () => {});
  const program = new Command('noizylab')
    .description('A native runtime for Node.js: the command line.')
    .version(packageVersion())
    .showHelpAfterError()
    // What follows the name of a command is that command's, so that `--` and the options after it get there.
    .enablePositionalOptions()
    .exitOverride();
  addIndexCommand(program);
  addBrokerCommand(program);
  addCtlCommand(program);
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Tells the user about an error and gives the exit code. */
function report(error: unknown): number {
  // Commander has printed its own.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : FAILED;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  // An error without a code is a fault of this program: its stack is what a bug report needs.
  const text = code === undefined ? (stack ?? String(error)) : printable(message);
  process.stderr.write(`noizylab: ${text}\n`);
  return FAILED;
}

/** Whoever reads our output may stop early (`| head`); that is no failure. A full disk is. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`noizylab: cannot write to standard output: ${reason(error)}\n`);
  process.exitCode = FAILED;
}

function packageVersion(): string {
  const text = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

void main();
