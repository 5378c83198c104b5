/**
 * SHA-256 of the files of a folder, in the form of `sha256sum`: many files open at once, but never too many, each with a time limit, and
 * another try where the system is short of something for the moment.
 *
 *     node examples/parallel.js [DIR]        default: the sources of this project
 *
 * Ctrl+C ends it with the files that are done.
 */
'use strict';

const { createHash } = require('node:crypto');
const { createReadStream } = require('node:fs');
const { opendir } = require('node:fs/promises');
const { join, resolve } = require('node:path');
const { pipeline } = require('node:stream/promises');
const { ParallelStream, retry, timeout } = require('@noizylab/core/parallel');

const FILES_AT_ONCE = 16;
const LIMIT_MS = 10_000;
/** Errors of a system that has run short: worth another try. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY']);

/** All files below a folder; links are not followed. */
async function* filesBelow(folder) {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

async function sha256(path, signal) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest('hex');
}

/** The line of one file: its digest, or why there is none. */
async function describe(path, signal) {
  const attempt = () =>
    timeout((stop) => sha256(path, stop), LIMIT_MS, `not read within ${LIMIT_MS} ms`, { signal });
  const policy = {
    maxAttempts: 3,
    delay: 100,
    jitter: 'full',
    shouldRetry: (error) => PASSING.has(error.code),
    signal,
  };
  try {
    return `${await retry(attempt, policy)}  ${path}`;
  } catch (error) {
    if (signal.aborted) throw error;
    return `${error.code ?? error.message}  ${path}`;
  }
}

async function main() {
  const folder = resolve(process.argv[2] ?? join(__dirname, '..', 'ts'));
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));

  const start = performance.now();
  let count = 0;
  const bounds = { concurrency: FILES_AT_ONCE, signal: stop.signal };
  const lines = new ParallelStream(filesBelow(folder), bounds).map((path) => describe(path, stop.signal));
  try {
    for await (const line of lines) {
      console.log(line);
      count++;
    }
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
  console.error(`${count} files in ${((performance.now() - start) / 1000).toFixed(2)} s`);
}

void main();
