/**
 * One shared cache read by worker threads: what all of them get through together, against one alone. The threads read random keys that they have
 * decoded before, for a fixed time, by turns alone and together.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LRUCache } from '../../dist/cache/index.js';
import { median } from '../lib/measure.mjs';

const KEYS = 20_000;
const ROUNDS = 9;
const ROUND_MS = 500;
const BAR = 1.6;
const OPTIONS = { name: 'bench threads', shared: true, maxBytes: 64 * 1024 * 1024 };

export async function run() {
  const cache = new LRUCache(OPTIONS);
  for (let i = 0; i < KEYS; i++) cache.set(keyOf(i), { id: i });
  const threads = availableParallelism();
  const file = fileURLToPath(import.meta.url);
  const workers = await Promise.all(Array.from({ length: threads }, () => start(file)));
  const alone = [];
  const together = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const one = await readBy(workers.slice(0, 1));
    const all = await readBy(workers);
    if (round === 0) continue;
    alone.push(one);
    together.push(all);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  const ratio = median(together) / median(alone);
  console.log(`\n### ${threads} worker threads on one shared cache, ${KEYS} random keys\n`);
  console.log(`| case | gets/s, median of ${ROUNDS} | ratio |\n| --- | ---: | --- |`);
  console.log(
    `| ${threads} threads | ${rate(median(together))} | ${ratio.toFixed(2)}x, bar ${BAR}x: ${ratio >= BAR ? 'reached' : 'missed'} |`,
  );
  console.log(`| 1 thread | ${rate(median(alone))} | 1x |`);
}

function rate(value) {
  return Math.round(value).toLocaleString('en-US');
}

function keyOf(index) {
  return `user:${index * 7919}`;
}

async function start(file) {
  const worker = new Worker(file, { workerData: OPTIONS });
  await new Promise((resolve) => worker.once('message', resolve));
  return worker;
}

/** Gets a second of all these workers together. */
async function readBy(workers) {
  const until = Date.now() + ROUND_MS;
  const rates = workers.map(
    (worker) =>
      new Promise((resolve) => {
        worker.once('message', resolve);
        worker.postMessage(until);
      }),
  );
  return (await Promise.all(rates)).reduce((sum, one) => sum + one, 0);
}

if (!isMainThread && workerData?.name === OPTIONS.name) {
  const cache = new LRUCache(workerData);
  const keys = Array.from({ length: KEYS }, (_, index) => keyOf(index));
  const order = Uint32Array.from({ length: KEYS * 10 }, () => Math.floor(Math.random() * KEYS));
  const readAll = () => {
    for (const index of order) if (cache.get(keys[index]).id !== index) throw new Error('a wrong value');
  };
  readAll();
  parentPort.on('message', (until) => {
    const since = performance.now();
    let gets = 0;
    while (Date.now() < until) {
      readAll();
      gets += order.length;
    }
    parentPort.postMessage((gets / (performance.now() - since)) * 1000);
  });
  parentPort.postMessage('ready');
}
