/**
 * Ten million tasks streamed through `addTasks`: how much the process grows from the start to its largest sample. Each stream runs in a
 * process of its own. The growth after the first fifth (by then V8's heap has found its size) is printed too.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TrillionProcessor } from '../index.js';
import { machine } from './lib/measure.mjs';

const BATCH = 10_000;
const BAR_MB = 100;
const SAMPLES = 20;
const STREAMS = {
  'native operation (echo)': { operation: 'echo', tasks: 10_000_000 },
  "user's operation": { operation: 'increment', tasks: 1_000_000 },
};

if (process.argv[2] === 'stream') {
  await stream(STREAMS[process.argv[3]]);
} else {
  console.log(machine());
  for (const name of Object.keys(STREAMS)) await observe(name);
}

/** Runs a stream in a process of its own and prints its samples. */
async function observe(name) {
  const { tasks } = STREAMS[name];
  const child = fork(fileURLToPath(import.meta.url), ['stream', name]);
  const samples = [];
  child.on('message', (sample) => samples.push(sample));
  await new Promise((resolve, reject) => {
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the stream ended with ${code}`))));
  });
  const warm = samples.findIndex(({ done }) => done >= tasks / 5);
  const base = samples[warm].rss;
  const growth = Math.max(...samples.slice(warm).map(({ rss }) => rss)) - base;
  const peak = Math.max(...samples.map(({ rss }) => rss)) - samples[0].rss;
  const { seconds } = samples.at(-1);
  console.log(`\n### ${tasks} tasks streamed, ${name}\n`);
  console.log('| tasks done | RSS in MB |\n| ---: | ---: |');
  for (const { done, rss } of samples) console.log(`| ${done} | ${megabytes(rss)} |`);
  console.log(
    `\nGrowth from the start to the peak: ${megabytes(peak)} MB, bar ${BAR_MB} MB: ${peak < BAR_MB * 1e6 ? 'reached' : 'missed'}; ` +
      `after the first fifth: ${megabytes(growth)} MB; ${Math.round(tasks / seconds).toLocaleString('en-US')} tasks/s.`,
  );
}

/** Streams the tasks, takes their results by event, and tells of memory on the way. */
async function stream({ operation, tasks }) {
  const processor = new TrillionProcessor();
  processor.define('increment', (value) => value + 1);
  const offset = operation === 'increment' ? 1 : 0;
  let done = 0;
  let sum = 0;
  const start = performance.now();
  const sample = () =>
    process.send({ done, rss: process.memoryUsage.rss(), seconds: (performance.now() - start) / 1000 });
  sample();
  const all = new Promise((resolve, reject) => {
    processor.on('taskComplete', ({ result }) => {
      sum += result - offset;
      if (++done % (tasks / SAMPLES) === 0) sample();
      if (done === tasks) resolve();
    });
    processor.on('taskError', ({ error }) => reject(error));
  });
  for (let first = 0; first < tasks; first += BATCH) {
    await processor.addTasks(
      Array.from({ length: BATCH }, (_, index) => ({ operation, data: first + index })),
    );
  }
  await all;
  if (sum !== (tasks * (tasks - 1)) / 2) throw new Error('the results are wrong');
  await processor.shutdown();
  process.disconnect();
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
