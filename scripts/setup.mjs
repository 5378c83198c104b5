/**
 * Makes a bare clone ready: checks Node and the Rust toolchain, installs the npm packages, builds the addon and
 * `dist/`. What is there and up to date is left alone, so a second call costs some milliseconds.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { buildFace, buildNative, faceIsFresh, nativeIsFresh } from './build.mjs';
import { packageFolders } from './manifests.mjs';
import { Failure, answers, npm, readJson, root } from './tools.mjs';

const OLDEST_NODE = 20;

/** Everything that `npm start` needs: packages, a release build of the addon, `dist/`. */
export async function setup() {
  await install();
  if (!nativeIsFresh()) {
    console.log('Building the native addon (release). The first build takes some minutes.');
    checkRust();
    await buildNative();
  }
  if (!faceIsFresh()) await buildFace();
}

/** Checks Node, then installs the npm packages where they are missing or differ from the lock file. */
export async function install() {
  const major = Number(process.versions.node.split('.', 1)[0]);
  if (major < OLDEST_NODE) {
    throw new Failure(`Node ${OLDEST_NODE} or later is needed; this is ${process.version}.`);
  }
  const lock = readLock();
  if (lock.isCurrent && isInstalled(lock.packages)) return;
  console.log('Installing the npm packages.');
  // The lock file is followed and left alone: each version of npm writes it a little differently, and `npm ci` takes it for
  // incomplete where it leaves out builds of optional packages for other platforms.
  // The build needs the development tools, also where NODE_ENV=production leaves them out.
  const leaveLock = lock.isCurrent ? ['--no-save'] : [];
  await npm(['install', '--include=dev', '--no-audit', '--no-fund', ...leaveLock]);
}

/** Throws a `Failure` that says what to install where cargo, its toolchain or a C compiler is missing. */
export function checkRust() {
  const { error, status, stderr } = spawnSync('cargo', ['--version'], { cwd: root, encoding: 'utf8' });
  if (status > 0) throw new Failure(`cargo does not work:\n${stderr.trim()}`);
  if (error) {
    throw new Failure(
      'cargo is missing: the engine is written in Rust. Install a Rust toolchain with rustup (https://rustup.rs); ' +
        'it fetches the version that rust-toolchain.toml names by itself.',
    );
  }
  if (process.platform !== 'win32' && !answers('cc', '--version')) {
    throw new Failure(
      'A C compiler (cc) is missing: cargo links with it. Install one, for example with ' +
        "'apt-get install build-essential' or 'xcode-select --install'.",
    );
  }
}

/** What the lock file names, and whether it still says what the manifests of the workspace ask for. */
function readLock() {
  const { packages } = readJson('package-lock.json');
  const isCurrent = ['', ...packageFolders('packages')].every((folder) => {
    const manifest = readJson(join(folder, 'package.json'));
    return ['dependencies', 'devDependencies', 'optionalDependencies'].every((kind) =>
      isDeepStrictEqual(manifest[kind], packages[folder]?.[kind]),
    );
  });
  return { packages, isCurrent };
}

/** Whether `node_modules` holds what the lock file names, development tools included. */
function isInstalled(wanted) {
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, record))) return false;
  const found = readJson(record).packages;
  return Object.entries(wanted).every(
    // An optional package may be one for another platform.
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  );
}
