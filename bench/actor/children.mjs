/**
 * A supervisor that starts many children and stops them: all with itself, or by a `startChild` for each. The time of each child is compared between few children
 * and many.
 */
import { fileURLToPath } from 'node:url';
import { GenServer, Supervisor } from '../../dist/actor/index.js';
import { tell } from '../lib/apart.mjs';
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import { inRounds } from './rounds.mjs';

const FEW = 1_000;
const MANY = 10_000;
/** Of a run that starts and stops the many. */
const BAR_MS = 1_000;
/** Of the time of each child with few. */
const LINEAR = 1.5;
const WARM_RUNS = 3;
const RUNS = 5;
const WAYS = { 'with the supervisor': startTogether, 'by startChild': startOneByOne };

export async function run() {
  const cases = Object.keys(WAYS).flatMap((way) =>
    [MANY, FEW].map((count) => ({ way, count, args: [way, `${count}`] })),
  );
  const figures = await inRounds(fileURLToPath(import.meta.url), cases);
  const middle = (way, count, of) =>
    median(figures[cases.findIndex((one) => one.way === way && one.count === count)].map(of));
  const rows = cases.map(({ way, count }) => {
    const total = middle(way, count, ({ started, stopped }) => started + stopped);
    const verdicts = [];
    if (count === MANY) {
      const ratio = total / MANY / (middle(way, FEW, ({ started, stopped }) => started + stopped) / FEW);
      verdicts.push(verdict(total < BAR_MS, `${whole(BAR_MS)} ms`));
      verdicts.push(`${ratio.toFixed(2)}x a child, ${verdict(ratio <= LINEAR, `${LINEAR}x`)}`);
    }
    return [
      `${whole(count)} ${way}`,
      middle(way, count, ({ started }) => started).toFixed(1),
      middle(way, count, ({ stopped }) => stopped).toFixed(1),
      ((total / count) * 1_000).toFixed(1),
      verdicts.join('; '),
    ];
  });
  printTable(
    'Start and stop of supervised children',
    [
      'children',
      `started, ms, median of ${figures[0].length} processes`,
      'stopped, ms',
      'us a child',
      'verdict',
    ],
    rows,
  );
}

await tell(async (way, children) => {
  const count = Number(children);
  const started = [];
  const stopped = [];
  for (let index = 0; index < WARM_RUNS + RUNS; index++) {
    const ends = { count: 0 };
    const specs = Array.from({ length: count }, (_, id) => ({
      id: `child ${id}`,
      start: () => GenServer.start(childOf(ends)),
    }));
    globalThis.gc();
    const start = performance.now();
    const supervisor = await WAYS[way](specs);
    const between = performance.now();
    const refs = Supervisor.getChildren(supervisor).map(({ ref }) => ref);
    if (refs.length !== count || !refs.every(GenServer.isRunning)) throw new Error('not all have started');
    const stopping = performance.now();
    await Supervisor.stop(supervisor);
    const end = performance.now();
    if (ends.count !== count || refs.some(GenServer.isRunning)) throw new Error('not all have stopped');
    if (index < WARM_RUNS) continue;
    started.push(between - start);
    stopped.push(end - stopping);
  }
  return { started: median(started), stopped: median(stopped) };
});

function startTogether(children) {
  return Supervisor.start({ children });
}

async function startOneByOne(specs) {
  const supervisor = await Supervisor.start();
  for (const spec of specs) await Supervisor.startChild(supervisor, spec);
  return supervisor;
}

function childOf(ends) {
  return {
    init: () => 0,
    handleCall: (_message, state) => [state, state],
    handleCast: (_message, state) => state,
    terminate() {
      ends.count += 1;
    },
  };
}
