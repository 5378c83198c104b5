/**
 * `parallelMap` against pools of worker threads (items one by one, and in chunks made by hand) and, in the isolate, against `p-map`.
 */
import { TrillionProcessor } from '../index.js';
import { loadPeer, machine, measure } from './lib/measure.mjs';
import { watchOtherLoad } from './lib/other-load.mjs';
import { plainPiscina, tunedPiscina, workerpool } from './lib/pools.mjs';
import functions from './workers/functions.cjs';

const ITEMS = 1_000_000;
/** Pools get fewer items one by one: the figures are per second, and so comparable. */
const ITEMS_ONE_BY_ONE = 100_000;
const ITEMS_IN_ISOLATE = 100_000;
const CHUNK_SIZES = [1000, 5000, 20_000, 50_000, 125_000, 250_000, 500_000];

/** What is mapped: items, and the function of `workers/functions.cjs` for one and for a chunk. */
const KINDS = {
  numbers: { one: 'number', many: 'numbers', item: (index) => index, weigh: (result) => result },
  strings: { one: 'text', many: 'texts', item: (index) => `item ${index}`, weigh: (result) => result.length },
  'small objects': {
    one: 'record',
    many: 'records',
    item: (index) => ({ id: index, price: index % 100, count: 3 }),
    weigh: (result) => result.id + result.total,
  },
};

console.log(machine());
const tellOfOthers = watchOtherLoad();
const processor = new TrillionProcessor();
await processor.initialize();
await oneByOne();
for (const [name, kind] of Object.entries(KINDS)) await inChunks(name, kind);
await inTheIsolate();
await processor.shutdown();
tellOfOthers();

/** Against pools that take items one by one. */
async function oneByOne() {
  const { item, weigh, one } = KINDS.numbers;
  const items = Array.from({ length: ITEMS }, (_, index) => item(index));
  const few = items.slice(0, ITEMS_ONE_BY_ONE);
  const check = checker(items, functions[one], weigh);
  const checkFew = checker(few, functions[one], weigh);
  const ours = {
    name: 'parallelMap, thread: true',
    run: async () => check(await processor.parallelMap(items, functions[one], { thread: true })),
  };
  const piscina = await tunedPiscina(one, 1);
  const byWorkerpool = await workerpool();
  const peers = {
    piscina: piscina && ((value) => piscina.run(value, { name: one })),
    workerpool: byWorkerpool && ((value) => byWorkerpool.exec(one, [value])),
  };
  for (const [name, call] of Object.entries(peers)) {
    await measure({
      title: `${ITEMS} numbers, a cheap function on workers; ${name} gets ${ITEMS_ONE_BY_ONE} one by one`,
      rounds: 5,
      baseline: name,
      bar: 10,
      unit: 'items',
      cases: [
        ours,
        call && { name, run: async () => checkFew(await Promise.all(few.map(call))) },
        { name: 'items.map in the isolate', run: () => check(items.map((value) => functions[one](value))) },
      ],
    });
  }
  await Promise.all([piscina?.destroy(), byWorkerpool?.terminate()]);
}

/** Against `piscina` with chunks made by hand, of the size that serves it best. */
async function inChunks(name, { one, many, item, weigh }) {
  const items = Array.from({ length: ITEMS }, (_, index) => item(index));
  const check = checker(items, functions[one], weigh);
  const piscina = await plainPiscina();
  const byHand = async (size) => {
    const calls = [];
    for (let from = 0; from < items.length; from += size) {
      calls.push(piscina.run(items.slice(from, from + size), { name: many }));
    }
    return check((await Promise.all(calls)).flat());
  };
  const size = piscina && (await fastest(CHUNK_SIZES, byHand));
  await measure({
    title: `${ITEMS} ${name}, a cheap function on workers, chunks`,
    rounds: 9,
    baseline: `piscina, chunks of ${size} by hand`,
    bar: 1.2,
    unit: 'items',
    cases: [
      {
        name: 'parallelMap, thread: true',
        run: async () => check(await processor.parallelMap(items, functions[one], { thread: true })),
      },
      piscina && { name: `piscina, chunks of ${size} by hand`, run: () => byHand(size) },
      { name: 'items.map in the isolate', run: () => check(items.map((value) => functions[one](value))) },
    ],
  });
  await piscina?.destroy();
}

/** Against `p-map`, with an async closure. */
async function inTheIsolate() {
  const items = Array.from({ length: ITEMS_IN_ISOLATE }, (_, index) => index);
  const offset = 1;
  const closure = async (value) => value * 2 + offset;
  const check = checker(items, functions.number, (result) => result);
  const pMap = await loadPeer('p-map');
  for (const concurrency of [10, 100, 10_000]) {
    await measure({
      title: `${ITEMS_IN_ISOLATE} numbers, an async closure in the isolate, concurrency ${concurrency}`,
      rounds: 9,
      baseline: 'p-map',
      bar: 1,
      unit: 'items',
      cases: [
        {
          name: 'parallelMap',
          run: async () => check(await processor.parallelMap(items, closure, { concurrency })),
        },
        pMap && {
          name: 'p-map',
          run: async () => check(await pMap.default(items, closure, { concurrency })),
        },
      ],
    });
  }
}

/** Checks results against what a plain `map` gives and returns their number. */
function checker(items, fn, weigh) {
  const expected = items.map((item) => weigh(fn(item)));
  return (results) => {
    if (results.length !== expected.length) throw new Error('a case lost results');
    for (let i = 0; i < expected.length; i++) {
      if (weigh(results[i]) !== expected[i]) throw new Error('a case gave wrong results');
    }
    return results.length;
  };
}

/** The value with the least time of three. */
async function fastest(values, run) {
  let best = { time: Infinity };
  for (const value of values) {
    for (let trial = 0; trial < 3; trial++) {
      const start = performance.now();
      await run(value);
      const time = performance.now() - start;
      if (time < best.time) best = { value, time };
    }
  }
  return best.value;
}
