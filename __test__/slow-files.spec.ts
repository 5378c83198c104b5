/**
 * A file system that does not answer, as a network drive whose server is gone: nobody waits for it but who asked for the file.
 *
 * The story: the loan of a borrowed array belonged to all tasks that were handed over with it. A thread whose array had long been summed up ended only when the
 * file that was read beside it was there.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inChild } from './lib/child';
import { shimEnv } from './lib/shims';

const env = shimEnv('slow-read');
const describeShimmed = env === undefined ? describe.skip : describe;

describeShimmed('a thread that reads from a file system that does not answer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'noizylab-slow-'));
  const path = join(folder, 'file.slow');
  writeFileSync(path, 'late');
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['alone', ''],
    [
      'beside an array that is done',
      `await processor.run({ operation: 'sum', data: new Float64Array(100_000) });`,
    ],
  ])('ends at once, %s', async (_, beside) => {
    const worker = `
      const { TrillionProcessor } = require('./index.js');
      const processor = new TrillionProcessor({ maxWorkers: 2 });
      processor.run({ operation: 'sha256', data: { path: ${JSON.stringify(path)} } }).catch(() => {});
      (async () => {
        ${beside}
        // What was handed over in this turn is running before the next.
        while (processor.getStats().running === 0) await new Promise((next) => setImmediate(next));
        require('node:worker_threads').parentPort.postMessage('reads');
      })();`;
    const code = `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
      worker.once('message', async () => {
        await worker.terminate();
        await tell('ended');
        process.exit(0);
      });`;
    // The file never comes: where the end waits for it, the child is killed.
    const { told, code: exitCode, signal } = await inChild(code, { env: env! });
    expect({ told, exitCode, signal }).toEqual({ told: ['ended'], exitCode: 0, signal: null });
  });
});
