/** Memory that the system refuses is an error of the one call: the process, the cache and what it holds stay. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const FIXTURE = path.join(__dirname, 'fixtures', 'cache-memory.js');
/** The shell's limit on the address space, in KiB: more than Node starts with, less than the values take. */
const LIMIT = 3_000_000;

interface Told {
  refused?: string;
  stored: number;
  before: { size: number; last: boolean };
  small?: string;
  size: number;
}

const isLimitable =
  process.platform === 'linux' &&
  spawnSync('sh', ['-c', `ulimit -v ${LIMIT} && exec "$0" -e 0`, process.execPath]).status === 0;

/** Fills a cache in a limited process; what it told. */
function fill(size: number, count: number): Told {
  const { status, signal, stdout, stderr } = spawnSync(
    'sh',
    ['-c', `ulimit -v ${LIMIT} && exec "$0" "$@"`, process.execPath, FIXTURE, String(size), String(count)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`ended with ${status ?? signal}: ${stderr}`);
  return JSON.parse(stdout) as Told;
}

// Linux alone keeps to `ulimit -v`: elsewhere, or where Node does not start under it, these are skipped.
const limited = isLimitable ? describe : describe.skip;

limited('under a limit of the address space', () => {
  test.each([
    ['a few large values', 100_000_000, 100],
    ['many values of middle size', 1_000_000, 10_000],
  ])('%s are refused with a code, and the process goes on', (_, size, count) => {
    const told = fill(size, count);
    expect(told.refused).toBe('ERR_CORE_OUT_OF_MEMORY');
    expect(told.stored).toBeGreaterThan(0);
    expect(told.before).toEqual({ size: told.stored, last: true });
    expect(told).toMatchObject({ small: 'value', size: 1 });
  });
});
