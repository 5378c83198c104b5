/** Calls to a server of the same thread, one after another. */
import { fileURLToPath } from 'node:url';
import { tell } from '../lib/apart.mjs';
import { inRounds, printRates, rateOf } from './rounds.mjs';
import { BASELINE, OURS, startSide } from './sides.mjs';

const CALLS = 300_000;
const CASES = [
  { name: OURS, args: [OURS], bar: 1_000_000, against: { name: BASELINE, bar: 1 } },
  { name: BASELINE, args: [BASELINE] },
];

export async function run() {
  const rates = await inRounds(fileURLToPath(import.meta.url), CASES);
  printRates({ title: 'Calls one after another, same thread', unit: 'calls', cases: CASES, rates });
}

await tell(async (name) => {
  const { call } = await startSide(name);
  let count = 0;
  return rateOf(async () => {
    for (let index = 0; index < CALLS; index++) {
      count += 1;
      if ((await call({ add: 1 })) !== count) throw new Error('a wrong reply');
    }
    return CALLS;
  });
});
