/**
 * `npm test`: everything that CI checks, fast checks first. On a bare clone it first installs and builds what is
 * missing.
 *
 *     npm test                          all steps
 *     npm test -- jest package          these steps alone
 *     npm test -- --list                names and titles of the steps
 *     npm test -- --bail                stop at the first failure
 *     npm test -- --no-skip             a step that cannot run here is a failure; the default where CI is set
 */
import { rmSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GENERATED, buildFace, buildNative, faceIsFresh, nativeIsFresh } from './build.mjs';
import { testNodeVersions } from './node-versions.mjs';
import { testPackage } from './package-test.mjs';
import { checkEntries } from './check-entries.mjs';
import { checkErrors } from './check-errors.mjs';
import { provideRedis } from './redis.mjs';
import { buildShim } from './shims.mjs';
import { checkRust, install } from './setup.mjs';
import { runSteps } from './steps.mjs';
import { Failure, Skip, answers, bin, main, node, root, run } from './tools.mjs';
import { checkVersions } from './versions.mjs';

/** @type {import('./steps.mjs').Step[]} */
const STEPS = [
  { name: 'versions', title: 'one version number in all manifests', run: checkVersions },
  { name: 'errors', title: 'every error code stands in docs/errors.md, and no other', run: checkErrors },
  { name: 'entries', title: 'no function of the door lets a panic through to Node', run: checkEntries },
  {
    name: 'prettier',
    title: 'formatting of TypeScript, JavaScript, JSON, Markdown and YAML',
    run: () => node([bin('prettier'), '--check', '--log-level', 'warn', '.']),
  },
  { name: 'rustfmt', title: 'formatting of Rust', run: rustfmt },
  { name: 'dist', title: 'build and strict type check of the face', run: buildFace },
  {
    name: 'types',
    title: 'strict type check of the specs and the examples',
    needs: ['dist'],
    run: () => node([bin('typescript', 'tsc'), '-p', '__test__']),
  },
  {
    name: 'oxlint',
    title: 'lint of TypeScript and JavaScript, warnings are errors',
    needs: ['dist'],
    run: () => node([bin('oxlint'), '--type-aware', '--deny-warnings']),
  },
  { name: 'clippy', title: 'lint of Rust, warnings are errors', run: clippy },
  { name: 'cargo', title: 'tests of the engine and the door', run: () => cargoTest(['--workspace']) },
  {
    name: 'model',
    title: 'model checks of the lock-free parts, with few preemptions',
    run: () => modelTest({ LOOM_MAX_PREEMPTIONS: '2' }),
  },
  {
    name: 'prove',
    title:
      'model checks in full, properties on many more inputs, supervision and memory for minutes, all specs without foreign memory',
    needs: ['dist', 'native'],
    onDemand: true,
    run: prove,
  },
  { name: 'native', title: 'release build of the addon', run: native },
  {
    name: 'generated',
    title: 'the build leaves the committed native.js and native.d.ts as they are',
    needs: ['native'],
    run: generated,
  },
  {
    name: 'jest',
    title: 'specs of the face',
    needs: ['dist', 'native'],
    run: jest,
  },
  {
    name: 'refusals',
    title: 'each system where no thread, no file and no memory is to be had, as an ordinary user',
    needs: ['dist', 'native'],
    run: () => node([bin('jest'), '--runTestsByPath', REFUSALS], { env: { NODE_ENV: 'test' } }),
  },
  {
    name: 'foreign-memory',
    title: 'a spec of each system where V8 refuses foreign memory, as in Electron',
    needs: ['dist', 'native'],
    run: () => withoutForeignMemory(['--runTestsByPath', ...WITHOUT_FOREIGN_MEMORY]),
  },
  {
    name: 'package',
    title: 'the packed packages, installed offline elsewhere, run every snippet',
    needs: ['dist', 'native'],
    run: testPackage,
  },
  {
    name: 'node-versions',
    title: 'specs of threads and exit on other versions of Node',
    needs: ['dist', 'native'],
    run: testNodeVersions,
  },
];

/** Has a step of its own, so that nothing beside it takes what it counts. */
const REFUSALS = '__test__/refusals.spec.ts';

/** One spec of each system; `npm run prove` runs all. */
const WITHOUT_FOREIGN_MEMORY = [
  'actor-threads',
  'bridge',
  'broker',
  'cache-shared',
  'cache-shared-freshness',
  'parallel',
  'processor',
  'processor-failures',
].map((name) => `__test__/${name}.spec.ts`);

async function withoutForeignMemory(args) {
  const env = { NODE_ENV: 'test', LD_PRELOAD: await buildShim('foreign-memory') };
  await node([bin('jest'), ...args], { env });
}

async function jest() {
  try {
    await provideRedis();
  } catch (error) {
    // One spec needs it, and says what it leaves out; where nothing may be left out, that spec fails.
    if (!(error instanceof Skip)) throw error;
    console.log(error.message);
  }
  await node([bin('jest'), '--testPathIgnorePatterns', REFUSALS], { env: { NODE_ENV: 'test' } });
}

async function rustfmt() {
  if (!answers('cargo', 'fmt', '--version'))
    throw new Skip("rustfmt is missing: 'rustup component add rustfmt'");
  await run('cargo', ['fmt', '--all', '--check']);
}

async function clippy() {
  if (!answers('cargo', 'clippy', '--version'))
    throw new Skip("clippy is missing: 'rustup component add clippy'");
  const deny = ['--all-targets', '--locked', '--', '-D', 'warnings'];
  // The door has no tests of its own, and without its registration (napi leaves that out of tests) all of it is dead code.
  await run('cargo', ['clippy', '-p', 'noizylab-core', '--', '-D', 'warnings']);
  await run('cargo', ['clippy', '--workspace', '--exclude', 'noizylab-core', ...deny]);
  await run('cargo', ['clippy', '-p', 'noizylab-lockfree', '--features', 'model', ...deny]);
}

async function modelTest(env) {
  await cargoTest(['-p', 'noizylab-lockfree', '--features', 'model'], env);
}

/** What takes too long for every run. */
async function prove() {
  const env = { NEXTEST_PROFILE: 'prove' };
  await modelTest({ ...env, LOOM_MAX_PREEMPTIONS: '3' });
  const properties = ['--test', 'broker_lines', '--test', 'broker_session'];
  await cargoTest(['-p', 'noizylab-engine', ...properties], { ...env, PROPTEST_CASES: '5000' });
  await node([bin('jest'), 'actor-faults', 'processor-memory'], {
    env: { NODE_ENV: 'test', NOIZYLAB_PROVE: '1' },
  });
  await withoutForeignMemory(['--testPathIgnorePatterns', REFUSALS]);
}

/** Runs the tests with nextest; where it is missing, with `cargo test`: the same tests, one crate after another. */
async function cargoTest(args, env = {}) {
  if (answers('cargo', 'nextest', '--version')) {
    await run('cargo', ['nextest', 'run', '--locked', ...args], { env });
    return;
  }
  console.log(
    "cargo-nextest is missing ('cargo install --locked cargo-nextest'): running 'cargo test' instead.",
  );
  await run('cargo', ['test', '--locked', ...args], { env });
}

async function native() {
  if (nativeIsFresh()) console.log('The addon is up to date.');
  else await buildNative();
}

/** Compares the generated files with what they were before this run built anything. */
async function generated() {
  const changed = GENERATED.filter((file) => readIfThere(file) !== generatedBefore.get(file));
  if (changed.length === 0) return;
  for (const file of changed) await showDiff(file, generatedBefore.get(file));
  throw new Failure(`The build changed ${changed.join(' and ')}: look at the difference and commit it.`);
}

function readIfThere(file) {
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch {
    return '';
  }
}

async function showDiff(file, before) {
  const old = join(root, '.cache', 'generated', file);
  mkdirSync(join(old, '..'), { recursive: true });
  writeFileSync(old, before);
  // git ends with 1 where the files differ, which they do.
  await run('git', ['--no-pager', 'diff', '--no-index', old, file]).catch(() => {});
  rmSync(old);
}

/** Installs, and builds what the chosen steps need and no chosen step builds. */
async function prepare(chosen) {
  await install();
  checkRust();
  const needs = (name) =>
    chosen.some((step) => step.needs?.includes(name)) && !chosen.some((step) => step.name === name);
  if (needs('native') && !nativeIsFresh()) await buildNative();
  if (needs('dist') && !faceIsFresh()) await buildFace();
}

function choose(names) {
  const unknown = names.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) {
    throw new Failure(
      `There is no step '${unknown}'. The steps: ${STEPS.map(({ name }) => name).join(', ')}`,
    );
  }
  return STEPS.filter((step) => (names.length === 0 ? !step.onDemand : names.includes(step.name)));
}

function readOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        bail: { type: 'boolean', default: false },
        'no-skip': { type: 'boolean', default: !['', '0', 'false'].includes(process.env.CI ?? '') },
        list: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new Failure(error.message, { cause: error });
  }
}

const generatedBefore = new Map(GENERATED.map((file) => [file, readIfThere(file)]));

await main(import.meta.url, async () => {
  const { values, positionals } = readOptions();
  if (values.list) {
    for (const { name, title } of STEPS) console.log(`${name.padEnd(15)}${title}`);
    return;
  }
  const chosen = choose(positionals);
  await prepare(chosen);
  // The specs read it: they may leave out nothing either.
  if (values['no-skip']) process.env.CI = 'true';
  const passed = await runSteps(chosen, { bail: values.bail, noSkip: values['no-skip'] });
  if (!passed) process.exitCode = 1;
});
