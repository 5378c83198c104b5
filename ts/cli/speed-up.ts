/**
 * The speed-up over one thread, measured: the same files, by a processor with one worker and by the full one.
 *
 * Every file of the sample is read once before, so both find the files in the page cache. The two take turns, at
 * least twice each and in changing order, and the best time of each counts. The work is the one of the index: read,
 * SHA-256, gzip, count lines.
 */
import { type TrillionProcessor } from '../processor';
import { type SampleFile } from './sample';

/** The two times, over the same files. */
export interface SpeedUp {
  /** Time of one thread divided by time of all. */
  ratio: number;
  threads: number;
  files: number;
  bytes: number;
  /** Best time of one thread, in milliseconds. */
  oneThreadMs: number;
  /** Best time of all threads, in milliseconds. */
  allThreadsMs: number;
}

/** Why there is no {@link SpeedUp}. */
export interface NoSpeedUp {
  reason: string;
}

/** Below this time of one thread, in milliseconds, the ratio would say more about the clock than about the threads. */
const SHORTEST_MS = 20;
const ROUNDS = { least: 2, most: 10 };
/** No new round after this time, in milliseconds. */
const TIME_LIMIT_MS = 2500;

/**
 * Measures. Rejects when a file cannot be read any more, or a processor is shut down.
 *
 * @param one - A processor with one worker.
 * @param all - A processor with `threads` workers.
 */
export async function measureSpeedUp(
  one: TrillionProcessor,
  all: TrillionProcessor,
  threads: number,
  sample: readonly SampleFile[],
): Promise<SpeedUp | NoSpeedUp> {
  const tasks = sample.map(({ absolute }) => ({ operation: 'file-info', data: absolute }));
  const time = async (processor: TrillionProcessor): Promise<number> => {
    const start = performance.now();
    const outcomes = await processor.results(await processor.addTasks(tasks));
    const elapsed = performance.now() - start;
    for (const { error } of outcomes) if (error !== undefined) throw error;
    return elapsed;
  };

  await time(all);
  if ((await time(one)) < SHORTEST_MS) return { reason: 'there are too few files to measure' };
  const start = performance.now();
  const best = { one: Infinity, all: Infinity };
  const turn = {
    one: async () => void (best.one = Math.min(best.one, await time(one))),
    all: async () => void (best.all = Math.min(best.all, await time(all))),
  };
  for (let round = 0; round < ROUNDS.most; round++) {
    if (round >= ROUNDS.least && performance.now() - start > TIME_LIMIT_MS) break;
    for (const name of round % 2 === 0 ? (['one', 'all'] as const) : (['all', 'one'] as const)) {
      await turn[name]();
    }
  }
  return {
    ratio: best.one / best.all,
    threads,
    files: sample.length,
    bytes: sample.reduce((sum, { size }) => sum + size, 0),
    oneThreadMs: best.one,
    allThreadsMs: best.all,
  };
}
