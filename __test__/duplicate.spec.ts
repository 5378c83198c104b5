/**
 * A second copy of the package in one process is refused: its state would not be that of the first. Which copy is first is decided by
 * the first processor, in whatever thread it is made.
 */
import { cpSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, toldBy } from './lib/child';

let folder: string;
/** A copy of the built package in another place. */
let copy: string;
/** The package itself, by a link. */
let link: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'noizylab-duplicate-')));
  copy = join(folder, 'copy');
  link = join(folder, 'link');
  const addons = readdirSync(ROOT).filter((file) => file.endsWith('.node'));
  for (const file of ['package.json', 'index.js', 'native.js', 'dist', ...addons]) {
    cpSync(join(ROOT, file), join(copy, file), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'), 'junction');
  symlinkSync(ROOT, link, 'junction');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** In a child: `core` is the package, `other` its copy; `refusal(load)` gives the error of making a processor of a load. */
const head = (): string => `
  const other = require(${JSON.stringify(copy)});
  const refusal = (load) => {
    try {
      new load.TrillionProcessor();
    } catch (error) {
      return error;
    }
  };
  const sum = { operation: 'sum', data: [1, 2] };
`;

test('a second copy is refused with an error that names both', async () => {
  const code = `${head()}
    new core.TrillionProcessor();
    const error = refusal(other);
    tell([error.code, error.message, error instanceof other.NoizylabError, error instanceof Error]);
  `;
  const [[errorCode, message, ...ofClasses]] = (await toldBy(code)) as [[string, string, boolean, boolean]];
  expect(errorCode).toBe('ERR_CORE_DUPLICATE');
  expect(ofClasses).toEqual([true, true]);
  const paths = message.match(/[^\s:()]+\.node/g) ?? [];
  expect(paths.map(dirname)).toEqual([ROOT, copy]);
});

test('whichever was used first stays, and works on after the refusal', async () => {
  const code = `${head()}
    const first = new other.TrillionProcessor();
    const running = first.run({ operation: 'compute', data: { iterations: 1e7 } });
    const refused = [refusal(core).code, refusal(core).code, refusal(core).code];
    const user = first.parallelMap([1, 2], (x) => x + 1, { thread: true });
    tell([refused, (await running).input.iterations, await user, await new other.TrillionProcessor().run(sum)]);
    await first.shutdown();
    // Also when it is idle: its state is still there.
    tell(refusal(core).code);
  `;
  expect(await toldBy(code)).toEqual([
    [['ERR_CORE_DUPLICATE', 'ERR_CORE_DUPLICATE', 'ERR_CORE_DUPLICATE'], 1e7, [2, 3], 3],
    'ERR_CORE_DUPLICATE',
  ]);
});

test('the facade of the refused copy works where it needs no native part', async () => {
  const code = `${head()}
    new core.TrillionProcessor();
    tell([refusal(other).code, await other.ParallelEngine.all([() => 1, () => 2], 2)]);
  `;
  expect(await toldBy(code)).toEqual([['ERR_CORE_DUPLICATE', [1, 2]]]);
});

test('copies that are only loaded, or refuse their options, do not stand in the way', async () => {
  const code = `${head()}
    let thrown;
    try {
      new other.TrillionProcessor({ maxWorkers: 0 });
    } catch ({ code }) {
      thrown = code;
    }
    tell([thrown, await new core.TrillionProcessor().run(sum)]);
  `;
  expect(await toldBy(code)).toEqual([['ERR_PROCESSOR_OUT_OF_RANGE', 3]]);
});

/** In a child: `inWorker(path)` makes a processor of the package at `path` in a worker thread and tells how that went. */
const WORKERS = `
  const { Worker } = require('node:worker_threads');
  const { once } = require('node:events');
  const workers = [];
  const inWorker = async (path) => {
    const body = \`
      const { parentPort, workerData } = require('node:worker_threads');
      const { TrillionProcessor } = require(workerData);
      setInterval(() => {}, 1e9);
      (async () => {
        try {
          return await new TrillionProcessor().run({ operation: 'sum', data: [1, 2] });
        } catch ({ code }) {
          return code;
        }
      })().then((value) => parentPort.postMessage(value));
    \`;
    const worker = new Worker(body, { eval: true, workerData: path });
    workers.push(worker);
    return (await once(worker, 'message'))[0];
  };
`;

test('a copy in another thread is refused as well', async () => {
  const code = `${WORKERS}
    const [root, copy] = [process.cwd(), ${JSON.stringify(copy)}];
    tell([await inWorker(copy), await inWorker(root), await inWorker(copy)]);
    // The threads that used it are gone; the copy is not.
    await Promise.all(workers.map((worker) => worker.terminate()));
    tell([await inWorker(root), await inWorker(copy)]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  `;
  expect(await toldBy(code)).toEqual([
    [3, 'ERR_CORE_DUPLICATE', 3],
    ['ERR_CORE_DUPLICATE', 3],
  ]);
});

test('of copies that start in many threads at once, one is used', async () => {
  const code = `${WORKERS}
    const [root, copy] = [process.cwd(), ${JSON.stringify(copy)}];
    const paths = Array.from({ length: 8 }, (_, i) => (i % 2 ? root : copy));
    const outcomes = await Promise.all(paths.map(inWorker));
    await Promise.all(workers.map((worker) => worker.terminate()));
    const of = (path) => [...new Set(outcomes.filter((_, i) => paths[i] === path))];
    tell([of(root), of(copy)].sort());
  `;
  expect(await toldBy(code)).toEqual([[[3], ['ERR_CORE_DUPLICATE']]]);
});

test('the same copy by a link is no duplicate, even where links are kept', async () => {
  const code = `
    const linked = require(${JSON.stringify(link)});
    const sum = { operation: 'sum', data: [1, 2] };
    tell([await new core.TrillionProcessor().run(sum), await new linked.TrillionProcessor().run(sum)]);
  `;
  expect(await toldBy(code)).toEqual([[3, 3]]);
  expect(await toldBy(code, { nodeArgs: ['--preserve-symlinks'] })).toEqual([[3, 3]]);
});
