/**
 * A million entries in a shared cache: how long a full garbage collection of the isolate takes, against the same entries in `lru-cache`, and
 * how many bytes the process grows by per entry beyond key and value. Each in a process of its own.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadPeer, median } from '../lib/measure.mjs';
import { countChild } from '../lib/other-load.mjs';

const ENTRIES = 1_000_000;
const COLLECTIONS = 9;
const GC_BAR = 10;
const OVERHEAD_BAR = 64;
/** Values of 93 to 108 bytes, so that what the allocator rounds up is met on the average. */
const VALUES = Array.from({ length: 16 }, (_, more) => 'v'.repeat(93 + more));
const PAYLOAD = keyOf(0).length + 100.5;

export async function run() {
  const shared = await inProcess('shared');
  const peer = await inProcess('lru-cache');
  console.log(`\n### Full collection of an isolate with ${ENTRIES} entries, all of them read once\n`);
  console.log(`| case | ms, median of ${COLLECTIONS} | ratio |\n| --- | ---: | --- |`);
  const ratio = peer && peer.pause / shared.pause;
  const judged = ratio
    ? `${ratio.toFixed(1)}x shorter, bar ${GC_BAR}x: ${ratio >= GC_BAR ? 'reached' : 'missed'}`
    : '';
  console.log(`| shared cache | ${shared.pause.toFixed(1)} | ${judged} |`);
  if (peer) console.log(`| lru-cache | ${peer.pause.toFixed(1)} | 1x |`);
  const { overhead, counted } = shared;
  console.log(
    `\nA shared entry takes ${overhead.toFixed(1)} bytes beyond key and value (resident memory without V8's heap), bar ${OVERHEAD_BAR}: ` +
      `${overhead < OVERHEAD_BAR ? 'reached' : 'missed'}; it is counted as ${counted.toFixed(1)} against maxBytes.`,
  );
}

/** The figures of a case, measured in a process of its own. */
async function inProcess(name) {
  if (name === 'lru-cache' && (await loadPeer(name)) === undefined) return undefined;
  const child = fork(fileURLToPath(import.meta.url), ['measure', name], { execArgv: ['--expose-gc'] });
  let figures;
  child.on('message', (message) => {
    figures = message;
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  if (code !== 0) throw new Error(`the case '${name}' ended with ${code}`);
  countChild(figures.seconds);
  return figures;
}

/** Keys are made anew each time they are needed: they are not to stand in the heap beside the cache. */
function keyOf(index) {
  return `key:${index.toString().padStart(8, '0')}`;
}

async function measureShared() {
  const { LRUCache } = await import('../../dist/cache/index.js');
  const cache = new LRUCache({ name: 'bench memory', shared: true, maxBytes: 1024 ** 3 });
  // The same work on few entries: what V8's heap grows by for garbage is there before.
  for (let i = 0; i < ENTRIES; i++) cache.set(keyOf(i % 100), VALUES[i % 16]);
  for (let i = 0; i < 100; i++) cache.get(keyOf(i));
  cache.clear();
  globalThis.gc();
  const before = native();
  for (let i = 0; i < ENTRIES; i++) cache.set(keyOf(i), VALUES[i % 16]);
  globalThis.gc();
  const overhead = (native() - before) / ENTRIES - PAYLOAD;
  const counted = cache.bytes / ENTRIES - PAYLOAD;
  for (let i = 0; i < ENTRIES; i++) cache.get(keyOf(i));
  return { pause: pause(), overhead, counted, held: cache.size };
}

async function measurePeer() {
  const { LRUCache } = await import('lru-cache');
  const cache = new LRUCache({ max: ENTRIES });
  for (let i = 0; i < ENTRIES; i++) cache.set(keyOf(i), `${VALUES[i % 16]}${i}`.slice(0, 93 + (i % 16)));
  for (let i = 0; i < ENTRIES; i++) cache.get(keyOf(i));
  return { pause: pause(), held: cache.size };
}

/** Resident memory that is not V8's heap. */
function native() {
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

/** Milliseconds of a full collection. */
function pause() {
  const times = [];
  for (let i = 0; i <= COLLECTIONS; i++) {
    const start = performance.now();
    globalThis.gc();
    if (i > 0) times.push(performance.now() - start);
  }
  return median(times);
}

if (process.argv[2] === 'measure') {
  const figures = await (process.argv[3] === 'shared' ? measureShared() : measurePeer());
  const { user, system } = process.cpuUsage();
  process.send({ ...figures, seconds: (user + system) / 1e6 });
  process.disconnect();
}
