/** GETs and SETs a second of a client of each library, with so many requests in flight. */
import { measure } from '../lib/measure.mjs';
import { LIBRARIES } from './libraries.mjs';
import { compareWith } from '../lib/report.mjs';
import { startSides } from './sides.mjs';

const ROUND_MS = 400;

/**
 * @param {object} options
 * @param {string} options.title
 * @param {number} options.loops How many loops each client runs, which make one request after another.
 * @param {Record<string, string>} options.clients Names of libraries of clients, each with that of its server; ours first.
 * @param {Record<string, number>} options.bars Names of libraries, each with how many times as fast ours is held to be.
 */
export async function compareThroughput({ title, loops, clients, bars }) {
  const sides = await startSides([...new Set(Object.values(clients))]);
  const barsByName = Object.fromEntries(
    Object.entries(bars).map(([library, bar]) => [LIBRARIES[library].name, bar]),
  );
  for (const [workload, name] of Object.entries({ get: 'GET', set: 'SET' })) {
    const cases = [];
    for (const [library, side] of Object.entries(clients)) {
      if (sides[side] === undefined) continue;
      const client = await sides[side].client(library);
      await client.call('prepare', workload, loops);
      cases.push({ name: LIBRARIES[library].name, run: () => client.call('run', ROUND_MS), client });
    }
    const results = await measure({
      title: `${name} ${title}: strings of 100 bytes`,
      cases,
      baseline: LIBRARIES.original.name,
      unit: 'requests',
    });
    compareWith(results, barsByName);
    await Promise.all(cases.map(({ client }) => client.stop()));
  }
  await Promise.all(Object.values(sides).map((side) => side.stop()));
}
