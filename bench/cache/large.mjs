/** More entries in a shared cache than a `Map` of V8 can hold (2^24): written, and some of them read back. */
import { LRUCache } from '../../dist/cache/index.js';

const ENTRIES = 2 ** 24 + 100_000;
const READS = 100_000;

export async function run() {
  const cache = new LRUCache({ name: 'bench large', shared: true, maxSize: ENTRIES });
  const writing = perEntry(ENTRIES, (index) => cache.set(index, index % 1024));
  if (cache.size !== ENTRIES) throw new Error(`${cache.size} of ${ENTRIES} entries are there`);
  const step = Math.floor(ENTRIES / READS);
  const reading = perEntry(READS, (index) => {
    if (cache.get(index * step) !== (index * step) % 1024) throw new Error('a value is not the one written');
  });
  const start = performance.now();
  cache.clear();
  const clearing = performance.now() - start;
  console.log(
    `\n${ENTRIES.toLocaleString('en-US')} entries in one shared cache: ${writing} ns a write, ${reading} ns a first read, ` +
      `${Math.round(clearing)} ms to clear.`,
  );
}

/** Nanoseconds of a call. */
function perEntry(count, call) {
  const start = performance.now();
  for (let index = 0; index < count; index++) call(index);
  return Math.round(((performance.now() - start) / count) * 1e6);
}
