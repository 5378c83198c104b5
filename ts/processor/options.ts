/** The options of a processor, read and checked. */
import { availableParallelism } from 'node:os';
import { OptionReader } from '../options';
import type { ProcessorOptions } from './types';

/** Reads options of this system. */
export const read = new OptionReader('PROCESSOR');

/** A processor's options with every default filled in. */
export type ProcessorConfig = Required<{
  [K in keyof ProcessorOptions]: Exclude<ProcessorOptions[K], undefined>;
}>;

const MOST_WORKERS = 4096;
const INT32 = 2 ** 31;

/** The defaults; `maxWorkers` is that of this machine. */
export const TRILLION_CONFIG: Readonly<ProcessorConfig> = Object.freeze({
  maxWorkers: availableParallelism(),
  minWorkers: 1,
  taskQueueSize: 1_000_000,
  overflow: 'wait',
  batchSize: 10_000,
  memoryThreshold: 0.9,
  autoScale: true,
  idleTimeout: 10_000,
  resultLimit: 1_000_000,
  resultBytes: 64 * 1024 * 1024,
  workerOptions: Object.freeze({}),
});

/** @throws TypeError `ERR_PROCESSOR_INVALID_TYPE`, RangeError `ERR_PROCESSOR_OUT_OF_RANGE` */
export function readConfig(given: ProcessorOptions | undefined): ProcessorConfig {
  const options = read.object('options', given);
  const d = TRILLION_CONFIG;
  const maxWorkers = read.integer('maxWorkers', options.maxWorkers, d.maxWorkers, {
    min: 1,
    max: MOST_WORKERS,
  });
  return {
    maxWorkers,
    minWorkers: read.integer('minWorkers', options.minWorkers, Math.min(d.minWorkers, maxWorkers), {
      min: 0,
      max: maxWorkers,
    }),
    taskQueueSize: read.integer('taskQueueSize', options.taskQueueSize, d.taskQueueSize, {
      min: 1,
      max: 2 ** 32 - 1,
    }),
    overflow: read.oneOf('overflow', options.overflow, d.overflow, ['wait', 'reject']),
    batchSize: read.integer('batchSize', options.batchSize, d.batchSize, { min: 1, orInfinity: true }),
    memoryThreshold: read.number('memoryThreshold', options.memoryThreshold, d.memoryThreshold, {
      min: 0,
      aboveMin: true,
      max: 1,
    }),
    autoScale: read.boolean('autoScale', options.autoScale, d.autoScale),
    idleTimeout: read.number('idleTimeout', options.idleTimeout, d.idleTimeout, { min: 1, orInfinity: true }),
    resultLimit: read.integer('resultLimit', options.resultLimit, d.resultLimit, { min: 0 }),
    resultBytes: read.integer('resultBytes', options.resultBytes, d.resultBytes, { min: 0 }),
    workerOptions: read.object('workerOptions', options.workerOptions),
  };
}

/** How one task is to be run, checked. */
export interface TaskManner {
  priority: number;
  retries: number;
}

const ORDINARY: TaskManner = Object.freeze({ priority: 0, retries: 0 });

/** Reads `priority` and `retries`. */
export function readManner(given: {
  priority?: number | undefined;
  retries?: number | undefined;
}): TaskManner {
  if (given.priority === undefined && given.retries === undefined) return ORDINARY;
  return {
    priority: read.integer('priority', given.priority, 0, { min: -INT32, max: INT32 - 1 }),
    retries: read.integer('retries', given.retries, 0, { min: 0, max: 2 ** 32 - 1 }),
  };
}

/** Reads a timeout of `run`; none for `undefined` and `Infinity`. */
export function readTimeout(given: number | undefined): number | undefined {
  if (given === undefined) return undefined;
  const timeout = read.number('timeout', given, 0, { min: 0, aboveMin: true, orInfinity: true });
  return timeout === Infinity ? undefined : timeout;
}
