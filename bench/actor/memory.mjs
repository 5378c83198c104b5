/** How many bytes an idle server takes: of V8's heap after a collection, and of resident memory that is not V8's heap. */
import { fileURLToPath } from 'node:url';
import { GenServer } from '../../dist/actor/index.js';
import { tell } from '../lib/apart.mjs';
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import counter from './counter.mjs';
import { inRounds } from './rounds.mjs';

const SERVERS = 100_000;
/** What is there but once, and for garbage, is there after so many. */
const WARM_SERVERS = 1_000;
const BAR = 1_024;
const ROUNDS = 3;

export async function run() {
  const [figures] = await inRounds(fileURLToPath(import.meta.url), [{ args: [] }], ROUNDS);
  const heap = median(figures.map((figure) => figure.heap));
  const native = median(figures.map((figure) => figure.native));
  const all = median(figures.map((figure) => figure.heap + figure.native));
  printTable(
    `Memory of ${whole(SERVERS)} idle servers, bytes a server, median of ${ROUNDS} processes`,
    ['case', 'heap', 'native', 'together', 'verdict'],
    [['GenServer', whole(heap), whole(native), whole(all), verdict(all < BAR, whole(BAR))]],
  );
}

await tell(async () => {
  const refs = Array.from({ length: SERVERS });
  await start(refs, WARM_SERVERS);
  for (let index = 0; index < WARM_SERVERS; index++) await GenServer.stop(refs[index]);
  refs.fill(undefined);
  const before = take();
  await start(refs, SERVERS);
  const after = take();
  for (const ref of refs) if ((await GenServer.call(ref, { add: 1 })) !== 1) throw new Error('a wrong reply');
  return {
    heap: (after.heap - before.heap) / SERVERS,
    native: (after.native - before.native) / SERVERS,
  };
});

async function start(refs, count) {
  for (let index = 0; index < count; index++) refs[index] = await GenServer.start(counter);
}

function take() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  return { heap: heapUsed, native: rss - heapTotal };
}
