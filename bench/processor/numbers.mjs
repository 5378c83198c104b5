/**
 * `sum` and `histogram` of 100,000,000 doubles, which are 800 MB and fit into no cache, against loops in JavaScript; and what the memory
 * gives to a reader that does nothing else.
 */
import { availableParallelism } from 'node:os';
import { TrillionProcessor } from '../../index.js';
import { loadAsyncFn } from '../lib/async-fn.mjs';
import { measure } from '../lib/measure.mjs';

const LENGTH = 100_000_000;
const MEGABYTES = (LENGTH * 8) / 1e6;
const ROUNDS = 5;
const CORES = availableParallelism();
const BINS = 100;
const HISTOGRAM = { bins: BINS, min: 0, max: 1000 };

export async function run() {
  const values = new Float64Array(LENGTH);
  const next = pseudoRandom();
  for (let i = 0; i < LENGTH; i++) values[i] = next();
  const processor = new TrillionProcessor();
  await processor.initialize();

  const total = sum(values);
  const checkSum = (result) => {
    if (Math.abs(result - total) > total * 1e-9) throw new Error(`sum ${result} instead of ${total}`);
    return MEGABYTES;
  };
  await measure({
    title: 'sum of 100,000,000 doubles',
    rounds: ROUNDS,
    baseline: 'a JavaScript loop',
    bar: 2,
    unit: 'MB',
    cases: [
      { name: 'sum', run: async () => checkSum(await processor.run({ operation: 'sum', data: values })) },
      { name: 'a JavaScript loop', run: () => checkSum(sum(values)) },
      { name: 'a JavaScript loop with four sums', run: () => checkSum(sumInFour(values)) },
      ...memory(values),
    ],
  });

  const counts = histogram(values);
  const checkCounts = (result) => {
    if (counts.some((count, bin) => result[bin] !== count)) throw new Error('a bin was counted wrong');
    return MEGABYTES;
  };
  const task = { operation: 'histogram', data: { values, ...HISTOGRAM } };
  await measure({
    title: `histogram of 100,000,000 doubles, ${BINS} bins, range given`,
    rounds: ROUNDS,
    baseline: 'a JavaScript loop',
    bar: 2,
    unit: 'MB',
    cases: [
      { name: 'histogram', run: async () => checkCounts((await processor.run(task)).counts) },
      { name: 'a JavaScript loop', run: () => checkCounts(histogram(values)) },
    ],
  });
  await processor.shutdown();
}

/** Readers of memory: by `memcmp` of the two halves in one thread, and by the threads of `bench/async-fn`. */
function memory(values) {
  const bytes = values.buffer.byteLength / 2;
  const halves = [0, bytes].map((offset) => Buffer.from(values.buffer, offset, bytes));
  const twin = Buffer.from(new ArrayBuffer(bytes));
  halves[0].copy(twin);
  const native = loadAsyncFn();
  return [
    {
      name: 'memory: compared with a copy, one thread',
      run: () => {
        if (halves[0].compare(twin) !== 0) throw new Error('the copy differs');
        return MEGABYTES;
      },
    },
    native && {
      name: `memory: read by ${CORES} native threads`,
      run: () => {
        if (!Number.isFinite(native.readMemory(values, CORES))) throw new Error('nothing was read');
        return MEGABYTES;
      },
    },
  ];
}

function sum(values) {
  let all = 0;
  for (let i = 0; i < values.length; i++) all += values[i];
  return all;
}

/** A processor need not wait for one addition before it begins the next. */
function sumInFour(values) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < values.length; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  return a + b + c + d;
}

function histogram(values) {
  const { bins, min, max } = HISTOGRAM;
  const counts = new Uint32Array(bins);
  const scale = bins / (max - min);
  for (let i = 0; i < values.length; i++) counts[((values[i] - min) * scale) | 0]++;
  return counts;
}

/** Whole numbers from 0 to 999: the edges of bins are then exact however they are computed. A 32-bit xorshift (G. Marsaglia, 2003). */
function pseudoRandom() {
  let state = 2463534242;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % 1000;
  };
}
