/** Loading the package: by every name that it has, cheaply, and the native part only when something is made. */
import { startNode, toldBy } from './lib/child';

/** In a child: the addons that the process has mapped, by file name. */
const ADDONS = `
  const { basename } = require('node:path');
  const addons = () => process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node')).map((file) => basename(file));
`;

/** What an ES module tells. */
async function toldByModule(code: string): Promise<unknown[]> {
  const { told, ...end } = await startNode(['--input-type=module', '-e', code]).ended;
  expect(end).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  return told;
}

const NAMES = [
  'ChunkedProcessor',
  'NoizylabError',
  'ParallelEngine',
  'ParallelStream',
  'TRILLION_CONFIG',
  'TaskResults',
  'TrillionProcessor',
  'batch',
  'debounce',
  'parallel',
  'retry',
  'runParallel',
  'throttle',
  'timeout',
];
const PARALLEL_NAMES = [
  'ChunkedProcessor',
  'ParallelEngine',
  'ParallelStream',
  'batch',
  'debounce',
  'parallel',
  'retry',
  'throttle',
  'timeout',
];

describe('the package by its names', () => {
  test('require gives every name', async () => {
    const told = await toldBy(`tell(Object.keys(require('@noizylab/core')).sort());`);
    expect(told).toEqual([expect.arrayContaining(NAMES)]);
  });

  test.each(['@noizylab/core/parallel', '@noizylab/parallel'])(
    'require of %s gives the engine',
    async (name) => {
      const told = await toldBy(`tell(Object.keys(require('${name}')).sort());`);
      expect(told).toEqual([expect.arrayContaining(PARALLEL_NAMES)]);
    },
  );

  test.each([
    ['@noizylab/core', NAMES],
    ['@noizylab/core/parallel', PARALLEL_NAMES],
    ['@noizylab/parallel', PARALLEL_NAMES],
  ])('import of %s gives every name as a named import', async (name, names) => {
    const code = `
      import { ${names.join(', ')} } from '${name}';
      process.send([${names.join(', ')}].map((value) => typeof value));
    `;
    const [kinds] = (await toldByModule(code)) as [string[]];
    expect(kinds).toHaveLength(names.length);
    expect(kinds).not.toContain('undefined');
  });

  test('import and require, and all names, give the same classes', async () => {
    const code = `
      import { createRequire } from 'node:module';
      import { ParallelEngine, TrillionProcessor } from '@noizylab/core';
      import core from '@noizylab/core';
      import { ParallelEngine as ofPath } from '@noizylab/core/parallel';
      import { ParallelEngine as ofFacade } from '@noizylab/parallel';
      const required = createRequire(import.meta.url)('@noizylab/core');
      process.send([
        TrillionProcessor === required.TrillionProcessor,
        TrillionProcessor === core.TrillionProcessor,
        ParallelEngine === ofPath,
        ParallelEngine === ofFacade,
      ]);
    `;
    expect(await toldByModule(code)).toEqual([[true, true, true, true]]);
  });

  test('an imported processor works', async () => {
    const code = `
      import { TrillionProcessor } from '@noizylab/core';
      const processor = new TrillionProcessor();
      const task = { operation: 'sum', data: [1, 2, 3] };
      const user = await processor.parallelMap([1, 2], (x) => x * 2, { thread: true });
      process.send([await processor.run(task), user]);
      await processor.shutdown();
    `;
    expect(await toldByModule(code)).toEqual([[6, [2, 4]]]);
  });

  test('what is not exported cannot be reached', async () => {
    const code = `
      try {
        require('@noizylab/core/dist/processor/core.js');
      } catch ({ code }) {
        tell(code);
      }
    `;
    expect(await toldBy(code)).toEqual(['ERR_PACKAGE_PATH_NOT_EXPORTED']);
  });
});

describe('the native part', () => {
  test('is not loaded by require, and is by the first processor', async () => {
    const code = `${ADDONS}
      const before = addons();
      new core.TrillionProcessor();
      tell({ before, after: addons() });
    `;
    expect(await toldBy(code)).toEqual([
      { before: [], after: [expect.stringMatching(/^noizylab\..+\.node$/)] },
    ]);
  });

  test('is not loaded by import', async () => {
    const code = `
      import { TrillionProcessor } from '@noizylab/core';
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      ${ADDONS}
      const before = addons();
      new TrillionProcessor();
      process.send([before.length, addons().length]);
    `;
    expect(await toldByModule(code)).toEqual([[0, 1]]);
  });

  test('is not loaded by the parallel engine, which does not need it', async () => {
    const code = `${ADDONS}
      const { ParallelEngine } = require('@noizylab/parallel');
      await ParallelEngine.all([() => 1, () => 2], 2);
      tell(addons());
    `;
    expect(await toldBy(code)).toEqual([[]]);
  });

  test('is not loaded for options that are refused', async () => {
    const code = `${ADDONS}
      try {
        new core.TrillionProcessor({ maxWorkers: -1 });
      } catch ({ code }) {
        tell([code, addons()]);
      }
    `;
    expect(await toldBy(code)).toEqual([['ERR_PROCESSOR_OUT_OF_RANGE', []]]);
  });
});

describe('the cost of loading', () => {
  test('the package alone: none of its dependencies, and few files', async () => {
    const code = `
      const { relative, sep } = require('node:path');
      tell(Object.keys(require.cache).map((file) => relative(process.cwd(), file).split(sep).join('/')));
    `;
    const [files] = (await toldBy(code)) as [string[]];
    expect(files.filter((file) => !/^(index\.js$|dist\/)/.test(file))).toEqual([]);
    expect(files.length).toBeLessThanOrEqual(60);
  });

  test('no thread is started and no handle is opened', async () => {
    const code = `
      const { readdirSync } = require('node:fs');
      const threads = () => process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0;
      const before = [threads(), process.getActiveResourcesInfo().length];
      require('@noizylab/core');
      tell([threads() - before[0], process.getActiveResourcesInfo().length - before[1]]);
    `;
    // The child's own script requires the package first, so this one asks a bare Node.
    const bare = `const tell = (value) => process.send(value); ${code}`;
    const { told } = await startNode(['-e', bare]).ended;
    expect(told).toEqual([[0, 0]]);
  });
});
