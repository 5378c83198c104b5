/** Many calls that wait for one server of the same thread at once. */
import { fileURLToPath } from 'node:url';
import { tell } from '../lib/apart.mjs';
import { whole } from '../lib/report.mjs';
import { inRounds, printRates, rateOf } from './rounds.mjs';
import { BASELINE, OURS, startSide } from './sides.mjs';

const IN_FLIGHT = 20_000;
const TIMES = 10;
const CASES = [
  { name: OURS, args: [OURS], bar: 500_000 },
  { name: BASELINE, args: [BASELINE] },
];

export async function run() {
  const rates = await inRounds(fileURLToPath(import.meta.url), CASES);
  printRates({
    title: `${whole(IN_FLIGHT)} calls in flight on one server`,
    unit: 'calls',
    cases: CASES,
    rates,
  });
}

await tell(async (name) => {
  const { call } = await startSide(name);
  let count = 0;
  return rateOf(async () => {
    for (let time = 0; time < TIMES; time++) {
      const replies = await Promise.all(Array.from({ length: IN_FLIGHT }, () => call({ add: 1 })));
      for (const reply of replies) if (reply !== ++count) throw new Error('a wrong reply');
    }
    return TIMES * IN_FLIGHT;
  });
});
