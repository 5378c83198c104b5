/**
 * Builds the shims of `__test__/shims`: libraries that, loaded before all others, take something away that the system has. They are
 * kept in `.cache/shims`.
 *
 *     node scripts/shims.mjs NAME
 *
 * Prints the path of the library. Needs Linux with glibc and a C compiler.
 */
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, Skip, answers, main, root, run } from './tools.mjs';

/** The path of the library of `__test__/shims/NAME.c`. Throws a `Skip` where it cannot be built. */
export async function buildShim(name) {
  const source = join(root, '__test__', 'shims', `${name}.c`);
  const folder = join(root, '.cache', 'shims');
  const library = join(folder, `${name}.so`);
  if (process.platform !== 'linux' || !process.report.getReport().header.glibcVersionRuntime)
    throw new Skip(`the shim '${name}' is loaded by LD_PRELOAD, which is for Linux with glibc`);
  if (!answers('cc', '--version'))
    throw new Skip(`a C compiler is missing: the shim '${name}' is built with cc`);
  if (timeOf(library) > timeOf(source)) return library;
  mkdirSync(folder, { recursive: true });
  // Several specs may ask for one at once.
  const fresh = `${library}.${process.pid}`;
  await run('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', fresh, source, '-ldl'], {
    capture: true,
  });
  renameSync(fresh, library);
  return library;
}

function timeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

await main(import.meta.url, async () => {
  const [name] = process.argv.slice(2);
  if (name === undefined) throw new Failure('Usage: node scripts/shims.mjs NAME');
  console.log(await buildShim(name));
});
