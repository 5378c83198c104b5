/**
 * How many requests of a real trace find their page in the cache, with its capacity in entries: `bench/data/README.md` says what the
 * trace is. An unshared cache is exact LRU and must reach the published figures to the digit; the others are shared caches.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { LRUCache } from '../../dist/cache/index.js';

const CAPACITIES = [250, 1000, 2000];
const TRACE = new URL('../data/OLTP.lis.gz', import.meta.url);

/** What is measured, with the published figures in percent and how many points below them still count as reached. */
const CASES = [
  { name: 'lru', published: [16.5, 32.8, 42.5], allowance: 0, open: (maxSize) => new LRUCache({ maxSize }) },
  {
    name: 'lru, shared',
    published: [16.5, 32.8, 42.5],
    open: (maxSize) => new LRUCache({ name: `trace lru ${maxSize}`, shared: true, maxSize }),
  },
  {
    name: 'tinylfu, shared',
    published: [24.7, 40.0, 46.1],
    allowance: 1,
    open: (maxSize) =>
      new LRUCache({ name: `trace tinylfu ${maxSize}`, shared: true, policy: 'tinylfu', maxSize }),
  },
];

export async function run() {
  const pages = readPages();
  console.log(`\n### Hit ratio on the trace OLTP (${pages.length} requests), in percent\n`);
  console.log(`| case | ${CAPACITIES.join(' | ')} entries | published | |`);
  console.log(`| --- |${' ---: |'.repeat(CAPACITIES.length)} ---: | --- |`);
  for (const { name, published, allowance, open } of CASES) {
    const reached = CAPACITIES.map((maxSize) => {
      const cache = open(maxSize);
      const ratio = hitRatio(cache, pages);
      cache.clear();
      cache[Symbol.dispose]();
      return ratio;
    });
    const isGood = reached.every((ratio, index) => round(ratio) >= published[index] - allowance);
    const verdict = allowance === undefined ? '' : isGood ? 'reached' : 'missed';
    const bar = allowance ? `${published.join(' / ')}, bar ${allowance} point below` : published.join(' / ');
    console.log(
      `| ${name} | ${reached.map((ratio) => round(ratio).toFixed(1)).join(' | ')} | ${bar} | ${verdict} |`,
    );
  }
}

/** The pages that are asked for, in order. */
function readPages() {
  const pages = [];
  for (const line of gunzipSync(readFileSync(TRACE)).toString('latin1').split('\n')) {
    if (line === '') continue;
    const [first, blocks] = line.split(' ', 2).map(Number);
    for (let page = first; page < first + blocks; page++) pages.push(page);
  }
  return pages;
}

/** The share of pages, in percent, that are in the cache when they are asked for; the others are written then. */
function hitRatio(cache, pages) {
  let hits = 0;
  for (const page of pages) {
    if (cache.get(page) === undefined) cache.set(page, page);
    else hits++;
  }
  return (100 * hits) / pages.length;
}

function round(percent) {
  return Math.round(percent * 10) / 10;
}
