/**
 * Runs the benchmarks.
 *
 *     npm run bench                            all of `bench/*.mjs`
 *     npm run bench -- processor               `bench/processor.mjs`
 *     npm run bench -- processor ARGUMENTS     passed on to it
 *
 * The libraries to compare with are installed into `bench/node_modules` on first use. Without them a benchmark shows
 * its own figures alone.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { Failure, main, node, npm, readJson, root } from './tools.mjs';

const FOLDER = join(root, 'bench');

await main(import.meta.url, async () => {
  const [name, ...args] = process.argv.slice(2);
  const files = choose(name);
  await setup();
  await installPeers();
  for (const file of files) {
    console.log(`\n== bench/${file}`);
    await node(['--expose-gc', join(FOLDER, file), ...args]);
  }
});

function choose(name) {
  const all = readdirSync(FOLDER).filter((file) => file.endsWith('.mjs'));
  if (name === undefined) return all;
  if (all.includes(`${name}.mjs`)) return [`${name}.mjs`];
  const names = all.map((file) => file.slice(0, -'.mjs'.length));
  throw new Failure(`There is no benchmark '${name}'. The benchmarks: ${names.join(', ')}`);
}

/** Installs what `bench/package.json` names where it is missing or of another version. */
async function installPeers() {
  const { dependencies } = readJson('bench/package.json');
  const isThere = Object.entries(dependencies).every(([name, version]) => {
    const manifest = join(FOLDER, 'node_modules', name, 'package.json');
    return existsSync(manifest) && readJson(manifest).version === version;
  });
  if (isThere) return;
  console.log('Installing the libraries to compare with.');
  try {
    await npm(['ci', '--no-audit', '--no-fund'], { cwd: FOLDER });
  } catch (error) {
    console.log(`${error.message}\nThey cannot be installed: the benchmarks show their own figures alone.`);
  }
}
