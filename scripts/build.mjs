/**
 * Builds the addon (`noizylab.<platform>.node`, `native.js`, `native.d.ts`) and `dist/`.
 *
 *     node scripts/build.mjs [--debug] [OPTIONS OF napi build]
 *
 * After each build a stamp in `.cache/build` keeps a digest of what went in and the size and time of what came
 * out. A build is fresh while both still hold; a build by other means (`napi build`, `tsc`) therefore counts as stale.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentPlatform } from './manifests.mjs';
import { bin, filesBelow, main, node, readJson, root } from './tools.mjs';

/** What a build of the addon writes besides the addon; both are committed. */
export const GENERATED = ['native.js', 'native.d.ts'];

/** Whether a release build of the addon is there and made from the present sources. */
export function nativeIsFresh() {
  return isFresh('native', nativeInputs('release'), nativeOutputs());
}

/** Builds the addon with the release profile, or with the debug one; `extra` is for `napi build`. */
export async function buildNative({ debug = false, extra = [] } = {}) {
  const profile = debug ? [] : ['--release'];
  const files = ['--js', 'native.js', '--dts', 'native.d.ts'];
  await node([bin('@napi-rs/cli', 'napi'), 'build', '--platform', ...profile, ...files, ...extra]);
  stamp('native', nativeInputs(debug ? 'debug' : 'release'), nativeOutputs());
}

/** Whether `dist/` is there and made from the present sources. */
export function faceIsFresh() {
  return isFresh('face', faceInputs(), faceOutputs());
}

/** Compiles `ts/` to `dist/` and removes from `dist/` what has no source any more. */
export async function buildFace() {
  await node([bin('typescript', 'tsc'), '-p', '.']);
  for (const file of filesBelow(join(root, 'dist'))) {
    const source = file.replace(/(\.d\.ts|\.js)$/, '.ts');
    if (!existsSync(join(root, 'ts', source))) rmSync(join(root, 'dist', file));
  }
  const command = join(root, readJson('package.json').bin.noizylab);
  if (existsSync(command)) chmodSync(command, 0o755);
  stamp('face', faceInputs(), faceOutputs());
}

function nativeInputs(profile) {
  const crates = filesBelow(join(root, 'crates')).filter((file) =>
    /^[^/]+\/(src\/|Cargo\.toml$|build\.rs$)/.test(file),
  );
  const { version, napi } = readJson('package.json');
  const cli = readJson('node_modules/@napi-rs/cli/package.json').version;
  return digest(
    [
      'Cargo.toml',
      'Cargo.lock',
      'build.rs',
      'rust-toolchain.toml',
      ...filesBelow(join(root, 'src')).map((file) => `src/${file}`),
      ...crates.map((file) => `crates/${file}`),
    ],
    JSON.stringify([profile, version, napi, cli]),
  );
}

function nativeOutputs() {
  return [...GENERATED, `${readJson('package.json').napi.binaryName}.${currentPlatform()}.node`];
}

function faceInputs() {
  const sources = filesBelow(join(root, 'ts')).map((file) => `ts/${file}`);
  return digest(['tsconfig.json', 'native.d.ts', 'package-lock.json', ...sources], '');
}

function faceOutputs() {
  return filesBelow(join(root, 'dist')).map((file) => `dist/${file}`);
}

/** SHA-256 over the names and contents of files of the project, and over `extra`. */
function digest(files, extra) {
  const hash = createHash('sha256').update(extra);
  for (const file of files) {
    const path = join(root, file);
    const content = existsSync(path) ? readFileSync(path) : '';
    hash.update(`\n${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/** Size and time of files; `undefined` where one is missing, or none is named. */
function state(files) {
  if (files.length === 0 || !files.every((file) => existsSync(join(root, file)))) return undefined;
  return files.map((file) => {
    const { size, mtimeMs } = statSync(join(root, file));
    return `${file} ${size} ${mtimeMs}`;
  });
}

function stampFile(name) {
  return join(root, '.cache', 'build', `${name}.json`);
}

function stamp(name, inputs, outputs) {
  mkdirSync(join(root, '.cache', 'build'), { recursive: true });
  writeFileSync(stampFile(name), JSON.stringify({ inputs, outputs: state(outputs) }, null, 2));
}

function isFresh(name, inputs, outputs) {
  const made = state(outputs);
  if (made === undefined || !existsSync(stampFile(name))) return false;
  return readFileSync(stampFile(name), 'utf8') === JSON.stringify({ inputs, outputs: made }, null, 2);
}

await main(import.meta.url, async () => {
  const args = process.argv.slice(2);
  await buildNative({ debug: args.includes('--debug'), extra: args.filter((arg) => arg !== '--debug') });
  await buildFace();
});
