/** Work that only computes: all cores against one thread, in worker isolates and natively. */
import { availableParallelism } from 'node:os';
import { TrillionProcessor } from '../../index.js';
import { measure } from '../lib/measure.mjs';
import { plainPiscina } from '../lib/pools.mjs';
import { compute, primesBelow } from '../workers/functions.cjs';

const ROUNDS = 9;
const CORES = availableParallelism();
/** 100 tasks of some milliseconds. */
const LIMITS = Array.from({ length: 100 }, (_, index) => 20_000 + index * 200);
/** 400 tasks of about a millisecond. */
const WEIGHTS = Array.from({ length: 400 }, (_, index) => ({ iterations: 400_000 + index * 1000 }));

export async function run() {
  const processor = new TrillionProcessor();
  const single = new TrillionProcessor({ maxWorkers: 1 });
  await Promise.all([processor.initialize(), single.initialize()]);
  const piscina = await plainPiscina();

  processor.define('primes', primesBelow);
  const primes = LIMITS.map(primesBelow);
  const checkPrimes = (results) => check(results, primes, (result) => result);
  await measure({
    title: `A user's function (primes by trial division), ${CORES} cores`,
    rounds: ROUNDS,
    baseline: 'items.map in the isolate',
    bar: 1.8,
    unit: 'calls',
    cases: [
      {
        name: 'parallelMap, thread: true',
        run: async () => checkPrimes(await processor.parallelMap(LIMITS, primesBelow, { thread: true })),
      },
      {
        name: 'addTasks of a defined operation',
        run: async () => checkPrimes(await outcomesOf(processor, 'primes', LIMITS)),
      },
      piscina && {
        name: 'piscina',
        run: async () =>
          checkPrimes(await Promise.all(LIMITS.map((limit) => piscina.run(limit, { name: 'primesBelow' })))),
      },
      { name: 'items.map in the isolate', run: () => checkPrimes(LIMITS.map(primesBelow)) },
    ],
  });

  const sums = WEIGHTS.map((data) => compute(data).computed);
  const checkSums = (results) => check(results, sums, (result) => result.computed);
  await measure({
    title: `The native operation compute, ${CORES} cores`,
    rounds: ROUNDS,
    baseline: 'one native worker',
    bar: 1.8,
    unit: 'tasks',
    cases: [
      {
        name: 'one native worker a core',
        run: async () => checkSums(await outcomesOf(processor, 'compute', WEIGHTS)),
      },
      { name: 'one native worker', run: async () => checkSums(await outcomesOf(single, 'compute', WEIGHTS)) },
      { name: 'the same loop in the isolate', run: () => checkSums(WEIGHTS.map(compute)) },
    ],
  });
  await Promise.all([processor.shutdown(), single.shutdown(), piscina?.destroy()]);
}

async function outcomesOf(processor, operation, items) {
  const tasks = items.map((data) => ({ operation, data }));
  const outcomes = await processor.results(await processor.addTasks(tasks));
  return outcomes.map(({ result }) => result);
}

function check(results, expected, valueOf) {
  if (results.length !== expected.length || results.some((result, i) => valueOf(result) !== expected[i])) {
    throw new Error('a case gave wrong results');
  }
  return results.length;
}
