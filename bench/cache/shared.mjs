/**
 * A hit in a shared cache, again in the same isolate, against the same in an unshared one: what sharing costs a reader. Each case runs in a
 * process of its own.
 */
import { fileURLToPath } from 'node:url';
import { LRUCache } from '../../dist/cache/index.js';
import { apart, serve } from '../lib/apart.mjs';
import { measure } from '../lib/measure.mjs';
import { randomFrom } from '../lib/random.mjs';

const KEYS = 20_000;
const OPERATIONS = 400_000;
const PASSES = 5;
/** Within 1.3 of the time of an unshared hit. */
const BAR = 0.77;

const CACHES = {
  shared: () => new LRUCache({ name: 'bench shared', shared: true, maxBytes: 64 * 1024 * 1024 }),
  unshared: () => new LRUCache({ maxSize: KEYS }),
};
const VALUES = { strings: (index) => `value ${index}`, objects: (index) => ({ index }) };

export async function run() {
  const file = fileURLToPath(import.meta.url);
  for (const values of Object.keys(VALUES)) {
    const cases = await Promise.all(Object.keys(CACHES).map((name) => apart(name, file, [name, values])));
    const title = `hits, ${values}: ${KEYS} random keys, read before in the same isolate`;
    await measure({ title, cases, baseline: 'unshared', bar: BAR, rounds: 15 });
    for (const { stop } of cases) stop();
  }
}

await serve((name, values) => {
  const cache = CACHES[name]();
  const random = randomFrom(1);
  const keys = Array.from({ length: KEYS }, (_, index) => `key:${index * 7919}`);
  const order = Uint32Array.from({ length: OPERATIONS }, () => random(KEYS));
  for (let i = 0; i < KEYS; i++) cache.set(keys[i], VALUES[values](i));
  return () => {
    for (let pass = 0; pass < PASSES; pass++) {
      for (let i = 0; i < order.length; i++) {
        if (cache.get(keys[order[i]]) === undefined) throw new Error('an entry was lost');
      }
    }
    return PASSES * order.length;
  };
});
