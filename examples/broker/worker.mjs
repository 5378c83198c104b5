// One worker of `coordinate.mjs`: tests files until there is none left.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Client } from '@noizylab/core/broker';

const TTL_MS = 10 * 60_000;

const url = process.argv[2];
const worker = `worker-${process.pid}`;
const client = new Client();

/** Runs in one worker only, however many ask for the token: the others wait for what it gets. */
async function login() {
  const response = await fetch(`${url}/login`, { method: 'POST' });
  return response.text();
}

/** Has the service digest a file under an account that nobody else uses meanwhile. */
async function digestOf(bytes, accounts) {
  const authorization = await client.getOrSet('token', login, TTL_MS);
  // Should this process die, the account is free again.
  const account = await client.acquire('pool', worker, { ttl: TTL_MS, max: accounts, wait: true });
  try {
    const options = { method: 'POST', headers: { authorization }, body: bytes };
    const response = await fetch(`${url}/accounts/${account.value}/digest`, options);
    if (!response.ok) throw new Error(`the service answers ${response.status}`);
    return await response.text();
  } finally {
    await account.release();
  }
}

async function test(path, accounts) {
  try {
    const bytes = await readFile(path);
    const digest = await digestOf(bytes, accounts);
    const passed = digest === createHash('sha256').update(bytes).digest('hex');
    return passed ? { worker, passed } : { worker, passed, reason: 'another digest' };
  } catch (error) {
    return { worker, passed: false, reason: error.message };
  }
}

const accounts = await client.get('accounts');
for (;;) {
  const next = (await client.incr('next', 1, TTL_MS)) - 1;
  const [path] = await client.mget([`file:${next}`]);
  if (path === undefined) break;
  await client.set(`result:${path}`, await test(path, accounts), TTL_MS);
}
await client.close();
