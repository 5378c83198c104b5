/** Pools of worker threads to compare with, each with the settings that serve it best. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { loadPeer } from './measure.mjs';

const FUNCTIONS = fileURLToPath(new URL('../workers/functions.cjs', import.meta.url));
const WORKERPOOL = fileURLToPath(new URL('../workers/workerpool.cjs', import.meta.url));
const CORES = availableParallelism();

/** Calls that are made at once when settings are compared. */
const TRIAL_CALLS = 20_000;
const TRIALS = 3;

/**
 * A `piscina` pool with the fastest of several settings for many tiny tasks, found by trying them: how many tasks a worker is sent ahead,
 * whether workers wait with Atomics, one thread or one a core. Always with `FixedQueue` (which its documents recommend for long queues)
 * and without timing of tasks.
 *
 * @param {string} name The function of `bench/workers/functions.cjs` that is tried.
 * @param {unknown} value What it is called with.
 */
export async function tunedPiscina(name, value) {
  const piscina = await loadPeer('piscina');
  if (piscina === undefined) return undefined;
  const { FixedQueue, Piscina } = piscina;
  const candidates = [1, CORES].flatMap((threads) =>
    [1, 16, 256, 1024].flatMap((ahead) =>
      ['sync', 'async', 'disabled'].map((atomics) => ({ threads, ahead, atomics })),
    ),
  );
  const make = ({ threads, ahead, atomics }) =>
    new Piscina({
      filename: FUNCTIONS,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: ahead,
      atomics,
      recordTiming: false,
      taskQueue: new FixedQueue(),
    });
  let best;
  for (const candidate of candidates) {
    const pool = make(candidate);
    for (let trial = 0; trial < TRIALS; trial++) {
      const start = performance.now();
      await Promise.all(Array.from({ length: TRIAL_CALLS }, () => pool.run(value, { name })));
      const time = performance.now() - start;
      if (trial > 0 && !(time >= best?.time)) best = { ...candidate, time };
    }
    await pool.destroy();
  }
  const { threads, ahead, atomics } = best;
  console.log(
    `piscina: the best of ${candidates.length} settings is ${threads} thread(s), concurrentTasksPerWorker ${ahead}, atomics '${atomics}'`,
  );
  return make(best);
}

/** A `piscina` pool of one thread a core with its defaults, for few and large tasks. */
export async function plainPiscina() {
  const piscina = await loadPeer('piscina');
  return piscina && new piscina.Piscina({ filename: FUNCTIONS, minThreads: CORES, maxThreads: CORES });
}

/** A `tinypool` of one thread a core, which is sent tasks ahead. */
export async function tinypool() {
  const library = await loadPeer('tinypool');
  return (
    library &&
    new library.Tinypool({
      filename: FUNCTIONS,
      runtime: 'worker_threads',
      minThreads: CORES,
      maxThreads: CORES,
      concurrentTasksPerWorker: 256,
    })
  );
}

/** A `workerpool` of one thread a core. */
export async function workerpool() {
  const library = await loadPeer('workerpool');
  return library?.default.pool(WORKERPOOL, {
    workerType: 'thread',
    minWorkers: CORES,
    maxWorkers: CORES,
  });
}
