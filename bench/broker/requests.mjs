/** The requests that are measured, and the loops that make them. Every answer is looked at. */
import { keyOf, objectOf, valueOf } from './data.mjs';

const KEYS = Array.from({ length: 1_000 }, (_, index) => keyOf(index));
/** Their number is prime to that of the keys: a key gets another value each time. */
const VALUES = Array.from({ length: 1_009 }, (_, index) => valueOf(index));
/** The clock is read once in so many requests. */
const CLOCK_EVERY = 64;

/**
 * @typedef {object} Workload
 * @property {(at: number) => Promise<unknown>} request The request with this number.
 * @property {(at: number, answer: unknown) => boolean} isRight
 */

/** @type {Record<string, (client: import('./libraries.mjs').Requests, ...args: any[]) => Promise<Workload> | Workload>} */
export const WORKLOADS = {
  async get(client) {
    for (const [index, key] of KEYS.entries()) await client.set(key, VALUES[index]);
    return {
      request: (at) => client.get(KEYS[at % KEYS.length]),
      isRight: (at, value) => value === VALUES[at % KEYS.length],
    };
  },

  async getObject(client) {
    for (const [index, key] of KEYS.entries()) await client.set(key, objectOf(index));
    const names = KEYS.map((_, index) => objectOf(index).name);
    return {
      request: (at) => client.get(KEYS[at % KEYS.length]),
      isRight(at, { id, name, active, roles }) {
        const index = at % KEYS.length;
        return id === index && name === names[index] && active === true && roles[1] === 'writer';
      },
    };
  },

  /** The last request of a run is read back. */
  set(client) {
    return {
      request: (at) => client.set(KEYS[at % KEYS.length], VALUES[at % VALUES.length]),
      isRight: (_at, answer) => answer === client.done,
      wasStored: async (at) => (await client.get(KEYS[at % KEYS.length])) === VALUES[at % VALUES.length],
    };
  },

  /** A lease and its release; others hold the first `held` numbers of the pool. */
  async lease(client, loops, held) {
    return {
      async request(at) {
        const worker = `worker ${at}`;
        const number = await client.lease('pool', worker);
        return (await client.release(worker)) === true ? number : undefined;
      },
      isRight: (_at, number) => number >= held && number < held + loops,
    };
  },
};

/**
 * Loops that each make one request after another.
 *
 * @param {Workload} workload
 * @param {number} loops How many: as many requests are in flight.
 * @returns {(ms: number) => Promise<number>} Runs them for a time and returns how many requests they made.
 */
export function repeat({ request, isRight, wasStored }, loops) {
  let next = 0;
  return async (ms) => {
    const until = performance.now() + ms;
    const first = next;
    let isOver = false;
    const loop = async () => {
      while (!isOver) {
        const at = next++;
        if (!isRight(at, await request(at))) throw new Error('a case got a wrong answer');
        if (at % CLOCK_EVERY === 0) isOver = performance.now() >= until;
      }
    };
    await Promise.all(Array.from({ length: loops }, loop));
    if (wasStored && !(await wasStored(next - 1))) throw new Error('a value was lost');
    return next - first;
  };
}
