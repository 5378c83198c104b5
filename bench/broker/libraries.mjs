/** The libraries behind one face: how each starts its server, and how a client of it makes the same requests. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { loadPeer } from '../lib/measure.mjs';
import { TTL } from './data.mjs';

const ORIGINAL = '@ephemeral-broker/core';
const REDIS = 'redis-server';
/** Redis looks at its own memory ten times a second. */
const STALE_MS = 250;

/**
 * @typedef {object} Server
 * @property {string} path Of its socket.
 * @property {() => Promise<number> | number} memory Resident bytes of its process.
 * @property {() => Promise<number> | number} stop Returns seconds of processor time of programs that it has started.
 *
 * @typedef {object} Requests All of them resolve to what the library gives.
 * @property {(key: string) => Promise<unknown>} get
 * @property {(key: string, value: unknown) => Promise<unknown>} set With a ttl, in all the libraries.
 * @property {unknown} done What `set` resolves to.
 * @property {(entries: [string, string][]) => Promise<unknown>} setMany
 * @property {() => Promise<number>} size How many items there are.
 *
 * @typedef {object} Library
 * @property {string} name
 * @property {() => Promise<boolean> | boolean} isInstalled Says aloud what is missing.
 * @property {(options: object) => Promise<Server>} start
 * @property {(path: string) => Promise<Requests>} connect
 */

/** @type {Record<string, Library>} */
export const LIBRARIES = {
  noizylab: {
    name: 'noizylab',
    isInstalled: () => true,
    start: async (options) => startBroker(await loadOurs(), options),
    async connect(path) {
      const { Client } = await loadOurs();
      const client = new Client(path);
      return { ...requestsOf(client), setMany: (entries) => client.mset(entries, TTL) };
    },
  },
  original: {
    name: ORIGINAL,
    isInstalled: async () => (await loadPeer(ORIGINAL)) !== undefined,
    start: async (options) => startBroker(await import(ORIGINAL), options),
    async connect(path) {
      const { Client } = await import(ORIGINAL);
      return { ...requestsOf(new Client(path)), setMany: (entries) => setByLines(path, entries) };
    },
  },
  redis: {
    name: 'redis + ioredis',
    isInstalled: hasRedis,
    start: startRedis,
    connect: (path) => connectRedis(path, {}),
  },
  pipelining: {
    name: 'redis + ioredis, enableAutoPipelining',
    isInstalled: hasRedis,
    start: startRedis,
    connect: (path) => connectRedis(path, { enableAutoPipelining: true }),
  },
};

function loadOurs() {
  return import('../../dist/broker/index.js');
}

/** @returns {Promise<Server>} */
async function startBroker({ Broker }, options) {
  const broker = new Broker(options);
  return {
    path: await broker.start(),
    memory() {
      globalThis.gc();
      return process.memoryUsage.rss();
    },
    stop() {
      broker.stop();
      return 0;
    },
  };
}

function requestsOf(client) {
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value, TTL),
    done: true,
    del: (key) => client.del(key),
    lease: (key, worker) => client.lease(key, worker, TTL),
    release: (worker) => client.release(worker),
    size: async () => (await client.stats()).items,
  };
}

/** Its client makes a connection for each request; many items get there sooner as lines of one connection. */
async function setByLines(path, entries) {
  const socket = createConnection(path);
  const lines = createInterface({ input: socket });
  let right = 0;
  const answered = new Promise((resolve, reject) => {
    socket.on('error', reject);
    lines.on('line', (line) => {
      if (line !== '{"ok":true}') reject(new Error(`an item was answered with ${line}`));
      else if (++right === entries.length) resolve();
    });
    lines.on('close', () => reject(new Error('the connection was closed')));
  });
  for (const [key, value] of entries) {
    socket.write(`${JSON.stringify({ action: 'set', key, value, ttl: TTL, compressed: false })}\n`);
  }
  await answered;
  socket.destroy();
}

async function hasRedis() {
  if (spawnSync(REDIS, ['--version']).status !== 0) {
    console.log(`skipped: ${REDIS} is not installed`);
    return false;
  }
  return (await loadPeer('ioredis')) !== undefined;
}

/** Its defaults, but for what it would write to the disk. @returns {Promise<Server>} */
async function startRedis() {
  const folder = mkdtempSync(join(tmpdir(), 'noizylab-bench-'));
  const path = join(folder, 'redis.sock');
  const settings = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'no'];
  const server = spawn(REDIS, settings, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const text of server.stdout.setEncoding('utf8')) {
    said += text;
    if (said.includes('eady to accept connections')) break;
  }
  if (server.exitCode !== null) throw new Error(`${REDIS} ended: ${said}`);
  const { default: Redis } = await import('ioredis');
  const client = new Redis(path);
  const figure = async (section, name) =>
    Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(await client.info(section))[1]);
  return {
    path,
    async memory() {
      await setTimeout(STALE_MS);
      return await figure('memory', 'used_memory_rss');
    },
    async stop() {
      const seconds = (await figure('cpu', 'used_cpu_sys')) + (await figure('cpu', 'used_cpu_user'));
      client.disconnect();
      server.kill();
      await once(server, 'exit');
      rmSync(folder, { recursive: true, force: true });
      return seconds;
    },
  };
}

/** @returns {Promise<Requests>} */
async function connectRedis(path, options) {
  const { default: Redis } = await import('ioredis');
  const client = new Redis(path, options);
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value, 'PX', TTL),
    done: 'OK',
    async setMany(entries) {
      const pipeline = client.pipeline();
      for (const [key, value] of entries) pipeline.set(key, value, 'PX', TTL);
      for (const [error, answer] of await pipeline.exec()) {
        if (answer !== 'OK') throw new Error('an item was not stored', { cause: error });
      }
    },
    size: () => client.dbsize(),
  };
}
