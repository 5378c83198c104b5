/** A promise per operation over the bridge, 10,000 at once, against the promise of an `async fn` as napi makes it. */
import { TrillionProcessor } from '../index.js';
import { loadAsyncFn } from './lib/async-fn.mjs';
import { machine, measure } from './lib/measure.mjs';
import { watchOtherLoad } from './lib/other-load.mjs';

const IN_FLIGHT = 10_000;
const REPEATS = 10;

console.log(machine());
const processor = new TrillionProcessor();
await processor.initialize();
const native = loadAsyncFn();
const tellOfOthers = watchOtherLoad();

const results = await measure({
  title: `Round trips with a promise each, ${IN_FLIGHT} in flight`,
  rounds: 15,
  baseline: 'napi async fn',
  bar: 10,
  unit: 'promises',
  cases: [
    {
      name: 'processor.run of echo',
      run: () => flights((value) => processor.run({ operation: 'echo', data: value })),
    },
    native && { name: 'napi async fn', run: () => flights((value) => native.echo(value)) },
  ],
});
for (const { name, median } of results) console.log(`${name}: ${Math.round(1e9 / median)} ns a promise`);
await processor.shutdown();
tellOfOthers();

/** Calls `call` 10,000 times, waits for all, and again; every result is looked at. */
async function flights(call) {
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const values = await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => call(index)));
    if (values.some((value, index) => value !== index)) throw new Error('a case gave wrong results');
  }
  return IN_FLIGHT * REPEATS;
}
