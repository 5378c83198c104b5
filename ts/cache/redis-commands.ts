/**
 * The few commands of Redis that a cache needs, whichever client sends them: ioredis, node-redis, or one that has no more than
 * `get`, `setex` (or `set` with `PX`) and `del`.
 */
import { read } from './options';

/**
 * A connected client of Redis. Besides the three methods below, those that the clients share under one or another name are used where
 * they are there: `psetex` or `pSetEx`, `setex`, `pttl` or `pTTL`, `scan`.
 */
export interface RedisClient {
  get(key: string): unknown;
  set?(key: string, value: string, ...options: never[]): unknown;
  del(key: string): unknown;
}

/** Keys of one step of a scan; a hint to the server. */
const SCAN_COUNT = 1000;

export interface RedisCommands {
  get(key: string): Promise<unknown>;
  /** @param ms `Infinity`: it never expires */
  set(key: string, value: string, ms: number): Promise<unknown>;
  /** How many keys there were. */
  del(key: string): Promise<number>;
  /** Milliseconds that a key has left; -1: it never expires, -2: it is not there. Absent: the client cannot tell. */
  pttl: ((key: string) => Promise<number>) | undefined;
  /** All keys with this prefix, some of them perhaps twice. Absent: the client cannot tell. */
  scan: ((prefix: string) => AsyncGenerator<string[]>) | undefined;
}

/** Any method of a client, by name. */
type Methods = Record<string, ((...args: unknown[]) => unknown) | undefined>;

/** @throws TypeError `ERR_CACHE_INVALID_TYPE` that names the method that is missing */
export function commandsOf(client: RedisClient): RedisCommands {
  if (typeof client !== 'object' || client === null)
    throw read.type('client', client, 'a connected client of Redis');
  // Not taken out of the client: the methods need it as `this`, and it may be replaced by one with spies.
  const methods = client as unknown as Methods;
  read.callback('client.get', methods['get']);
  read.callback('client.del', methods['del']);
  const setting = ['pSetEx', 'psetex', 'setex', 'set'].find((name) => typeof methods[name] === 'function');
  if (setting === undefined) throw read.type('client.set', methods['set'], 'a function');
  const pttl = ['pTTL', 'pttl'].find((name) => typeof methods[name] === 'function');
  return {
    get: async (key) => methods['get']!(key),
    set: async (key, value, ms) => {
      if (ms === Infinity && typeof methods['set'] === 'function') return methods['set'](key, value);
      const whole = Math.min(Math.max(1, Math.round(ms)), Number.MAX_SAFE_INTEGER);
      if (setting === 'set') return methods['set']!(key, value, 'PX', whole);
      return methods[setting]!(key, setting === 'setex' ? Math.ceil(whole / 1000) : whole, value);
    },
    del: async (key) => Number(await methods['del']!(key)),
    pttl: pttl === undefined ? undefined : async (key) => Number(await methods[pttl]!(key)),
    scan: typeof methods['scan'] === 'function' ? (prefix) => scan(methods, prefix) : undefined,
  };
}

async function* scan(methods: Methods, prefix: string): AsyncGenerator<string[]> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]^-]/g, '\\$&')}*`;
  // node-redis takes the options as an object and names its answer's parts.
  const options =
    typeof methods['pSetEx'] === 'function'
      ? [{ MATCH: pattern, COUNT: SCAN_COUNT }]
      : ['MATCH', pattern, 'COUNT', SCAN_COUNT];
  let cursor = '0';
  do {
    const reply = await methods['scan']!(cursor, ...options);
    const [next, keys] = Array.isArray(reply)
      ? (reply as [unknown, string[]])
      : [(reply as { cursor: unknown }).cursor, (reply as { keys: string[] }).keys];
    yield keys;
    cursor = String(next);
  } while (cursor !== '0');
}
