/**
 * The index of a folder: the pass over its files, the measurement of the speed-up, the summary.
 *
 * Neither an unreadable file nor an interruption is an error here; a folder that is none, or a results file that
 * cannot be written, is one.
 */
import { realpath, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { NoizylabError } from '../errors';
import { onAbort } from '../parallel/abort';
import { TrillionProcessor } from '../processor';
import { countTree } from './count-tree';
import { reason } from './format';
import { IndexPass } from './index-pass';
import { NdjsonWriter } from './ndjson';
import { type Progress } from './progress';
import { sampleBudget } from './sample';
import { measureSpeedUp, type NoSpeedUp, type SpeedUp } from './speed-up';
import { type IndexSummary } from './summary';

/** What to index and how. */
export interface IndexRequest {
  folder: string;
  /** The results file; created or emptied. */
  out: string;
  /** Worker threads; the number of cores where `undefined`. */
  workers?: number | undefined;
  /** Measure the speed-up over one thread afterwards. */
  compare: boolean;
  /** Ends the run early and cleanly. */
  signal: AbortSignal;
  progress: Progress;
}

/**
 * Indexes a folder.
 *
 * @throws NoizylabError `ERR_CLI_FOLDER` when there is no such folder, `ERR_CLI_OUTPUT` when the results cannot be
 * written; and what `TrillionProcessor` throws for a number of workers that it does not allow.
 */
export async function indexFolder(request: IndexRequest): Promise<IndexSummary> {
  const { progress, signal } = request;
  const root = await openFolder(request.folder);
  const threads = request.workers ?? availableParallelism();
  const processor = new TrillionProcessor({ maxWorkers: threads });
  // What is under way then fails at once, and is left out.
  const release = onAbort(signal, () => void processor.shutdown({ force: true }));
  try {
    const results = await NdjsonWriter.open(request.out);
    const pass = new IndexPass(root, processor, results, (line) => progress.note(line), signal);
    const start = performance.now();
    let interrupted: boolean;
    try {
      await runPass(pass, root, results.path, progress);
      interrupted = signal.aborted;
    } finally {
      progress.stop();
      await results.close();
    }
    const elapsedMs = performance.now() - start;
    const perSecond = (amount: number): number => (amount / elapsedMs) * 1000;
    return {
      folder: root,
      out: results.path,
      interrupted,
      threads,
      ...pass.totals,
      elapsedMs,
      bytesPerSecond: perSecond(pass.totals.bytes),
      filesPerSecond: perSecond(pass.totals.files),
      speedUp: await compare(request, pass, processor, threads, perSecond(pass.totals.bytes)),
    };
  } finally {
    release();
    progress.stop();
    await processor.shutdown({ force: true });
  }
}

/** Runs the pass and, where the progress can show it, counts the tree besides. */
async function runPass(pass: IndexPass, root: string, out: string, progress: Progress): Promise<void> {
  progress.start(() => pass.snapshot());
  if (!progress.showsTotal) return pass.run();
  const enough = new AbortController();
  const counting = countTree(root, out, enough.signal).then((total) => {
    pass.expected = total;
  });
  try {
    await pass.run();
  } finally {
    enough.abort();
    await counting;
  }
}

async function compare(
  { compare: wanted, progress, signal }: IndexRequest,
  pass: IndexPass,
  all: TrillionProcessor,
  threads: number,
  bytesPerSecond: number,
): Promise<SpeedUp | NoSpeedUp> {
  if (signal.aborted) return { reason: 'interrupted' };
  if (!wanted) return { reason: 'not asked for' };
  if (threads === 1) return { reason: 'there is one thread only' };
  const sample = pass.sampler.take(sampleBudget(bytesPerSecond, threads));
  if (sample.length < 2) return { reason: 'there are too few files to measure' };
  progress.status('measuring the speed-up over one thread');
  const one = new TrillionProcessor({ maxWorkers: 1 });
  const release = onAbort(signal, () => void one.shutdown({ force: true }));
  try {
    return await measureSpeedUp(one, all, threads, sample);
  } catch (error) {
    return { reason: signal.aborted ? 'interrupted' : (error as Error).message };
  } finally {
    release();
    progress.stop();
    await one.shutdown({ force: true });
  }
}

async function openFolder(folder: string): Promise<string> {
  const failed = (why: string, cause?: unknown): NoizylabError =>
    new NoizylabError('ERR_CLI_FOLDER', `cannot index '${folder}': ${why}`, { cause });
  try {
    const root = await realpath(folder);
    if ((await stat(root)).isDirectory()) return root;
  } catch (error) {
    throw failed(reason(error), error);
  }
  throw failed('not a directory');
}
