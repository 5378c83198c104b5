/** Benchmarks in parts: modules of a folder, each with a function `run`. */
import { machine } from './measure.mjs';
import { watchOtherLoad } from './other-load.mjs';

/**
 * Runs the parts that the command line names, or all of them, in their order.
 *
 * @param {URL} folder Where the modules are.
 * @param {string[]} parts Their names without the ending.
 */
export async function runParts(folder, parts) {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((part) => !parts.includes(part));
  if (unknown.length > 0)
    throw new Error(`no part '${unknown.join("', '")}'; the parts: ${parts.join(', ')}`);
  console.log(machine());
  for (const part of parts) {
    if (wanted.length > 0 && !wanted.includes(part)) continue;
    const { run } = await import(new URL(`${part}.mjs`, folder));
    const tellOfOthers = watchOtherLoad();
    await run();
    tellOfOthers();
  }
}
