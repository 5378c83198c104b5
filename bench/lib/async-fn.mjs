/** The native peer in `bench/async-fn`, built at first use; `undefined`, said aloud, where that is not possible. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../async-fn/', import.meta.url));
const LIBRARIES = { win32: 'async_fn.dll', darwin: 'libasync_fn.dylib' };

/** @returns {{ echo(value: number): Promise<number>, readMemory(values: Float64Array, threads: number): number } | undefined} */
export function loadAsyncFn() {
  const build = spawnSync('cargo', ['build', '--release', '--locked', '--quiet'], {
    cwd: FOLDER,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (build.status !== 0) {
    console.log(`skipped: bench/async-fn cannot be built (${build.error?.message ?? 'cargo failed'})`);
    return undefined;
  }
  // Node takes a native library for an addon by its name's ending.
  const library = `${FOLDER}target/release/${LIBRARIES[process.platform] ?? 'libasync_fn.so'}`;
  const addon = `${FOLDER}target/release/async-fn.node`;
  copyFileSync(library, addon);
  return createRequire(import.meta.url)(addon);
}
