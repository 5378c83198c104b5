/**
 * The caches against what else a program would use. Parts by name:
 *
 *     npm run bench -- cache                      all of them
 *     npm run bench -- cache local hit-ratio      these
 */
import { machine } from './lib/measure.mjs';
import { watchOtherLoad } from './lib/other-load.mjs';

/** The parts, in `bench/cache/`. */
const PARTS = ['local', 'accounting', 'hit-ratio', 'shared', 'threads', 'memory', 'tiers'];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) throw new Error(`no part '${unknown.join("', '")}'; the parts: ${PARTS.join(', ')}`);

console.log(machine());
for (const part of PARTS) {
  if (wanted.length > 0 && !wanted.includes(part)) continue;
  const { run } = await import(`./cache/${part}.mjs`);
  const tellOfOthers = watchOtherLoad();
  await run();
  tellOfOthers();
}
