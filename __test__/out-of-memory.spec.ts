/**
 * Work for which there is not enough memory. Where Node throws, the native part ended the process: it fails with a code now, and what comes after it succeeds.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startNode } from './lib/child';

const FIXTURE = join(__dirname, 'fixtures', 'out-of-memory.cjs');
/** The limit is set by a tool of Linux. */
const canLimit = process.platform === 'linux' && ['/usr/bin/prlimit', '/bin/prlimit'].some(existsSync);

async function outcomeOf(work: string): Promise<{ failed: unknown; after: unknown }> {
  const { code, stdout, stderr } = await startNode([FIXTURE, work], { killAfter: 100_000 }).ended;
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as { failed: unknown; after: unknown };
}

(canLimit ? describe : describe.skip)('with too little memory', () => {
  test.each(['gunzip', 'gzip', 'transform', 'copy', 'quantiles', 'submission'])(
    'a task fails, and the next one succeeds: %s',
    async (work) => {
      expect(await outcomeOf(work)).toEqual({ failed: 'ERR_CORE_OUT_OF_MEMORY', after: 6 });
    },
    110_000,
  );

  test("a result of a user's operation fails its task, and the worker goes on", async () => {
    expect(await outcomeOf('hosted')).toEqual({ failed: 'ERR_CORE_OUT_OF_MEMORY', after: 'a result of 10' });
  }, 110_000);

  test('a call of another thread rejects, and the next one is answered', async () => {
    expect(await outcomeOf('post')).toEqual({ failed: 'ERR_CORE_OUT_OF_MEMORY', after: 'a result of 1' });
  }, 110_000);

  test('a broker refuses values, and keeps what it has', async () => {
    const { failed, after } = await outcomeOf('broker');
    expect(failed).toContain('ERR_CORE_OUT_OF_MEMORY');
    expect(new Set(failed as string[])).toEqual(new Set(['a result of true', 'ERR_CORE_OUT_OF_MEMORY']));
    expect(after).toBe('a result of 1');
  }, 110_000);
});

test('a result that is no text of JavaScript any more fails alone', async () => {
  const { failed, after } = await outcomeOf('text');
  expect(failed).toEqual([1, 'ERR_CORE_TOO_LARGE', 3]);
  expect(after).toBe(6);
}, 110_000);
