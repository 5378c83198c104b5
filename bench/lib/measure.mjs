/**
 * How all benches measure and print: interleaved rounds, medians, a Markdown table.
 *
 * The cases take turns within each round, and the first of a round is another one each time: what else the machine does meets them
 * alike. With `node --expose-gc` the garbage of one case is collected before the next. One round that is not counted comes first. A
 * ratio is that of two medians of the same run; single figures do not carry over to another machine, ratios roughly do.
 */
import { availableParallelism, cpus } from 'node:os';

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {() => Promise<number> | number} run Does the work once and returns how many units it did.
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {number} median Units a second.
 * @property {number[]} rates Units a second, a figure for each round.
 * @property {number | undefined} ratio To the baseline; `undefined` for the baseline itself, or without one.
 */

/** The machine of this run in one line. */
export function machine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${model}, ${availableParallelism()} cores, ${process.platform} ${process.arch}, Node.js ${process.version}`;
}

/**
 * A library to compare with, or `undefined`, said aloud, where it is not installed.
 *
 * @param {string} name
 * @returns {Promise<any>}
 */
export async function loadPeer(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.log(`skipped: ${name} is not installed`);
    return undefined;
  }
}

/**
 * Measures the cases against each other and prints the table.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {number} [options.rounds] Rounds that count. Default 9.
 * @param {Case[]} options.cases Ours first. Undefined entries, such as those of a missing peer, are left out.
 * @param {string} [options.baseline] The name of the case that the others are divided by.
 * @param {number} [options.bar] The ratio that the first case is held to: printed beside it, never an exit code.
 * @param {string} [options.unit] What is counted. Default `ops`.
 * @returns {Promise<Result[]>}
 */
export async function measure({ title, rounds = 9, cases, baseline, bar, unit = 'ops' }) {
  const present = cases.filter((entry) => entry !== undefined);
  const rates = new Map(present.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < present.length; turn++) {
      const { name, run } = present[(round + turn) % present.length];
      globalThis.gc?.();
      const start = performance.now();
      const units = await run();
      const seconds = (performance.now() - start) / 1000;
      if (round > 0) rates.get(name).push(units / seconds);
    }
  }

  const base = rates.has(baseline) ? median(rates.get(baseline)) : undefined;
  const results = present.map(({ name }) => {
    const middle = median(rates.get(name));
    const ratio = base === undefined || name === baseline ? undefined : middle / base;
    return { name, median: middle, rates: rates.get(name), ratio };
  });
  print(title, results, { unit, rounds, baseline, bar });
  return results;
}

function print(title, results, { unit, rounds, baseline, bar }) {
  const rows = results.map(({ name, median: middle, ratio }, index) => {
    const verdict = bar === undefined || index > 0 || ratio === undefined ? '' : `, ${judge(ratio, bar)}`;
    const against =
      ratio === undefined ? (name === baseline ? '1x' : '') : `${significant(ratio)}x${verdict}`;
    return `| ${name} | ${middle.toLocaleString('en-US', { maximumFractionDigits: 0 })} | ${against} |`;
  });
  console.log(`\n### ${title}\n`);
  console.log(`| case | ${unit}/s, median of ${rounds} | ratio |\n| --- | ---: | --- |\n${rows.join('\n')}`);
}

function judge(ratio, bar) {
  return `bar ${Number.isInteger(bar) ? bar.toFixed(1) : bar}x: ${ratio >= bar ? 'reached' : 'missed'}`;
}

/** The middle one of some numbers. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Three significant digits, without an exponent. */
function significant(ratio) {
  return ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3);
}
