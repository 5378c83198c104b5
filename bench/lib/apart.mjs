/**
 * Cases that each have a process of their own. In one process they would share call sites, inline caches and a heap: a bench of several caches
 * in one made each of them a quarter slower, and not all by as much.
 */
import { fork } from 'node:child_process';
import { countChild } from './other-load.mjs';

/**
 * A case for `measure` whose work is done in a process of its own: that of `file`, which calls `serve`.
 *
 * @param {string} name
 * @param {string} file
 * @param {string[]} args What `serve` hands on.
 */
export async function apart(name, file, args) {
  const child = fork(file, ['serve', ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await answer(child);
  return {
    name,
    run() {
      child.send('run');
      return answer(child);
    },
    stop: () => child.disconnect(),
  };
}

/**
 * Does the work of a case, as often as it is asked to; nothing where the process is not one of `apart`.
 *
 * @param {(...args: string[]) => Promise<() => number> | (() => number)} prepare Makes the function that does the work once and
 *   returns how many units it did.
 */
export async function serve(prepare) {
  if (process.argv[2] !== 'serve') return;
  const run = await prepare(...process.argv.slice(3));
  for (let i = 0; i < 3; i++) run(); // the compiler has settled before the first round
  process.on('message', () => report(run()));
  report(0);
}

/**
 * What a process of its own tells: that of `file`, which calls `tell`. It runs with `--expose-gc`.
 *
 * @param {string} file
 * @param {string[]} args
 */
export async function told(file, args) {
  const child = fork(file, ['tell', ...args], { execArgv: ['--expose-gc'] });
  const value = await answer(child);
  child.disconnect();
  return value;
}

/** Does the work of `told`; nothing where the process is not one of those. */
export async function tell(work) {
  if (process.argv[2] === 'tell') report(await work(...process.argv.slice(3)));
}

/** Sends what was done, and the processor time that it took. */
function report(value) {
  const { user, system } = process.cpuUsage();
  process.send({ value, seconds: (user + system) / 1e6 - reported });
  reported = (user + system) / 1e6;
}

let reported = 0;

function answer(child) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`a case ended with ${code}`));
    child.once('exit', ended);
    child.once('message', ({ value, seconds }) => {
      child.off('exit', ended);
      countChild(seconds);
      resolve(value);
    });
  });
}
