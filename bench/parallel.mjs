/**
 * `ParallelEngine` and `ParallelStream` against `p-map`: bounded concurrency over a list and over a stream, in one isolate.
 * Run after a build: `node bench/parallel.mjs`. Both sides get the same items, the same function and the same bounds.
 */
import { ParallelEngine, ParallelStream } from '../index.js';
import { loadPeer, machine, measure } from './lib/measure.mjs';

const ITEMS = Array.from({ length: 100_000 }, (_, index) => index);
const double = async (item) => item * 2;
const doubleInNextTurn = (item) => new Promise((resolve) => setImmediate(resolve, item * 2));

console.log(machine());
const pMap = await loadPeer('p-map');

for (const [what, fn] of Object.entries({
  'async closure': double,
  'closure that waits for the next turn of the loop': doubleInNextTurn,
})) {
  for (const concurrency of [10, 100, 10_000]) {
    await measure({
      title: `${ITEMS.length} items, ${what}, concurrency ${concurrency}`,
      rounds: 9,
      baseline: 'p-map',
      bar: 1,
      cases: [
        {
          name: 'ParallelEngine.all',
          run: async () => {
            const tasks = ITEMS.map((item) => () => fn(item));
            return check(await ParallelEngine.all(tasks, concurrency));
          },
        },
        pMap && { name: 'p-map', run: async () => check(await pMap.default(ITEMS, fn, { concurrency })) },
      ],
    });
  }
}

await measure({
  title: `${ITEMS.length} items through a stream, concurrency 10, 40 held`,
  rounds: 9,
  baseline: 'pMapIterable',
  bar: 1,
  cases: [
    {
      name: 'ParallelStream.map',
      run: async () => {
        const results = [];
        for await (const result of new ParallelStream(ITEMS, { concurrency: 10 }).map(double))
          results.push(result);
        return check(results);
      },
    },
    pMap && {
      name: 'pMapIterable',
      run: async () => {
        const results = [];
        const bounds = { concurrency: 10, backpressure: 40 };
        for await (const result of pMap.pMapIterable(ITEMS, double, bounds)) results.push(result);
        return check(results);
      },
    },
  ],
});

/** The number of results, once they are known to be right. */
function check(results) {
  if (results.length !== ITEMS.length || results.some((result, index) => result !== index * 2)) {
    throw new Error('a case gave wrong results');
  }
  return results.length;
}
