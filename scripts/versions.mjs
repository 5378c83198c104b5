/**
 * One version for all: the version in `package.json` is the truth; Cargo.toml, the facades and the platform packages
 * repeat it.
 *
 *     node scripts/versions.mjs --write      writes it into all the others
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { packageFolders } from './manifests.mjs';
import { Failure, main, readJson, root } from './tools.mjs';

const CORE = '@noizylab/core';

/** Throws a `Failure` that lists each manifest which disagrees with `package.json`. */
export async function checkVersions() {
  const { version, napi } = readJson('package.json');
  const wrong = [];
  const expect = (file, what, found, wanted) => {
    if (!isDeepStrictEqual(found, wanted)) wrong.push(`${file}: ${what} is ${found}, not ${wanted}`);
  };
  expect('Cargo.toml', 'version', cargoVersion(readText('Cargo.toml')), version);
  for (const folder of packageFolders('packages')) {
    const manifest = readJson(join(folder, 'package.json'));
    expect(`${folder}/package.json`, 'version', manifest.version, version);
    expect(`${folder}/package.json`, CORE, manifest.dependencies[CORE], version);
  }
  for (const folder of packageFolders('npm')) {
    const manifest = readJson(join(folder, 'package.json'));
    const platform = folder.slice('npm/'.length);
    const addon = `${napi.binaryName}.${platform}.node`;
    expect(`${folder}/package.json`, 'version', manifest.version, version);
    expect(`${folder}/package.json`, 'name', manifest.name, `${CORE}-${platform}`);
    expect(`${folder}/package.json`, 'main', manifest.main, addon);
    expect(`${folder}/package.json`, 'files', manifest.files, [addon]);
  }
  expect('npm', 'number of folders', packageFolders('npm').length, napi.targets.length);
  if (wrong.length > 0)
    throw new Failure(`${wrong.join('\n')}\n'node scripts/versions.mjs --write' mends versions.`);
  console.log(`${version} everywhere`);
}

function writeVersions() {
  const { version } = readJson('package.json');
  write('Cargo.toml', readText('Cargo.toml').replace(CARGO_VERSION, `$1${version}`));
  for (const folder of [...packageFolders('packages'), ...packageFolders('npm')]) {
    const file = join(folder, 'package.json');
    const manifest = readJson(file);
    manifest.version = version;
    if (manifest.dependencies) manifest.dependencies[CORE] = version;
    write(file, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

const CARGO_VERSION = /(\[workspace\.package\]\nversion = ")[^"]+/;

function cargoVersion(text) {
  return CARGO_VERSION.exec(text)?.[0].split('"').pop();
}

function readText(file) {
  return readFileSync(join(root, file), 'utf8');
}

function write(file, text) {
  writeFileSync(join(root, file), text);
}

await main(import.meta.url, async () => {
  if (process.argv.includes('--write')) writeVersions();
  await checkVersions();
});
