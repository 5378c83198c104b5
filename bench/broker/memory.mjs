/** What the server's process grows by for 1,000,000 items of 100 bytes, beyond their keys and values. A client fills it from outside. */
import { printTable, verdict, whole } from '../lib/report.mjs';
import { startSides } from './sides.mjs';

const ITEMS = 1_000_000;
const BAR = 150;
/** Items before the first sample: what a connection and the first requests take is there by then. */
const EARLY = 1_000;
const UNLIMITED = { maxItems: 0 };

export async function run() {
  const rows = [];
  for (const side of Object.values(await startSides(['noizylab', 'original', 'redis'], UNLIMITED))) {
    const client = await side.client();
    const early = await client.call('fill', EARLY);
    const before = await side.server.call('memory');
    const all = await client.call('fill', ITEMS);
    const after = await side.server.call('memory');
    const each = (after - before) / (ITEMS - EARLY);
    const beyond = each - (all - early) / (ITEMS - EARLY);
    const judged = rows.length === 0 ? `, ${verdict(beyond < BAR, BAR)}` : '';
    rows.push([side.name, whole(each), `${whole(beyond)}${judged}`]);
    await client.stop();
    await side.stop();
  }
  printTable(
    `Resident memory of the server for ${whole(ITEMS)} items of 100 bytes`,
    ['case', 'bytes an item', 'beyond key and value'],
    rows,
  );
}
