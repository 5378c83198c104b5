/**
 * Calls to a server on a thread of its own against round trips over a MessagePort to a worker: the same messages and replies, one after another and by
 * many loops at once. Over the port the replies are told apart by their order alone.
 */
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import { GenServer } from '../../dist/actor/index.js';
import { tell } from '../lib/apart.mjs';
import { whole } from '../lib/report.mjs';
import { inRounds, printRates, rateOf } from './rounds.mjs';

const OURS = 'GenServer on a thread of its own';
const PORT = 'MessagePort to a worker';
/** Calls in flight, calls of a run, and the ratio to the port that is asked for. */
const MODES = [
  { title: 'one after another', loops: 1, calls: 5_000, bar: 1 },
  { title: 'in flight', loops: 1_000, calls: 200_000, bar: 5 },
];

export async function run() {
  for (const { title, loops, calls, bar } of MODES) {
    const args = [`${loops}`, `${calls}`];
    const cases = [
      { name: OURS, args: [OURS, ...args], against: { name: PORT, bar } },
      { name: PORT, args: [PORT, ...args] },
    ];
    const rates = await inRounds(fileURLToPath(import.meta.url), cases);
    const many = loops > 1 ? `${whole(loops)} ` : '';
    printRates({ title: `Calls to another thread, ${many}${title}`, unit: 'calls', cases, rates });
  }
}

await tell(async (name, loops, calls) => {
  const { call, stop } = await (name === OURS ? startServer() : startWorker());
  const callsOfEach = Number(calls) / Number(loops);
  let count = 0;
  let sum = 0;
  const loop = async () => {
    for (let index = 0; index < callsOfEach; index++) {
      const reply = await call({ add: 1 });
      sum += reply;
    }
  };
  const rate = await rateOf(async () => {
    await Promise.all(Array.from({ length: Number(loops) }, loop));
    count += Number(calls);
    if (sum !== (count * (count + 1)) / 2) throw new Error('a wrong reply');
    return Number(calls);
  });
  await stop();
  return rate;
});

async function startServer() {
  const ref = await GenServer.start({ module: new URL('counter.mjs', import.meta.url) }, { thread: true });
  return { call: (message) => GenServer.call(ref, message), stop: () => GenServer.stop(ref) };
}

function startWorker() {
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(new URL('port-worker.mjs', import.meta.url), {
    workerData: { port: port2 },
    transferList: [port2],
  });
  let waiting = [];
  let answered = 0;
  port.on('message', (reply) => {
    waiting[answered++](reply);
    if (answered === waiting.length) {
      waiting = [];
      answered = 0;
    }
  });
  const call = (message) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port.postMessage(message);
    });
  const stop = async () => {
    port.close();
    await worker.terminate();
  };
  return { call, stop };
}
