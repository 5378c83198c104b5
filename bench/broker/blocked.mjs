/**
 * How long GETs take while the JavaScript thread that has started the broker is busy for a second. 50 are in flight; the client, in
 * another process, takes the time of each.
 */
import { setTimeout } from 'node:timers/promises';
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import { startSides } from './sides.mjs';

const REPEATS = 5;
const BLOCK_MS = 1_000;
/** The client runs for so long in all. */
const CLIENT_MS = 1_500;
/** So much of it has passed when the thread is blocked. */
const LEAD_MS = 250;
const LOOPS = 50;
const BAR_MS = 2;

export async function run() {
  const sides = Object.values(await startSides(['noizylab', 'original']));
  const clients = [];
  for (const side of sides) {
    const client = await side.client();
    await client.call('prepareLatencies', 'get', LOOPS);
    await client.call('run', CLIENT_MS);
    clients.push(client);
  }
  const figures = sides.map(() => []);
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const [index, side] of sides.entries()) figures[index].push(await block(side, clients[index]));
  }
  const rows = figures.map((repeats, index) => {
    const p99 = repeats.map((figure) => figure.p99);
    const judged = index === 0 ? `, ${verdict(median(p99) < BAR_MS, `${BAR_MS} ms`)}` : '';
    return [
      sides[index].name,
      whole(median(repeats.map(({ count }) => count))),
      millis(median(repeats.map(({ p50 }) => p50))),
      `${millis(median(p99))}${judged}`,
      millis(Math.max(...p99)),
      millis(Math.max(...repeats.map(({ max }) => max))),
    ];
  });
  printTable(
    `GET with ${LOOPS} in flight while the broker's JavaScript thread is blocked for ${BLOCK_MS} ms, ${REPEATS} times`,
    ['case', 'requests meanwhile', 'p50 ms', 'p99 ms, median', 'p99 ms, worst', 'longest ms'],
    rows,
  );
  for (const running of [...clients, ...sides]) await running.stop();
}

/** Percentiles of the requests that were in flight while the server's thread was blocked. */
async function block(side, client) {
  const running = client.call('run', CLIENT_MS);
  await setTimeout(LEAD_MS);
  const { from, to } = await side.server.call('block', BLOCK_MS);
  await running;
  return await client.call('latencies', from, to);
}

function millis(value) {
  return value.toFixed(value < 10 ? 3 : 0);
}
