/** Where brokers are reached: sockets in the directory for temporary files, named pipes on Windows. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstatSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isError } from '../bridge/wire-error';
import { NoizylabError, rangeError } from '../errors';
import { isOfThisProcess } from './local-connection';
import { read } from './values';

const PIPE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
/** Room for the path in the address of a Unix socket, the final zero included. */
const ADDRESS = process.platform === 'darwin' ? 104 : 108;
const PROBE_MS = 2000;
/** Exits with 0 where nobody listens. There is no way to connect and wait for it without an event loop of its own. */
const PROBE = `
const socket = require('node:net').connect(process.argv[1]);
socket.on('connect', () => process.exit(1));
socket.on('error', ({ code }) => process.exit(code === 'ECONNREFUSED' ? 0 : 1));
`;

/**
 * The path of the broker with this id.
 * @param id letters, digits, `.`, `_` and `-`. Default: a random one
 * @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE`, `ERR_BROKER_PATH_TOO_LONG`
 */
export function makePipePath(id?: string | null): string {
  const name = id ? readPipeId(id) : randomBytes(6).toString('hex');
  if (process.platform === 'win32') return `\\\\.\\pipe\\broker-${name}`;
  const path = join(tmpdir(), `broker-${name}.sock`);
  const length = Buffer.byteLength(path);
  if (length < ADDRESS) return path;
  throw rangeError(
    'ERR_BROKER_PATH_TOO_LONG',
    `Pipe path too long (${length} >= ${ADDRESS} chars): ${path}\n` +
      `Unix domain sockets are limited to ${ADDRESS} bytes. Try setting TMPDIR to a shorter path.`,
  );
}

/** @throws TypeError `ERR_BROKER_INVALID_TYPE`, RangeError `ERR_BROKER_OUT_OF_RANGE` */
export function readPipeId(given: unknown): string {
  const id = read.text('pipeId', given);
  if (PIPE_ID.test(id)) return id;
  throw read.range('pipeId', id, "letters, digits, '_', '-' and '.', without a '.' at the beginning");
}

/**
 * Removes the file at `path`: the socket of a broker of this process, or what a broker has left behind. What it does not remove, and
 * why, it tells by `console.warn`: the socket of another process at which somebody listens, what the system refuses. Does nothing on Windows,
 * where pipes go by themselves, and where there is no such file.
 */
export function cleanupPipe(path: string): void {
  if (process.platform === 'win32') return;
  try {
    const file = lstatSync(read.text('path', path), { throwIfNoEntry: false });
    if (file === undefined) return;
    if (file.isSocket() && !isOfThisProcess(path) && !isStale(path))
      throw new NoizylabError('ERR_BROKER_IN_USE', `a broker of another process listens at ${path}`);
    unlinkSync(path);
  } catch (error) {
    // oxlint-disable-next-line no-console -- as the original: whoever cleans up on the way out has no use for an error
    console.warn(`Failed to cleanup pipe: ${isError(error) ? error.message : String(error)}`);
  }
}

function isStale(path: string): boolean {
  const { status } = spawnSync(process.execPath, ['-e', PROBE, path], {
    stdio: 'ignore',
    timeout: PROBE_MS,
    // What this process loads on start is not for the probe; Electron has to be told that it is to be Node.
    env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
  });
  return status === 0;
}
