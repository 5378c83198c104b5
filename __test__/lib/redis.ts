/** A Redis server of the tests' own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';

const COMMAND = 'redis-server';

/** Whether there is a `redis-server` to start; where not, that is said aloud. Where CI is set, one must be there. */
export function hasRedis(): boolean {
  if (spawnSync(COMMAND, ['--version']).status === 0) return true;
  if (!['', '0', 'false'].includes(process.env['CI'] ?? '')) throw new Error(`${COMMAND} is missing`);
  process.stderr.write(`skipped: ${COMMAND} is missing; 'node scripts/redis.mjs' installs it where it can\n`);
  return false;
}

/** A server on a Unix socket in a folder of its own, which keeps nothing on disk. */
export class RedisServer {
  #folder = '';
  readonly #clients: Redis[] = [];
  #process: ChildProcess | undefined;

  get path(): string {
    return join(this.#folder, 'redis.sock');
  }

  /** Starts it, and resolves when it answers. */
  async start(): Promise<this> {
    this.#folder = mkdtempSync(join(tmpdir(), 'noizylab-redis-'));
    const settings = [
      '--port',
      '0',
      '--unixsocket',
      this.path,
      '--dir',
      this.#folder,
      '--save',
      '',
      '--appendonly',
      'no',
    ];
    this.#process = spawn(COMMAND, settings, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const text of this.#process.stdout!.setEncoding('utf8')) {
      said += text;
      if (said.includes('eady to accept connections')) break;
    }
    if (this.#process.exitCode !== null) throw new Error(`${COMMAND} ended: ${said}`);
    return this;
  }

  /** A client of this server, which is closed with it. */
  client(): Redis {
    const client = new Redis(this.path, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    client.on('error', () => {}); // what fails rejects the command
    this.#clients.push(client);
    return client;
  }

  /** Stops it at once, as a crash would. */
  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.disconnect();
    if (this.#process?.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
