/**
 * What the parts of the bench call in other processes, and in a worker thread of one: a server, a client, or both. It ends with the
 * process that has started it.
 */
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { keyOf, lengthOf, valueOf } from './data.mjs';
import { Latencies, now } from './latencies.mjs';
import { LIBRARIES } from './libraries.mjs';
import { Remote, answerCalls } from './remote.mjs';
import { WORKLOADS, repeat } from './requests.mjs';

/** Items that are stored in one go. */
const BATCH = 1_000;
/** New keys that are set before they are deleted again. */
const NEW_KEYS = 100;

let server;
let client;
let run;
let latencies;
let thread;

answerCalls(
  {
    /** Starts a server and returns the path of its socket. */
    async start(library, options) {
      server = await LIBRARIES[library].start(options);
      return server.path;
    },
    memory: () => server.memory(),
    stop,

    /** Keeps this thread busy, and returns the times from when to when. */
    block(ms) {
      const from = now();
      while (now() < from + ms);
      return { from, to: now() };
    },

    async connect(library, path) {
      client = await LIBRARIES[library].connect(path);
    },
    fill,

    /** Takes the first numbers of a pool. */
    async hold(count) {
      const numbers = new Set();
      for (let i = 0; i < count; i++) numbers.add(await client.lease('pool', `holder ${i}`));
      if (numbers.size !== count || Math.max(...numbers) !== count - 1) throw new Error('wrong leases');
    },

    /** Makes ready what `run` or `latencies` measures. */
    async prepare(workload, loops, ...args) {
      run = repeat(await WORKLOADS[workload](client, loops, ...args), loops);
    },
    async prepareLatencies(workload, loops) {
      latencies = new Latencies();
      run = repeat(latencies.record(await WORKLOADS[workload](client, loops)), loops);
    },
    run: (ms) => run(ms),
    latencies: (from, to) => latencies.between(from, to),
    setNew,

    /** Calls the same functions in a worker thread of this process. */
    async inThread(command, ...args) {
      thread ??= startThread();
      return await thread.call(command, ...args);
    },
  },
  isMainThread ? process : parentPort,
  (message) => (isMainThread ? process.send(message) : parentPort.postMessage(message)),
);
if (isMainThread) process.on('disconnect', () => void stop().then(() => process.exit()));

/** Seconds of processor time of programs that the server has started. */
async function stop() {
  const stopping = server;
  server = undefined;
  return (await stopping?.stop()) ?? 0;
}

/** Stores items, and looks whether all of them are there. Returns the bytes of their keys and values. */
async function fill(count) {
  let bytes = 0;
  for (let first = 0; first < count; first += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) =>
      itemOf(first + index),
    );
    for (const [key, value] of entries) bytes += key.length + value.length;
    await client.setMany(entries);
  }
  if ((await client.size()) !== count) throw new Error('items were lost');
  const [key, value] = itemOf(count >> 1);
  if ((await client.get(key)) !== value) throw new Error('an item has a wrong value');
  return bytes;
}

function itemOf(index) {
  return [keyOf(index), valueOf(index, lengthOf(index))];
}

/** SETs of new keys a second. They are deleted again, which is not counted, so that as many items stay stored. */
async function setNew(ms) {
  let sets = 0;
  let spent = 0;
  while (spent < ms) {
    const items = Array.from({ length: NEW_KEYS }, (_, index) => [`new ${sets + index}`, valueOf(index)]);
    const start = performance.now();
    for (const [key, value] of items) {
      if ((await client.set(key, value)) !== client.done) throw new Error('a key was not set');
    }
    spent += performance.now() - start;
    sets += NEW_KEYS;
    await Promise.all(items.map(([key]) => client.del(key)));
  }
  return (sets / spent) * 1000;
}

function startThread() {
  const worker = new Worker(fileURLToPath(import.meta.url));
  return new Remote(worker, (message) => worker.postMessage(message));
}
