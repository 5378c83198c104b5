/**
 * `LRUCache` in one isolate against `lru-cache`: hits of random keys with string and object values, the same with a time to live, and writes of
 * which every other one evicts an entry. Each case runs in a process of its own.
 */
import { fileURLToPath } from 'node:url';
import { LRUCache } from '../../dist/cache/index.js';
import { apart, serve } from '../lib/apart.mjs';
import { loadPeer, measure } from '../lib/measure.mjs';
import { randomFrom } from '../lib/random.mjs';

const KEYS = 20_000;
const OPERATIONS = 400_000;
const PASSES = 5;
const TTL_MS = 60_000;

/** Titles, values, and what is done with them. */
const MODES = {
  strings: { title: 'hits, string values', value: (index) => `value ${index}`, bar: 1 },
  objects: { title: 'hits, object values', value: (index) => ({ index }), bar: 1 },
  'with-ttl': {
    title: 'hits, string values with a ttl',
    value: (index) => `value ${index}`,
    ttl: TTL_MS,
    bar: 1.2,
  },
  evicting: { title: 'writes, half of them of a key that is not there', writes: true, bar: 1 },
  'evicting-with-ttl': { title: 'the same writes, with a ttl', writes: true, ttl: TTL_MS },
};

export async function run() {
  const file = fileURLToPath(import.meta.url);
  const names = (await loadPeer('lru-cache')) ? ['LRUCache', 'lru-cache'] : ['LRUCache'];
  for (const [mode, { title, bar }] of Object.entries(MODES)) {
    const cases = await Promise.all(names.map((name) => apart(name, file, [name, mode])));
    await measure({ title: `${title}: ${KEYS} random keys`, cases, baseline: 'lru-cache', bar, rounds: 15 });
    for (const { stop } of cases) stop();
  }
}

await serve(async (name, mode) => {
  const { value, ttl = 0, writes } = MODES[mode];
  const cache =
    name === 'LRUCache'
      ? new LRUCache({ maxSize: KEYS, maxAge: ttl })
      : new (await import('lru-cache')).LRUCache(ttl ? { max: KEYS, ttl } : { max: KEYS });
  const random = randomFrom(1);
  const keys = Array.from({ length: writes ? 2 * KEYS : KEYS }, (_, index) => `key:${index * 7919}`);
  const order = Uint32Array.from({ length: OPERATIONS }, () => random(keys.length));
  for (let i = 0; i < KEYS; i++) cache.set(keys[i], writes ? i : value(i));
  return writes ? write(cache, keys, order) : read(cache, keys, order);
});

function read(cache, keys, order) {
  return () => {
    for (let pass = 0; pass < PASSES; pass++) {
      for (let i = 0; i < order.length; i++) {
        if (cache.get(keys[order[i]]) === undefined) throw new Error('an entry was lost');
      }
    }
    return PASSES * order.length;
  };
}

function write(cache, keys, order) {
  return () => {
    for (let pass = 0; pass < PASSES; pass++) {
      for (let i = 0; i < order.length; i++) cache.set(keys[order[i]], i);
    }
    if (cache.size !== KEYS) throw new Error('the cache is not full');
    return PASSES * order.length;
  };
}
