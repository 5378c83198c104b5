/**
 * `npm start -- [DIR] [OPTIONS]`: the main job on a bare clone. Installs and builds what is missing, then indexes the
 * files below DIR (default: the project's `node_modules`) with `noizylab index`, whose options may follow DIR.
 * The exit code is the command's. Ctrl+C reaches the command; this script waits for its end.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { Failure, exitCode, main, root } from './tools.mjs';

const DEFAULT_OUT = 'noizylab-index.ndjson';

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
    // In the group of the terminal, so that Ctrl+Z, a resized window and Ctrl+C reach the command from there. npm may pass a
    // Ctrl+C on besides; the command takes signals in quick succession for one. A signal to this script alone is passed on.
    const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
      cwd: process.env.INIT_CWD, // where the user called npm: a relative DIR starts there
      stdio: 'inherit',
    });
    process.on('SIGINT', () => undefined);
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => reject(new Failure(error.message)));
    child.on('exit', (code, signal) => fulfil(exitCode(code, signal)));
  });
}
