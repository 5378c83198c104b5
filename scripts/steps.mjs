/**
 * Runs the steps of a check one after another, each under a heading and with its time, and closes with a summary
 * whose last line is `N passed, N failed, N skipped`.
 */
import { Failure, Skip } from './tools.mjs';

/**
 * @typedef {object} Step
 * @property {string} name what the command line calls it
 * @property {string} title one line that says what it checks
 * @property {() => Promise<void>} run throws a `Failure` where the check fails, a `Skip` where it cannot run here
 * @property {string[]} [needs] steps without whose success it makes no sense
 * @property {boolean} [onDemand] runs only where it is named
 */

/**
 * @param {Step[]} steps
 * @param {{ bail: boolean, noSkip: boolean }} options `bail` ends at the first failure, `noSkip` makes a skip a failure
 * @returns {Promise<boolean>} whether no step failed
 */
export async function runSteps(steps, { bail, noSkip }) {
  const results = [];
  for (const step of steps) {
    const broken = results.find(
      ({ name, outcome }) => outcome === 'failed' && (bail || step.needs?.includes(name)),
    );
    const result = broken
      ? {
          outcome: 'skipped',
          note: bail ? 'stopped at the first failure' : `needs ${broken.name}`,
          seconds: 0,
        }
      : await runStep(step, noSkip);
    results.push({ name: step.name, ...result });
  }
  return summary(results);
}

async function runStep(step, noSkip) {
  console.log(`\n== ${step.name}: ${step.title}`);
  const start = performance.now();
  let outcome = 'passed';
  let note = '';
  try {
    await step.run();
  } catch (error) {
    outcome = error instanceof Skip && !noSkip ? 'skipped' : 'failed';
    const message = error instanceof Failure || error instanceof Skip ? error.message : error.stack;
    const reason = error instanceof Skip && noSkip ? `may not be skipped here: ${message}` : message;
    note = reason.split('\n', 1)[0];
    console.log(reason);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`-- ${step.name} ${outcome} in ${seconds.toFixed(1)} s`);
  return { outcome, note, seconds };
}

function summary(results) {
  console.log('\n== summary');
  const width = Math.max(...results.map(({ name }) => name.length));
  for (const { name, outcome, note, seconds } of results) {
    console.log(
      `${outcome.padEnd(8)}${name.padEnd(width)}${seconds.toFixed(1).padStart(8)} s  ${note}`.trimEnd(),
    );
  }
  const total = results.reduce((sum, { seconds }) => sum + seconds, 0);
  console.log(`${total.toFixed(0)} s in all`);
  const count = (wanted) => results.filter(({ outcome }) => outcome === wanted).length;
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  return count('failed') === 0;
}
