/**
 * How long a supervisor takes to restart a server: from the cast that makes it fail, which for one on another thread has to get there first, to the
 * `restarted` event, and to the first reply of the new server.
 */
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GenServer, Supervisor } from '../../dist/actor/index.js';
import { tell } from '../lib/apart.mjs';
import { median } from '../lib/measure.mjs';
import { printTable, verdict } from '../lib/report.mjs';
import faulty from './faulty.mjs';
import { inRounds } from './rounds.mjs';

const ROUNDS = 3;
/** Between two faults: a new worker is ready long before. */
const PAUSE_MS = 150;
const HERE = { repeats: 200, pause: 0, bar: 2 };
const THERE = { repeats: 10, pause: PAUSE_MS, bar: 5 };
const CASES = [
  { name: 'same thread, a handler throws', args: ['here', 'throw'], ...HERE },
  { name: 'other thread, a handler throws', args: ['there', 'throw'], ...THERE },
  { name: 'other thread, the thread ends', args: ['there', 'exit'], ...THERE },
];

export async function run() {
  const figures = await inRounds(fileURLToPath(import.meta.url), CASES, ROUNDS);
  const rows = CASES.map(({ name, repeats, bar }, index) => {
    const restarted = figures[index].flatMap((figure) => figure.restarted);
    const answered = figures[index].flatMap((figure) => figure.answered);
    return [
      name,
      `${repeats * ROUNDS}`,
      `${millis(median(restarted))}, ${verdict(median(restarted) < bar, `${bar} ms`)}`,
      millis(Math.max(...restarted)),
      `${millis(median(answered))}, ${verdict(median(answered) < bar, `${bar} ms`)}`,
      millis(Math.max(...answered)),
    ];
  });
  printTable(
    'Restart by a supervisor, with a worker ready for a server on another thread',
    ['case', 'faults', 'restarted, median ms', 'longest', 'first reply, median ms', 'longest'],
    rows,
  );
}

await tell(async (where, fault) => {
  process.channel.ref(); // neither a server nor the wait for an event keeps a process alive
  const { repeats, pause } = where === 'here' ? HERE : THERE;
  const start =
    where === 'here'
      ? () => GenServer.start(faulty, { onError: 'crash' })
      : () =>
          GenServer.start(
            { module: new URL('faulty.mjs', import.meta.url) },
            { thread: true, onError: 'crash' },
          );
  const supervisor = await Supervisor.start({
    restartIntensity: { maxRestarts: Infinity },
    children: [{ id: 'faulty', start }],
  });
  const restarted = [];
  const answered = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    await setTimeout(pause);
    const before = Supervisor.getChild(supervisor, 'faulty').ref;
    const again = nextRestart();
    const since = performance.now();
    GenServer.cast(before, fault);
    restarted.push((await again) - since);
    const { ref } = Supervisor.getChild(supervisor, 'faulty');
    if (ref.id === before.id) throw new Error('it was not restarted');
    if ((await GenServer.call(ref, 'state')) !== 'ready') throw new Error('a wrong reply');
    answered.push(performance.now() - since);
  }
  if (Supervisor.getChild(supervisor, 'faulty').restartCount !== repeats) {
    throw new Error('it was restarted more often than it failed');
  }
  await Supervisor.stop(supervisor);
  return { restarted, answered };
});

/** When the next `restarted` event comes. */
function nextRestart() {
  return new Promise((resolve) => {
    const forget = Supervisor.onLifecycleEvent(({ type }) => {
      if (type !== 'restarted') return;
      forget();
      resolve(performance.now());
    });
  });
}

function millis(value) {
  return value.toFixed(3);
}
