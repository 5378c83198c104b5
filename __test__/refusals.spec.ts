/**
 * What the system refuses is a result: where no thread, no file and no memory is to be had, the process goes on and each promise settles, with a value or
 * with an error that has a code. The programs run as an ordinary user, for root is bound by no number of threads.
 *
 * The story: no file left for the runtime's event queue, or no thread for it, ended the process by a panic without a message; a thread that was refused
 * made `initialize` loop for ever, and left tasks waiting that nobody tried again.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const FIXTURES = join(__dirname, 'fixtures');
const SYSTEMS = ['native', 'timeout', 'initialize', 'hosted', 'cache', 'actor', 'thread', 'broker', 'zipped'];
/** Those that start no thread of Node: where memory is refused V8 ends the process with the thread's heap. */
const WITHOUT_HEAPS = SYSTEMS.filter((name) => name !== 'hosted' && name !== 'thread');
/** A user that nobody else is, so that only the program's own threads count; it may read what root may, wherever the project lies. */
const AS_USER = [
  '--reuid',
  '61234',
  '--clear-groups',
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
  '--',
];

function answers(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

const isRoot = process.getuid?.() === 0;
const able =
  process.platform === 'linux' &&
  answers('prlimit', ['--version']) &&
  (!isRoot || answers('setpriv', [...AS_USER, process.execPath, '--version']));
if (!able) {
  const missing = 'limits are set on Linux, by prlimit and setpriv of util-linux';
  if (process.platform === 'linux' && !['', '0', 'false'].includes(process.env['CI'] ?? ''))
    throw new Error(missing);
  process.stderr.write(`skipped: ${missing}\n`);
}
const describeAble = able ? describe : describe.skip;

/** The lines that a fixture prints; the program must end by itself. */
function linesOf(fixture: string, ...words: readonly string[]): string[] {
  const program = [process.execPath, join(FIXTURES, fixture), ...words];
  const [command, ...args] = isRoot ? ['setpriv', ...AS_USER, ...program] : program;
  const options = { encoding: 'utf8', timeout: 25_000, killSignal: 'SIGKILL' } as const;
  const { status, signal, stdout, stderr } = spawnSync(command!, args, options);
  const lines = stdout.trim().split('\n');
  expect({ status, signal, lines, stderr }).toEqual({ status: 0, signal: null, lines, stderr: '' });
  return lines;
}

/** What became of each system with so much left of a resource. */
function outcomes(resource: string, left: number): Map<string, string> {
  const lines = linesOf('refusals.cjs', resource, String(left));
  return new Map(lines.map((line) => line.split(' ') as [string, string]));
}

const CODE = /^(ok|ERR_[A-Z_]+|E[A-Z]+)$/;

describeAble('the process goes on, and each promise settles with a value or a code', () => {
  test.each([0, 1, 2, 3, 5, 8, 13])('where %i files can be opened', (left) => {
    const found = outcomes('files', left);
    expect([...found.keys()]).toEqual(SYSTEMS);
    for (const said of found.values()) expect(said).toMatch(CODE);
  });

  test.each([0, 1, 2, 3])('where %i threads can be started', (left) => {
    const found = outcomes('threads', left);
    expect([...found.keys()]).toEqual(SYSTEMS);
    for (const said of found.values()) expect(said).toMatch(CODE);
  });

  test.each([64, 256])('where %i MiB can be had', (left) => {
    const found = outcomes('memory', left);
    expect([...found.keys()]).toEqual(WITHOUT_HEAPS);
    // An array that JavaScript cannot have is a RangeError of V8's, which has no code.
    for (const said of found.values()) expect(said).toMatch(/^(ok|ERR_[A-Z_]+|E[A-Z]+|RangeError)$/);
  });
});

// The story: each time that the runtime was refused its thread, three files of its event queue stayed open, until the process had none left.
describeAble('what is refused leaves nothing behind', () => {
  test('no file stays open where the runtime is refused its thread', () => {
    const [line] = linesOf('refused-again.cjs');
    const [codes, before, after] = line!.split(' ');
    expect(codes).toBe('ERR_CORE_RESOURCES');
    expect(after).toBe(before);
  });
});
