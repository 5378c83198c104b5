/**
 * GETs, one after another, by a client in the broker's own process: in the thread that has started it, and in a worker thread. Each round
 * has a new process: two of them may differ by more than the rounds of one, and the lowest and highest are printed too.
 */
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import { Side } from './sides.mjs';

const ROUNDS = 9;
const ROUND_MS = 400;
const BAR = 1_000_000;
const CASES = [
  { name: 'a string of 100 bytes, main thread', workload: 'get', inThread: false },
  { name: 'a string of 100 bytes, worker thread', workload: 'get', inThread: true },
  { name: 'a small object, main thread', workload: 'getObject', inThread: false },
  { name: 'a small object, worker thread', workload: 'getObject', inThread: true },
];

export async function run() {
  const rates = CASES.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < CASES.length; turn++) {
      const index = (round + turn) % CASES.length;
      rates[index].push(await rateOf(CASES[index]));
    }
  }
  printTable(
    "GET from the broker's own process",
    ['case', `requests/s, median of ${ROUNDS} processes`, 'lowest', 'highest', 'verdict'],
    CASES.map(({ name }, index) => {
      const all = rates[index];
      const judged = verdict(median(all) >= BAR, `${whole(BAR)} /s`);
      return [name, whole(median(all)), whole(Math.min(...all)), whole(Math.max(...all)), judged];
    }),
  );
}

/** Requests a second in a new process, after a run that does not count. */
async function rateOf({ workload, inThread }) {
  const side = await new Side('noizylab').start();
  const process = inThread ? await side.clientInThread() : await side.clientInside();
  const call = (...args) => (inThread ? process.call('inThread', ...args) : process.call(...args));
  await call('prepare', workload, 1);
  await call('run', ROUND_MS);
  const start = performance.now();
  const requests = await call('run', ROUND_MS);
  const rate = (requests / (performance.now() - start)) * 1000;
  await side.stop();
  return rate;
}
