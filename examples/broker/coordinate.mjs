// A test run in several processes that share what is scarce, by way of a broker:
//
//   node examples/broker/coordinate.mjs [DIR] [WORKERS]        default: the sources of this project, 6
//
// A service digests files. It is slow to log in to, and has three accounts, each for one user at a time. Each worker
// process takes one file after another, has it digested under an account that it leases, and compares the answer with
// its own. Whatever the number of workers, there is one login, no account is used twice at once, and each file is tested
// once.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { opendir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Broker, Client } from '@noizylab/core/broker';
import { startService } from './service.mjs';

const ACCOUNTS = 3;
/** Nothing of a run is worth more than this. */
const TTL_MS = 10 * 60_000;
/** So many files are handed to the broker in one request. */
const BLOCK = 500;

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../ts', import.meta.url));

/** All files below a folder; links are not followed. */
async function* filesBelow(folder) {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Puts the files where the workers find them; gives how many they are. */
async function publish(client, folder) {
  let count = 0;
  let block = new Map();
  for await (const path of filesBelow(folder)) {
    block.set(`file:${count++}`, path);
    if (block.size === BLOCK) {
      await client.mset(block, TTL_MS);
      block = new Map();
    }
  }
  if (block.size > 0) await client.mset(block, TTL_MS);
  return count;
}

/** Shows results as the workers write them. */
async function showProgress(client, total, signal) {
  let done = 0;
  try {
    for await (const { key, value } of client.watch('result:', { signal })) {
      done++;
      if (!value.passed) console.log(`FAILED ${key.slice('result:'.length)}: ${value.reason}`);
      else if (done % 50 === 0) console.log(`${done} of ${total}`);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Runs a worker to its end. It inherits EPHEMERAL_PIPE, which the broker has set. */
async function runWorker(url) {
  const [code, signal] = await once(fork(WORKER, [url]), 'exit');
  if (code !== 0) throw new Error(`a worker ended with ${signal ?? `code ${code}`}`);
}

async function report(client, total, service) {
  const keys = (await client.list()).filter((key) => key.startsWith('result:'));
  const results = await client.mget(keys);
  const failed = results.filter(({ passed }) => !passed).length;
  const shares = new Map();
  for (const { worker } of results) shares.set(worker, (shares.get(worker) ?? 0) + 1);
  console.log(`${results.length} of ${total} files tested, ${failed} failed`);
  console.log(`by ${shares.size} workers: ${[...shares.values()].join(', ')}`);
  console.log(`${service.logins} login, at most ${service.mostAtOnce} of ${ACCOUNTS} accounts at once,`);
  console.log(`${service.collisions} times two users of one account`);
  return failed === 0 && results.length === total && service.collisions === 0;
}

async function main(folder = SOURCES, workers = '6') {
  const broker = new Broker({ maxItems: 0, logLevel: 'warn' });
  await broker.start();
  const client = new Client();
  const service = await startService(ACCOUNTS);
  const finished = new AbortController();
  try {
    await client.set('accounts', ACCOUNTS, TTL_MS);
    const total = await publish(client, resolve(folder));
    const start = performance.now();
    const runs = Promise.all([...Array(Number(workers))].map(() => runWorker(service.url)));
    await Promise.all([runs.finally(() => finished.abort()), showProgress(client, total, finished.signal)]);
    const passed = await report(client, total, service);
    console.log(`${((performance.now() - start) / 1000).toFixed(2)} s`);
    process.exitCode = passed ? 0 : 1;
  } finally {
    finished.abort();
    service.close();
    await client.close();
    broker.stop();
  }
}

await main(...process.argv.slice(2));
