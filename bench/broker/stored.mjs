/**
 * SET of a key that is new where many items are stored and where few are, one after another. Both brokers are there all the time, and take
 * turns. What is set is deleted again, outside the time that counts.
 */
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';
import { Side } from './sides.mjs';

const ROUNDS = 11;
const ROUND_MS = 300;
const FEW = 1_000;
const MANY = 1_000_000;
const MAX_ITEMS = 2_000_000;
/** Of the time with few items. */
const BAR = 1.2;

export async function run() {
  const sides = [];
  for (const count of [FEW, MANY]) {
    const side = await new Side('noizylab').start({ maxItems: MAX_ITEMS });
    const inside = await side.clientInside();
    await inside.call('fill', count);
    sides.push({ count, side, inside, outside: await side.client() });
  }
  await compare(
    'over the socket',
    sides.map(({ count, outside }) => [count, outside]),
  );
  await compare(
    "from the broker's own process",
    sides.map(({ count, inside }) => [count, inside]),
  );
  for (const { side, outside } of sides) {
    await outside.stop();
    await side.stop();
  }
}

async function compare(where, clients) {
  const rates = new Map(clients.map(([count]) => [count, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    const inTurn = round % 2 === 0 ? clients : clients.toReversed();
    for (const [count, client] of inTurn) {
      const rate = await client.call('setNew', ROUND_MS);
      if (round > 0) rates.get(count).push(rate);
    }
  }
  const few = median(rates.get(FEW));
  const many = median(rates.get(MANY));
  const times = few / many;
  printTable(
    `SET of a new key ${where}`,
    ['stored', `requests/s, median of ${ROUNDS}`, 'time of a request'],
    [
      [whole(MANY), whole(many), `${times.toFixed(2)}x, ${verdict(times <= BAR, `${BAR}x`)}`],
      [whole(FEW), whole(few), '1x'],
    ],
  );
}
