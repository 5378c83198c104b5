// Several tiers in front of something slow, with the figures of each:
//
//   node examples/cache.mjs [READERS]        default: 200
//
// The slow thing is a catalogue on disk that takes some milliseconds for an answer. In front of it stand a small cache,
// a larger one, and a store of files that outlives the process, as Redis would. READERS ask for articles, a few of which
// are wanted far more often than the rest; now and then an article is changed, and nobody reads the old one after that.

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { LRUCache, MultiTierCache, cached } from '@noizylab/core/cache';

const ARTICLES = 2000;
const READS_EACH = 500;

/** A tier of files: what a tier has to be is `get`, `set` and `delete`, and `entry` for what is left of a value's time. */
class FileTier {
  constructor(folder) {
    this.folder = folder;
  }

  async entry(key) {
    try {
      const { value, expires } = JSON.parse(await readFile(this.#path(key), 'utf8'));
      return expires > Date.now() ? { value, ttl: expires - Date.now() } : undefined;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    }
  }

  async get(key) {
    return (await this.entry(key))?.value;
  }

  async set(key, value, ttl = 60_000) {
    await writeFile(this.#path(key), JSON.stringify({ value, expires: Date.now() + ttl }));
  }

  async delete(key) {
    await rm(this.#path(key), { force: true });
  }

  #path(key) {
    return join(this.folder, createHash('sha1').update(key).digest('hex'));
  }
}

/** The slow thing. */
class Catalogue {
  loads = 0;
  prices = new Map();

  constructor(cache) {
    this.cache = cache;
    // As `@cached(cache, ...)` in front of the method, in TypeScript.
    this.load = cached(cache)(this.load, { kind: 'method', name: 'load' });
  }

  async load(id) {
    this.loads++;
    await wait(5);
    return { id, name: `article ${id}`, price: this.prices.get(id) ?? id % 100 };
  }

  async change(id, price) {
    this.prices.set(id, price);
    await this.cache.delete(`load:[${id}]`);
  }
}

/** Few articles get most of the reads: the n-th most wanted one in proportion to 1 / n. */
function wantedArticle() {
  return Math.floor(ARTICLES ** Math.random());
}

async function reader(catalogue) {
  for (let read = 0; read < READS_EACH; read++) {
    const id = wantedArticle();
    if (Math.random() < 0.001) await catalogue.change(id, Math.round(Math.random() * 100));
    await catalogue.load(id);
    // A reader looks at what it got: the others have their turn.
    if (read % 20 === 0) await wait(1);
  }
}

function report(cache, catalogue, reads, seconds) {
  console.log(`${reads} reads in ${seconds.toFixed(2)} s, ${catalogue.loads} of them went to the catalogue`);
  const names = ['100 in memory', '500 in memory', 'files'];
  for (const { tier, hits, misses } of cache.getStats()) {
    const share = ((100 * hits) / (hits + misses)).toFixed(1);
    console.log(`tier ${tier} (${names[tier]}): ${hits} hits, ${misses} misses, ${share} %`);
  }
}

const readers = Number(process.argv[2] ?? 200);
const folder = await mkdtemp(join(tmpdir(), 'cache-example-'));
try {
  const tiers = [
    new LRUCache({ maxSize: 100, maxAge: 1000 }),
    new LRUCache({ maxSize: 500, maxAge: 10_000 }),
    new FileTier(folder),
  ];
  const cache = new MultiTierCache(tiers, { timeout: 5000 });
  cache.on('tierError', ({ tier, operation, error }) =>
    console.error(`tier ${tier}, ${operation}: ${error.message}`),
  );
  const catalogue = new Catalogue(cache);
  const start = performance.now();
  await Promise.all(Array.from({ length: readers }, () => reader(catalogue)));
  report(cache, catalogue, readers * READS_EACH, (performance.now() - start) / 1000);
} finally {
  await rm(folder, { recursive: true });
}
