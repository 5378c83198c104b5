/**
 * What the package adds to the start of a Node process, loaded with `require` and with `import`, and what the first processor adds
 * on top: that loads the native part. Run after a build: `node bench/loading.mjs`. The bar is 25 ms for loading.
 *
 * Processes are started one after another, the cases taking turns; the figures are medians, and their differences.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { machine } from './lib/measure.mjs';

const ROUNDS = 20;
const BAR_MS = 25;
const cwd = fileURLToPath(new URL('..', import.meta.url));

const cases = {
  'node -e 0': ['-e', '0'],
  require: ['-e', "require('@noizylab/core')"],
  'node -e 0, ES module': ['--input-type=module', '-e', '0'],
  import: ['--input-type=module', '-e', "import '@noizylab/core'"],
  'require, first processor': ['-e', "new (require('@noizylab/core').TrillionProcessor)()"],
};

/** Milliseconds from the start of a process to its end. */
function start(args) {
  const from = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - from;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

console.log(machine());
const names = Object.keys(cases);
const times = new Map(names.map((name) => [name, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (let turn = 0; turn < names.length; turn++) {
    const name = names[(round + turn) % names.length];
    const milliseconds = start(cases[name]);
    if (round > 0) times.get(name).push(milliseconds); // the first round fills the page cache
  }
}

const at = (name) => median(times.get(name));
const row = (name, base, bar) => {
  const added = base === undefined ? '' : `${(at(name) - at(base)).toFixed(1)} ms`;
  const verdict = bar === undefined ? '' : `${bar} ms: ${at(name) - at(base) <= bar ? 'reached' : 'missed'}`;
  return `| ${name} | ${at(name).toFixed(1)} ms | ${added} | ${verdict} |`;
};
console.log('\n### Start of a process\n');
console.log(
  [
    `| case | median of ${ROUNDS} | added | bar |`,
    '| --- | ---: | ---: | --- |',
    row('node -e 0'),
    row('require', 'node -e 0', BAR_MS),
    row('node -e 0, ES module'),
    row('import', 'node -e 0, ES module', BAR_MS),
    row('require, first processor', 'node -e 0'),
  ].join('\n'),
);
