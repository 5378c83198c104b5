/**
 * `LRUCache` against a naive model: tens of thousands of random operations, by which both must give and look the same. A failure prints the
 * seed and the operations that led to it.
 */
import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from '../dist/cache';
import { type Left, NaiveLru } from './fixtures/naive-lru';

const RUNS = 40;
const OPERATIONS = 1000;

/** Random whole numbers below a bound, the same for the same seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A cache and its model with random limits, and what can be done to both. */
class Pair {
  readonly log: string[] = [];
  readonly left: Left[] = [];
  #time = 1000;
  #writes = 0;
  #cache: LRUCache<number, { size: number; id: number }>;
  readonly #model: NaiveLru;
  readonly #make: () => LRUCache<number, { size: number; id: number }>;

  constructor(readonly random: (below: number) => number) {
    const now = (): number => this.#time;
    const maxSize = 1 + random(12);
    const maxBytes = random(2) === 0 ? Infinity : 20 + random(60);
    const maxEntryBytes = random(2) === 0 ? maxBytes : Math.min(maxBytes, 15);
    const sliding = random(3) === 0;
    this.log.push(JSON.stringify({ maxSize, maxBytes, maxEntryBytes, sliding }));
    this.#model = new NaiveLru({ maxSize, maxBytes, maxEntryBytes, sliding, now });
    this.#make = () => {
      const cache = new LRUCache<number, { size: number; id: number }>({
        maxSize,
        maxBytes,
        maxEntryBytes,
        updateAgeOnGet: sliding,
        now,
        sizeOf: ({ size }) => size,
      });
      cache.on('eviction', (key, value, reason) => this.left.push([key, value, reason]));
      return cache;
    };
    this.#cache = this.#make();
  }

  /** Does something to both, and compares what it gave. */
  async step(): Promise<void> {
    const { random } = this;
    const key = random(16);
    const what = random(100);
    if (what < 35) this.#did(`get ${key}`, this.#cache.get(key), this.#model.get(key));
    else if (what < 60) this.#set(key, random(3) === 0 ? 1 + random(40) : 0);
    else if (what < 66) await this.#compute(key, 1 + random(20), random(20));
    else if (what < 72) this.#did(`delete ${key}`, this.#cache.delete(key), this.#model.delete(key));
    else if (what < 77) this.#did(`has ${key}`, this.#cache.has(key), this.#model.peek(key) !== undefined);
    else if (what < 82) this.#did(`peek ${key}`, this.#cache.peek(key), this.#model.peek(key));
    else if (what < 98) this.#wait(random(8));
    else if (what < 99) this.#reload();
    else if (random(3) === 0) this.#clear();
  }

  /** Compares all that can be seen without changing what is held. */
  look(): void {
    this.log.push('look');
    this.#same('entries', [...this.#cache], this.#model.entries());
    for (let key = 0; key < 16; key++) this.#same(`ttl ${key}`, this.#cache.ttl(key), this.#model.ttl(key));
    const { hits, misses } = this.#cache.getStats();
    this.#model.settle();
    this.#same('counts', { hits, misses }, { hits: this.#model.hits, misses: this.#model.misses });
    this.#same('size', this.#cache.size, this.#model.entries().length);
    this.#same('bytes', this.#cache.bytes, this.#model.bytes);
    this.#same('dump', this.#cache.dump(), this.#model.dump());
    this.#same('left for want of room', forRoom(this.left), forRoom(this.#model.left));
    this.#same('expired', expired(this.left), expired(this.#model.left));
  }

  #set(key: number, ttl: number): void {
    const value = { size: 1 + this.random(18), id: this.#writes++ };
    const fits = this.#model.set(key, value, value.size, ttl || Infinity, 0);
    let code: unknown = 'kept';
    try {
      this.#cache.set(key, value, ttl);
    } catch (error) {
      ({ code } = error as { code?: string });
    }
    this.#did(`set ${key} ${value.size} ${ttl}`, code, fits ? 'kept' : 'ERR_CACHE_ENTRY_TOO_LARGE');
  }

  /** Keeps a value also for stale answers. */
  async #compute(key: number, ttl: number, stale: number): Promise<void> {
    const value = { size: 1 + this.random(18), id: this.#writes++ };
    let known = this.#model.get(key);
    const old = await this.#cache.getOrSet(key, () => value, { ttl, staleIfError: stale });
    if (known === undefined) {
      known = value;
      this.#model.set(key, value, value.size, ttl, stale);
    }
    this.#did(`getOrSet ${key} ${value.size} ${ttl} ${stale}`, old, known);
  }

  #wait(ms: number): void {
    this.log.push(`wait ${ms}`);
    this.#time += ms;
  }

  /** Goes on with a new cache that holds the dump of the old one. */
  #reload(): void {
    // A dump has what is left of an entry's time, and that is what a sliding cache starts again then.
    if (this.#model.options.sliding) return;
    this.log.push('reload');
    const { hits, misses } = this.#cache.getStats();
    const dump = this.#cache.dump();
    this.#cache = this.#make().load(dump);
    this.#model.settle();
    for (let i = 0; i < hits; i++) this.#model.hits--;
    this.#model.misses -= misses;
    this.#same('dump of the new cache', this.#cache.dump(), dump);
  }

  #clear(): void {
    this.log.push('clear');
    this.#cache.clear();
    this.#model.clear();
  }

  #did(what: string, given: unknown, expected: unknown): void {
    this.log.push(what);
    this.#same(what, given, expected);
  }

  #same(what: string, given: unknown, expected: unknown): void {
    if (isDeepStrictEqual(given, expected)) return;
    throw new Error(`${what}: ${JSON.stringify(given)} where the model has ${JSON.stringify(expected)}`);
  }
}

const forRoom = (left: Left[]): Left[] => left.filter(([, , reason]) => reason !== 'expired');

/** Entries that expired leave in no promised order. */
const expired = (left: Left[]): string[] =>
  left
    .filter(([, , reason]) => reason === 'expired')
    .map((entry) => JSON.stringify(entry))
    .sort();

/** What went wrong with the operations of one seed, and the last of them. */
async function failureOf(seed: number): Promise<string | undefined> {
  const pair = new Pair(randomFrom(seed));
  try {
    for (let operation = 0; operation < OPERATIONS; operation++) {
      await pair.step();
      // Looking takes out what has expired: not after each operation, so that it also leaves in other ways.
      if (pair.random(4) === 0) pair.look();
    }
    pair.look();
  } catch (error) {
    return `seed ${seed}: ${(error as Error).message}\n${pair.log.join('\n')}`;
  }
  return undefined;
}

test(`looks like the model through ${OPERATIONS} operations, in each of ${RUNS} caches`, async () => {
  for (let seed = 1; seed <= RUNS; seed++) expect(await failureOf(seed)).toBeUndefined();
});
