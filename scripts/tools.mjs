/**
 * What the scripts share: the project's folder, running a command, finding the tools that npm installed.
 * Only modules of Node are used here and in every script, so that all of them run before `npm install`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** A failure whose message is all that its reader needs. */
export class Failure extends Error {}

/** A part that cannot run on this machine; the message says why. */
export class Skip extends Error {}

/** The exit code by which a shell reports that a child ended by `code` or by `signal`. */
export function exitCode(code, signal) {
  return signal ? 128 + constants.signals[signal] : code;
}

/**
 * Runs a command to its end.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: object, capture?: boolean, timeout?: number, shell?: boolean }} [options]
 *   `env` is added to the environment; `capture` keeps the output instead of showing it; `timeout` in milliseconds
 *   kills the command.
 * @returns {Promise<string>} the standard output where it is captured, else ''
 * @throws {Failure} where the command cannot start or ends with another code than 0; captured output is in the message
 */
export function run(command, args, { cwd = root, env = {}, capture = false, timeout, shell = false } = {}) {
  return new Promise((fulfil, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: capture ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      timeout,
      killSignal: 'SIGKILL',
      shell,
    });
    const name = [basename(command), ...args].join(' ').replaceAll(root, '');
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', (error) => reject(new Failure(`${name}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) fulfil(stdout);
      else {
        const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
        const output = `${stdout}${stderr}`.trim();
        reject(new Failure(`${name} ${how}${output ? `\n${output}` : ''}`));
      }
    });
  });
}

/** Whether a command is there and answers `args` with exit code 0. */
export function answers(command, ...args) {
  return spawnSync(command, args, { cwd: root, stdio: 'ignore' }).status === 0;
}

/** Runs npm: the one that runs this script, else the one on the PATH. Parameters as of `run`. */
export function npm(args, options) {
  const current = process.env.npm_execpath;
  if (current && /^npm(-cli)?\.c?js$/.test(basename(current))) return node([current, ...args], options);
  return run('npm', args, { ...options, shell: process.platform === 'win32' });
}

/** Runs the Node that runs this script. Parameters as of `run`. */
export function node(args, options) {
  return run(process.execPath, args, options);
}

/** The JavaScript file behind a command of an installed package, e.g. `bin('typescript', 'tsc')`. */
export function bin(packageName, command = packageName) {
  const folder = join(root, 'node_modules', packageName);
  const { bin: commands } = readJson(join(folder, 'package.json'));
  return join(folder, typeof commands === 'string' ? commands : commands[command]);
}

/** Reads a JSON file; a relative path starts at the project's folder. */
export function readJson(path) {
  return JSON.parse(readFileSync(resolve(root, path), 'utf8'));
}

/** All files below a folder, as paths relative to it with `/`, sorted. A folder that is not there holds none. */
export function filesBelow(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .flatMap((entry) => {
      if (!entry.isDirectory()) return [entry.name];
      return filesBelow(join(folder, entry.name)).map((path) => `${entry.name}/${path}`);
    })
    .toSorted((a, b) => (a < b ? -1 : 1));
}

/**
 * Runs `body` where the module at `url` is the script that Node was started with, and not where it is imported.
 * A `Failure` ends the process with its message alone and exit code 1.
 */
export async function main(url, body) {
  const started = process.argv[1];
  if (started === undefined || fileURLToPath(url) !== realpathSync(started)) return;
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Failure || error instanceof Skip)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
