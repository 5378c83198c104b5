/** A lease and its release where others hold 10,000 numbers of the same pool. */
import { measure } from '../lib/measure.mjs';
import { startSides } from './sides.mjs';

const HELD = 10_000;
const ROUND_MS = 400;
const BAR = 20;

export async function run() {
  const sides = Object.values(await startSides(['noizylab', 'original']));
  const clients = [];
  for (const side of sides) {
    const client = await side.client();
    await client.call('hold', HELD);
    clients.push(client);
  }
  for (const [loops, how] of [
    [1, 'one after another'],
    [50, 'with 50 in flight'],
  ]) {
    for (const client of clients) await client.call('prepare', 'lease', loops, HELD);
    await measure({
      title: `lease and release ${how}: 10,000 leases are held`,
      cases: sides.map(({ name }, index) => ({ name, run: () => clients[index].call('run', ROUND_MS) })),
      baseline: sides[1]?.name,
      bar: BAR,
      unit: 'pairs',
    });
  }
  for (const running of [...clients, ...sides]) await running.stop();
}
