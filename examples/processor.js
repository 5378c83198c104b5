'use strict';

// Statistics of a folder: how its files are spread by size, how much they would compress, and which words its JavaScript
// uses most.
//
//   node examples/processor.js [DIR]        default: the packages that this project has installed
//
// Three ways to use one processor: tasks for a native operation, whose results come as they are ready; a function of our
// own that moves to the worker threads; and native operations on numbers, read where they are in memory.

const { readdir } = require('node:fs/promises');
const { join } = require('node:path');
const { TrillionProcessor } = require('@noizylab/core');

/** So many tasks are added at once: what is held does not grow with the folder, but for a size a file and the words. */
const BLOCK = 2000;
const BINS = 10;
const BAR = 50;

/** Paths of files below a folder, in blocks. Links are not followed. */
async function* blocksOfFiles(folder) {
  let block = [];
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) block.push(path);
      if (block.length === BLOCK) {
        yield block;
        block = [];
      }
    }
  }
  yield block;
}

/** Runs in a worker thread, so it uses nothing but its argument and what every worker has: the words of a file, counted. */
function wordsOf(path) {
  const counts = new Map();
  for (const [word] of require('node:fs')
    .readFileSync(path, 'utf8')
    .matchAll(/[A-Za-z_$][\w$]{2,}/g)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  // A Map arrives as a Map. Only the most frequent words of a file travel.
  return new Map([...counts].toSorted((a, b) => b[1] - a[1]).slice(0, 100));
}

async function measure(processor, folder) {
  const sizes = [];
  const words = new Map();
  let gzipBytes = 0;
  let unreadable = 0;
  for await (const paths of blocksOfFiles(folder)) {
    const scripts = [];
    const ids = await processor.addTasks(paths.map((path) => ({ operation: 'file-info', data: path })));
    for await (const { result, error } of processor.results(ids)) {
      if (error?.code === 'ERR_PROCESSOR_IO') unreadable++;
      else if (error) throw error;
      else {
        sizes.push(result.size);
        gzipBytes += result.gzipSize;
        if (/\.[cm]?js$/.test(result.path)) scripts.push(result.path);
      }
    }
    for (const ofFile of await processor.parallelMap(scripts, wordsOf, { thread: true })) {
      for (const [word, count] of ofFile) words.set(word, (words.get(word) ?? 0) + count);
    }
  }
  return { sizes: Float64Array.from(sizes), gzipBytes, unreadable, words };
}

async function report(processor, { sizes, gzipBytes, unreadable, words }) {
  console.log(`${sizes.length} files, ${unreadable} unreadable`);
  if (sizes.length === 0) return;
  const run = (operation, data) => processor.run({ operation, data });
  const [total, largest, [median, upper]] = await Promise.all([
    run('sum', sizes),
    run('max', sizes),
    run('quantiles', { values: sizes, q: [0.5, 0.95] }),
  ]);
  console.log(`${total} bytes, ${gzipBytes} as gzip`);
  console.log(`median ${median}, 95 % up to ${Math.round(upper)}, largest ${largest} bytes`);

  const bounds = { min: 0, max: Math.max(1, upper) };
  const { counts, width, above } = await run('histogram', { values: sizes, bins: BINS, ...bounds });
  const most = Math.max(...counts);
  for (const [bin, count] of counts.entries()) {
    const bar = '#'.repeat(Math.round((count / most) * BAR));
    console.log(`${String(Math.round(bin * width)).padStart(9)} ${bar} ${count}`);
  }
  console.log(`${String(Math.round(upper)).padStart(9)} and above: ${above}`);

  const frequent = [...words].toSorted((a, b) => b[1] - a[1]).slice(0, 10);
  console.log(frequent.map(([word, count]) => `${word} ${count}`).join(', '));
}

async function main(folder = join(__dirname, '..', 'node_modules')) {
  const processor = new TrillionProcessor();
  // The first Ctrl+C stops what runs: whoever waits for it gets an error with a code.
  process.once('SIGINT', () => void processor.shutdown({ force: true }));
  try {
    await report(processor, await measure(processor, folder));
    const { elapsed, rate, retried, rerun } = processor.getStats();
    console.log(`${elapsed}, ${rate}, ${retried} tried again, ${rerun} run again`);
  } catch (error) {
    console.error(error.code === 'ERR_PROCESSOR_SHUT_DOWN' ? 'interrupted' : error.message);
    process.exitCode = 1;
  } finally {
    await processor.shutdown();
  }
}

void main(process.argv[2]);
