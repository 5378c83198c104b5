/**
 * `npm start -- [DIR] [OPTIONS]`: the main job on a bare clone. Installs and builds what is missing, then indexes the
 * files below DIR (default: the project's `node_modules`) with `noizylab index`, whose options may follow DIR.
 * The exit code is the command's. Ctrl+C reaches the command once; this script waits for its end.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { Failure, exitCode, main, root } from './tools.mjs';

const DEFAULT_OUT = 'noizylab-index.ndjson';
/** npm passes a Ctrl+C on although the terminal sent it to all: within this many milliseconds it is the same one. */
const SAME_KEY_PRESS = 500;

await main(import.meta.url, async () => {
  await setup();
  process.exitCode = await command(withDefaults(process.argv.slice(2)));
});

/** The arguments of `noizylab`: DIR and `--out` are put in where the user gave none. */
function withDefaults(args) {
  const hasFolder = args.length > 0 && !args[0].startsWith('-');
  const hasOut = args.some((arg) => arg === '-o' || arg === '--out' || arg.startsWith('--out='));
  return [
    'index',
    ...(hasFolder ? [] : [join(root, 'node_modules')]),
    ...args,
    ...(hasOut ? [] : ['--out', DEFAULT_OUT]),
  ];
}

/** Runs the command line of the package and resolves with its exit code. */
function command(args) {
  return new Promise((fulfil, reject) => {
    // In a process group of its own the command sees only the signals that are passed on here: each one once.
    // Windows has no such groups; there the console tells both, and this script only waits.
    const isPosix = process.platform !== 'win32';
    const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
      cwd: process.env.INIT_CWD, // where the user called npm: a relative DIR starts there
      stdio: 'inherit',
      detached: isPosix,
    });
    let last = -Infinity;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        const now = performance.now();
        if (isPosix && now - last > SAME_KEY_PRESS) child.kill(signal);
        last = now;
      });
    }
    child.on('error', (error) => reject(new Failure(error.message)));
    child.on('exit', (code, signal) => fulfil(exitCode(code, signal)));
  });
}
