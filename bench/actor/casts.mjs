/**
 * Casts that one server is flooded with in one turn of the event loop, until it has handled all, while an interval of a millisecond runs: how many casts a
 * second, how often the interval fired meanwhile, and how long it was kept waiting at most once the flood was sent.
 */
import { fileURLToPath } from 'node:url';
import { tell } from '../lib/apart.mjs';
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import { inRounds, rateOf } from './rounds.mjs';
import { BASELINE, OURS, startSide } from './sides.mjs';

const CASTS = 400_000;
const BAR = 2_000_000;
const CASES = [
  { name: OURS, args: [OURS] },
  { name: BASELINE, args: [BASELINE] },
];

export async function run() {
  const figures = await inRounds(fileURLToPath(import.meta.url), CASES);
  const rows = CASES.map(({ name }, index) => {
    const rate = median(figures[index].map((figure) => figure.rate));
    const fewest = Math.min(...figures[index].map((figure) => figure.fewest));
    const verdicts = [verdict(rate >= BAR, `${whole(BAR)} /s`), verdict(fewest > 0, '1 firing')];
    return [
      name,
      whole(rate),
      whole(fewest),
      Math.max(...figures[index].map((figure) => figure.longest)).toFixed(0),
      index === 0 ? verdicts.join('; ') : '',
    ];
  });
  printTable(
    `${whole(CASTS)} casts to one server, then drained`,
    [
      'case',
      `casts/s, median of ${figures[0].length} processes`,
      'the interval fired, fewest of all runs',
      'kept waiting at most, ms',
      'verdict',
    ],
    rows,
  );
}

await tell(async (name) => {
  const { call, cast } = await startSide(name);
  let count = 0;
  let fewest = Infinity;
  let longest = 0;
  const rate = await rateOf(async () => {
    for (let index = 0; index < CASTS; index++) cast({ add: 1 });
    let fired = 0;
    let last = performance.now();
    const look = () => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    };
    const interval = setInterval(() => {
      fired += 1;
      look();
    }, 1);
    count += CASTS;
    if ((await call({ add: 0 })) !== count) throw new Error('a cast was lost');
    look();
    clearInterval(interval);
    fewest = Math.min(fewest, fired);
    return CASTS;
  });
  return { rate, fewest, longest };
});
