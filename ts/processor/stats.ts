/** The figures of a processor as `getStats` tells them. */
import type { Core } from './core';
import { memoryUsage } from './memory';
import type { ResultTable } from './result-table';
import type { ProcessorStats } from './types';

/** Items that were finished in this isolate, which the engine does not see. */
export interface LocalCounts {
  processed: number;
  failed: number;
}

export function statsOf(
  core: Core,
  table: ResultTable,
  local: LocalCounts,
  startTime: number | null,
  endTime: number | null,
): ProcessorStats {
  const { figures, intake } = core;
  const processed = figures.processed + local.processed;
  const elapsedMs = startTime === null ? 0 : (endTime ?? Date.now()) - startTime;
  const ratePerSecond = elapsedMs > 0 ? (processed / elapsedMs) * 1000 : 0;
  const over = endTime !== null;
  return {
    processed,
    failed: figures.failed + local.failed,
    startTime,
    endTime,
    elapsed: `${(elapsedMs / 1000).toFixed(2)}s`,
    rate: `${ratePerSecond.toFixed(2)}/s`,
    elapsedMs,
    ratePerSecond,
    // The last threads may still be on their way out when a shutdown is over.
    workers: over ? 0 : figures.workers,
    hosts: over ? 0 : figures.hosts,
    queueLength: core.queued,
    running: figures.running,
    retried: figures.retried,
    rerun: figures.rerun,
    resultsHeld: table.held,
    resultsDropped: table.dropped,
    paused: intake.paused,
    memoryUsage: memoryUsage(),
  };
}
