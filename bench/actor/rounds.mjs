/**
 * Cases with a new process in each round: two processes of the same case may differ by more than the runs of one do. The cases take
 * turns, and a figure is the median of the processes.
 */
import { told } from '../lib/apart.mjs';
import { median } from '../lib/measure.mjs';
import { printTable, verdict, whole } from '../lib/report.mjs';

const ROUNDS = 5;
/** Runs in a process before those that count. */
const WARM_RUNS = 3;
const RUNS = 5;

/**
 * What each case has told in each round.
 *
 * @param {string} file The module of the cases, which calls `tell`.
 * @param {{ args: string[] }[]} cases
 * @param {number} [rounds] Default 5.
 * @returns {Promise<any[][]>} For each case what its processes have told.
 */
export async function inRounds(file, cases, rounds = ROUNDS) {
  const answers = cases.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < cases.length; turn++) {
      const index = (round + turn) % cases.length;
      answers[index].push(await told(file, cases[index].args));
    }
  }
  return answers;
}

/**
 * Units a second of a work: the median of some runs in this process, after some that do not count.
 *
 * @param {() => Promise<number> | number} run Does the work once, and returns how many units it did.
 */
export async function rateOf(run) {
  const rates = [];
  for (let index = 0; index < WARM_RUNS + RUNS; index++) {
    globalThis.gc();
    const start = performance.now();
    const units = await run();
    if (index >= WARM_RUNS) rates.push((units / (performance.now() - start)) * 1000);
  }
  return median(rates);
}

/**
 * Prints units a second of some cases, with their bars.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.unit What is counted.
 * @param {{ name: string, bar?: number, against?: { name: string, bar: number } }[]} options.cases `bar` in units a second; `against` names another case and the ratio
 *   to it that is asked for.
 * @param {number[][]} options.rates For each case the figures of its processes.
 */
export function printRates({ title, unit, cases, rates }) {
  const rows = cases.map(({ name, bar, against }, index) => {
    const middle = median(rates[index]);
    const verdicts = [];
    if (bar !== undefined) verdicts.push(verdict(middle >= bar, `${whole(bar)} /s`));
    if (against !== undefined) {
      const ratio = middle / median(rates[cases.findIndex((other) => other.name === against.name)]);
      verdicts.push(`${ratio.toFixed(2)}x, ${verdict(ratio >= against.bar, `${against.bar.toFixed(1)}x`)}`);
    }
    return [
      name,
      whole(middle),
      whole(Math.min(...rates[index])),
      whole(Math.max(...rates[index])),
      verdicts.join('; '),
    ];
  });
  printTable(
    title,
    ['case', `${unit}/s, median of ${rates[0].length} processes`, 'lowest', 'highest', 'verdict'],
    rows,
  );
}
