/**
 * What `maxBytes` counts against what the process grows by, for kinds of values: an estimate is good where the ratio is near 1. Each kind in
 * a process of its own.
 */
import { fileURLToPath } from 'node:url';
import { LRUCache } from '../../dist/cache/index.js';
import { tell, told } from '../lib/apart.mjs';

const ENTRIES = 50_000;
/** How far from 1 the ratio may be. Small entries vary most: their cost is that of the tables, which grow by doubling. */
const TOLERANCE = 0.6;

const list = (length, make) => Array.from({ length }, (_, index) => make(index));
const KINDS = {
  'small integers': (i) => i,
  'short strings': (i) => `value ${i}`,
  'strings of 1,000 characters': (i) => Buffer.from(`${'x'.repeat(1000)}${i}`).toString('latin1'),
  'strings of two bytes a character': (i) => Buffer.from(`${'é€'.repeat(100)}${i}`).toString(),
  'small objects': (i) => ({ id: i, name: `name ${i}`, price: i * 1.5, ok: true }),
  'parsed JSON': (i) => JSON.parse(`{"id":${i},"tags":["a${i}","b${i}"],"at":{"x":${i}.5,"y":2}}`),
  'lists of numbers': (i) => list(20, (index) => i + index),
  'lists of strings': (i) => list(20, (index) => `s${i}${index}`),
  Maps: (i) => new Map(list(10, (index) => [`k${i}${index}`, index])),
  Sets: (i) => new Set(list(10, (index) => `k${i}${index}`)),
  'Buffers of 500 bytes': () => Buffer.alloc(500, 1),
  'Buffers of 10,000 bytes': () => Buffer.alloc(10_000, 1),
};

export async function run() {
  console.log(
    `\n### Bytes of an entry as maxBytes counts them, and as the process grows (${ENTRIES} entries)\n`,
  );
  console.log('| values | counted | grown | ratio |\n| --- | ---: | ---: | --- |');
  for (const kind of Object.keys(KINDS)) {
    const { counted, grown } = await told(fileURLToPath(import.meta.url), [kind]);
    const ratio = counted / grown;
    const verdict = Math.abs(ratio - 1) <= TOLERANCE ? 'within' : 'beyond';
    console.log(
      `| ${kind} | ${counted.toFixed(0)} | ${grown.toFixed(0)} | ${ratio.toFixed(2)}, ${verdict} ${TOLERANCE} of 1 |`,
    );
  }
}

function used() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await tell((kind) => {
  const make = KINDS[kind];
  const cache = new LRUCache({ maxBytes: 1e12 });
  for (let i = 0; i < 100; i++) cache.set(`warm:${i}`, make(i));
  cache.clear();
  const before = used();
  for (let i = 0; i < ENTRIES; i++) cache.set(`key:${i}`, make(i + 1e6));
  const grown = (used() - before) / ENTRIES;
  return { counted: cache.bytes / ENTRIES, grown };
});
