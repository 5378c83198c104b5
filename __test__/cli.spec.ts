/* oxlint-disable jest/no-standalone-expect -- `onLinux` and `onUnix` are test functions under another name */
/** The command `noizylab index`, run as users run it: the built program, as a process of its own, on real trees. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { gzipSync } from 'node:zlib';
import { renderBar } from '../dist/cli/progress-text';
import { RateMeter } from '../dist/cli/rate-meter';

const MAIN = path.resolve(__dirname, '../dist/cli/main.js');
const onLinux = process.platform === 'linux' ? test : test.skip;
const onUnix = process.platform === 'win32' ? test.skip : test;

interface Line {
  path: string;
  size: number;
  sha256: string;
  gzipSize: number;
  lines: number;
  duplicateOf: string | null;
  nameBase64?: string;
  error?: { code: string; message: string };
}

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

let scratch: string;
/** The tree to index. */
let tree: string;
/** The results file, outside the tree. */
let out: string;
const running = new Set<ChildProcess>();

beforeEach(() => {
  scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'noizylab-cli-')));
  tree = path.join(scratch, 'tree');
  out = path.join(scratch, 'out.ndjson');
  fs.mkdirSync(tree);
});

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  // Unlike fs.rm, rm removes what lies deeper than the longest path.
  if (process.platform === 'win32') fs.rmSync(scratch, { recursive: true, force: true });
  else execFileSync('rm', ['-rf', scratch]);
});

function start(args: string[], options: { env?: NodeJS.ProcessEnv } = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  running.add(child);
  return child;
}

async function finish(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const [code, signal] = await once(child, 'close');
  running.delete(child);
  return { code, signal, stdout, stderr };
}

const run = (...args: string[]): Promise<Outcome> => finish(start(args));
const index = (...args: string[]): Promise<Outcome> => run('index', tree, '--out', out, ...args);

function write(name: string, content: string | Buffer): void {
  const file = path.join(tree, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}

/** Runs the command, which must fail as wrong use does, and gives what it says. */
async function wrong(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toMatch(/^\s+at /m);
  return stderr;
}

/** Waits until the run is under way. */
async function firstProgress(child: ChildProcess): Promise<void> {
  await once(child.stderr as NodeJS.ReadableStream, 'data');
}

/** Large files that take no room on the disk. */
function writeSparse(files: number, size: number): void {
  for (let i = 0; i < files; i++) {
    write(`sparse-${i}`, '');
    fs.truncateSync(path.join(tree, `sparse-${i}`), size);
  }
}

/** A file whose path is longer than the system allows, in a folder whose path is not. */
function writeTooDeep(): void {
  const script = `
    const fs = require('node:fs');
    const name = 'd'.repeat(200);
    for (;;) {
      if (process.cwd().length + name.length > 4080) break;
      fs.mkdirSync(name);
      process.chdir(name);
    }
    fs.writeFileSync('f'.repeat(4098 - process.cwd().length), 'x');
    fs.mkdirSync('sub');
    process.chdir('sub');
    const further = 'g'.repeat(100);
    fs.mkdirSync(further);
    process.chdir(further);
  `;
  execFileSync(process.execPath, ['-e', script], { cwd: tree });
}

function results(): Line[] {
  const text = fs.readFileSync(out, 'utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const paths = (): string[] => results().map((line) => line.path);

describe('what is indexed', () => {
  test('each file has its size, SHA-256, gzip size and number of lines', async () => {
    const contents: Record<string, Buffer> = {
      'a/text.txt': Buffer.from(
        Array.from({ length: 40_000 }, (_, i) => `${i} ${(i * 7919) % 104_729}\n`).join(''),
      ),
      'a/b/unended.txt': Buffer.from('one\ntwo'),
      'noise.bin': randomBytes(300_000),
      'source.ts': fs.readFileSync(__filename),
      'zero.bin': Buffer.alloc(100_000),
    };
    for (const [name, content] of Object.entries(contents)) write(name, content);

    const { code, stderr } = await index();

    expect({ code, stderr: stderr.match(/error|cannot/i) }).toEqual({ code: 0, stderr: null });
    expect(paths()).toEqual(['a/b/unended.txt', 'a/text.txt', 'noise.bin', 'source.ts', 'zero.bin']);
    for (const line of results()) {
      const content = contents[line.path] as Buffer;
      expect(line).toEqual({
        path: line.path,
        size: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
        gzipSize: expect.any(Number),
        lines: content.toString('latin1').split('\n').length - (content.at(-1) === 10 ? 1 : 0),
        duplicateOf: null,
      });
      const gzipSize = gzipSync(content).length;
      expect(Math.abs(line.gzipSize - gzipSize)).toBeLessThanOrEqual(Math.max(32, gzipSize * 0.05));
    }
  });

  test('a file whose content an earlier one has names that one', async () => {
    write('b', 'same');
    write('a/z', 'same');
    write('c', 'other');
    write('d', 'same');
    write('empty-1', '');
    write('empty-2', '');

    const { stdout } = await index();

    expect(results().map((line) => [line.path, line.duplicateOf])).toEqual([
      ['a/z', null],
      ['b', 'a/z'],
      ['c', null],
      ['d', 'a/z'],
      ['empty-1', null],
      ['empty-2', 'empty-1'],
    ]);
    expect(stdout).toMatch(/^ +duplicates +3 files, 8 B$/m);
  });

  test('an empty file has no bytes and no lines', async () => {
    write('empty', '');
    await index();
    expect(results()).toMatchObject([{ path: 'empty', size: 0, lines: 0, duplicateOf: null }]);
  });

  test('an empty folder gives an empty results file', async () => {
    const { code, stdout } = await index();
    expect({ code, size: fs.statSync(out).size }).toEqual({ code: 0, size: 0 });
    expect(stdout).toMatch(/^0 files indexed, 0 B in /);
  });

  test('the same tree gives the same results, byte for byte, whatever the number of workers', async () => {
    for (let i = 0; i < 300; i++) write(`dir-${i % 7}/file-${i}`, randomBytes(1 + ((i * 7919) % 20_000)));
    write('dir-0/large', Buffer.alloc(20_000_000, 'x'));

    const texts: string[] = [];
    for (const workers of ['1', '2', '5']) {
      expect(await index('--no-compare', '--workers', workers)).toMatchObject({ code: 0 });
      texts.push(fs.readFileSync(out, 'utf8'));
    }

    expect(results()).toHaveLength(301);
    expect(new Set(texts).size).toBe(1);
  });

  onUnix(
    'links are counted and not followed, whether to a file, a folder, themselves or nothing',
    async () => {
      const outside = path.join(scratch, 'outside');
      fs.mkdirSync(outside);
      fs.writeFileSync(path.join(outside, 'secret'), 'secret');
      write('dir/file', 'content');
      fs.symlinkSync('dir/file', path.join(tree, 'to-file'));
      fs.symlinkSync(outside, path.join(tree, 'to-folder'));
      fs.symlinkSync('..', path.join(tree, 'dir', 'to-parent'));
      fs.symlinkSync('to-itself', path.join(tree, 'to-itself'));
      fs.symlinkSync('missing', path.join(tree, 'to-nothing'));

      const { code, stdout } = await index();

      expect({ code, paths: paths() }).toEqual({ code: 0, paths: ['dir/file'] });
      expect(stdout).toMatch(/^ +links +5, not followed$/m);
    },
  );

  onUnix('a folder that is named through a link is indexed', async () => {
    write('file', 'content');
    fs.symlinkSync(tree, path.join(scratch, 'link'));
    expect(await run('index', 'link', '--out', out)).toMatchObject({ code: 0 });
    expect(paths()).toEqual(['file']);
  });

  onUnix('a FIFO does not hold up the run', async () => {
    execFileSync('mkfifo', [path.join(tree, 'fifo')]);
    write('file', 'content');

    const { code, stdout } = await index();

    expect({ code, paths: paths() }).toEqual({ code: 0, paths: ['file'] });
    expect(stdout).toMatch(/^ +special +1 /m);
  });

  onUnix('odd names come back as they are', async () => {
    const names = [
      ' leading space',
      '-n',
      'a\tb',
      'line\nfeed',
      'quote"\\',
      'ünïcödé 日本 🎉',
      '\u001b[31mred',
    ];
    for (const name of names) write(name, name);
    await index();
    expect(new Set(paths())).toEqual(new Set(names));
  });

  test('a folder whose name begins with a dash is given after two dashes', async () => {
    fs.mkdirSync(path.join(scratch, '-dash'));
    fs.writeFileSync(path.join(scratch, '-dash', 'file'), '');
    expect(await run('index', '--out', out, '--', '-dash')).toMatchObject({ code: 0 });
    expect(paths()).toEqual(['file']);
  });

  test('the results file is not indexed when it lies in the tree', async () => {
    write('file', 'content');
    out = path.join(tree, 'out.ndjson');
    await index();
    expect(paths()).toEqual(['file']);
  });

  onUnix('nor when it is reached through links', async () => {
    write('file', 'content');
    write('real.ndjson', 'old');
    fs.symlinkSync(tree, path.join(scratch, 'way-in'));
    fs.symlinkSync(path.join(tree, 'real.ndjson'), path.join(scratch, 'out.link'));
    await run('index', path.join(scratch, 'way-in'), '--out', path.join(scratch, 'out.link'));
    out = path.join(tree, 'real.ndjson');
    expect(paths()).toEqual(['file']);
  });
});

describe('what cannot be read', () => {
  onLinux('is reported and counted, and the run goes on', async () => {
    writeTooDeep();
    write('zz-after', 'content');

    const { code, stdout, stderr } = await index();

    const failed = results().filter((line) => line.error);
    expect(failed.map((line) => path.posix.basename(line.path)[0])).toEqual(['f', 'g']);
    for (const line of failed) {
      expect(Object.keys(line)).toEqual(['path', 'error']);
      expect(line.error?.message).toMatch(/too long/i);
      expect(line.error?.code).toMatch(/^E[A-Z_]+$/);
    }
    expect(paths()).toContain('zz-after');
    expect(stdout).toMatch(/^1 file indexed/);
    expect(stdout).toMatch(/^ +unreadable +2, /m);
    expect(stderr.match(/too long/gi)).toHaveLength(2);
    expect(code).toBe(1);
  });

  onLinux('a name cannot write to the terminal by way of the report', async () => {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/\u001b[31m\n\u202e`), Buffer.from([0xff])]), 'x');
    const { code, stderr } = await index();
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot read \\x1b\[31m\\n\\u\{202e\}\ufffd: /);
  });

  onLinux(
    'a name that is not UTF-8 is reported with its bytes, and a twin that is UTF-8 is indexed',
    async () => {
      const folder = Buffer.from(`${tree}/`);
      fs.writeFileSync(Buffer.concat([folder, Buffer.from([0x61, 0xff])]), 'x');
      fs.writeFileSync(Buffer.concat([folder, Buffer.from('a\ufffd')]), 'y');

      const { code } = await index();

      expect(code).toBe(1);
      expect(results()).toHaveLength(2);
      expect(results()).toContainEqual({
        path: 'a\ufffd',
        nameBase64: Buffer.from([0x61, 0xff]).toString('base64'),
        error: { code: 'ERR_CLI_NAME_NOT_UTF8', message: expect.any(String) },
      });
      expect(results().find((line) => line.error === undefined)).toMatchObject({ path: 'a\ufffd', size: 1 });
    },
  );
});

describe('the end of a run', () => {
  test('the summary gives the figures of the tree', async () => {
    write('a', 'one\ntwo\n');
    write('b', 'one\ntwo\n');
    const { stdout } = await index();
    expect(stdout).toMatch(
      /^2 files indexed, 16 B in \d+\.\d\d s \(.*\/s, [\d,]+ files\/s, \d+ threads?\)$/m,
    );
    expect(stdout).toMatch(/^ +gzip +\d+ B/m);
    expect(stdout).toMatch(/^ +lines +4$/m);
    expect(stdout).toMatch(/^ +unreadable +0$/m);
    expect(stdout).toContain(out);
  });

  test('--json prints the same as one line', async () => {
    write('a', 'one\ntwo\n');
    const { stdout } = await index('--json', '--workers', '3', '--no-compare');
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toEqual({
      folder: tree,
      out,
      interrupted: false,
      threads: 3,
      files: 1,
      bytes: 8,
      gzipBytes: expect.any(Number),
      lines: 2,
      duplicates: 0,
      duplicateBytes: 0,
      links: 0,
      special: 0,
      failures: 0,
      elapsedMs: expect.any(Number),
      bytesPerSecond: expect.any(Number),
      filesPerSecond: expect.any(Number),
      speedUp: { reason: 'not asked for' },
    });
  });

  test('--quiet prints nothing', async () => {
    write('a', 'content');
    expect(await index('--quiet')).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(paths()).toEqual(['a']);
  });

  test('the speed-up is measured on a sample of the files, with both times', async () => {
    for (let i = 0; i < 40; i++) write(`file-${i}`, randomBytes(256 * 1024));
    const { stdout } = await index('--json', '--workers', '2');
    const { speedUp } = JSON.parse(stdout);
    expect(speedUp).toMatchObject({ threads: 2, files: expect.any(Number), bytes: expect.any(Number) });
    expect(speedUp.files).toBeGreaterThanOrEqual(2);
    expect(speedUp.bytes).toBe(speedUp.files * 256 * 1024);
    expect(speedUp.ratio).toBeCloseTo(speedUp.oneThreadMs / speedUp.allThreadsMs);
  });

  test('where one thread does all, that is said in place of a speed-up', async () => {
    write('a', 'content');
    expect((await index('--workers', '1')).stdout).toMatch(
      /speed-up +not measured: there is one thread only$/m,
    );
    expect((await index('--workers', '2')).stdout).toMatch(/speed-up +not measured: .*too few files/m);
    expect((await index('--no-compare')).stdout).toMatch(/speed-up +not measured: not asked for$/m);
  });

  test('progress is plain lines where there is no terminal', async () => {
    writeSparse(12, 128 * 1024 * 1024);
    const { stderr } = await index('--no-compare', '--workers', '1');
    expect(stderr).toMatch(/^\d+ %, [\d,]+ of 12 files, [\d.]+ \wB\/s(, ETA \d+:\d\d)?$/m);
    // oxlint-disable-next-line no-control-regex -- the absence of control characters is what is tested
    expect(stderr).not.toMatch(/[\r\u001b]/);
  });
});

describe('the progress bar', () => {
  const plain = { unicode: false, color: false };

  test('fits any width', () => {
    const snapshot = { files: 12_345, bytes: 8e8, total: { files: 29_301, bytes: 2e9 } };
    const rates = { bytesPerSecond: 86.4e6, share: 0.42, eta: 6.5 };
    for (let width = 1; width < 200; width++) {
      expect(renderBar(snapshot, rates, width, { unicode: true, color: false }).length).toBeLessThanOrEqual(
        width,
      );
      expect(renderBar({ files: 1, bytes: 1 }, rates, width, plain).length).toBeLessThanOrEqual(width);
    }
    expect(renderBar(snapshot, rates, 79, plain)).toBe(
      ' 42% #############..................  12,345/29,301 files   86.4 MB/s  ETA 0:07',
    );
  });

  test('reckons with the speed of the last seconds, and with the files as well as their bytes', () => {
    let now = 0;
    const meter = new RateMeter(() => now);
    const total = { files: 1000, bytes: 100e6 };
    now = 1000;
    expect(meter.measure({ files: 100, bytes: 10e6, total })).toEqual({
      bytesPerSecond: expect.closeTo(10e6),
      share: expect.closeTo(0.1),
      eta: expect.closeTo(9),
    });
    for (let second = 2; second <= 60; second++) {
      now = second * 1000;
      meter.measure({ files: 100, bytes: 10e6, total });
    }
    now += 1000;
    const { bytesPerSecond } = meter.measure({ files: 110, bytes: 11e6, total });
    expect(bytesPerSecond).toBeGreaterThan(0.2e6);
    expect(bytesPerSecond).toBeLessThan(0.4e6);
    // More than was counted: the tree has grown.
    expect(meter.measure({ files: 2000, bytes: 200e6, total })).toMatchObject({ share: 1, eta: 0 });
  });

  const script = process.platform === 'linux' && fs.existsSync('/usr/bin/script') ? test : test.skip;

  script('is one line on a terminal, as wide as that, and is gone at the end', async () => {
    writeSparse(12, 96 * 1024 * 1024);
    const command = `stty cols 60; exec '${process.execPath}' '${MAIN}' index '${tree}' --out '${out}' --workers 1`;
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TERM: 'xterm', LC_ALL: 'C', NO_COLOR: '1' },
    });
    running.add(child);

    const { code, stdout } = await finish(child);

    expect(code).toBe(0);
    const [bars = '', summary = ''] = stdout.split(/(?=12 files indexed)/);
    const frames = bars.split('\r\u001b[K');
    expect(frames.length).toBeGreaterThan(3);
    expect(bars).not.toContain('\n');
    for (const frame of frames) expect(frame).toMatch(/^$|^ *\d+% .*ETA|files .*counting/);
    expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThan(60);
    expect(frames.at(-1)).toBe('');
    expect(summary).not.toContain('\u001b');
  });
});

describe('wrong use', () => {
  test('a folder that does not exist is named, and the results file is left alone', async () => {
    fs.writeFileSync(out, 'precious');
    expect(await wrong('index', 'no-such', '--out', out)).toMatch(/no-such.*no such file or directory/);
    expect(fs.readFileSync(out, 'utf8')).toBe('precious');
  });

  test('a file in place of the folder is refused', async () => {
    write('file', '');
    expect(await wrong('index', path.join(tree, 'file'), '--out', out)).toMatch(/file.*not a directory/);
  });

  test('a results file in a folder that does not exist is refused', async () => {
    expect(await wrong('index', tree, '--out', 'no/such/out')).toMatch(/no\/such\/out.*no such file/);
  });

  test('a folder in place of the results file is refused', async () => {
    expect(await wrong('index', tree, '--out', tree)).toMatch(/cannot create .*directory/);
  });

  test.each(['0', '-1', '1.5', 'NaN', '', 'two', '1e3'])('--workers %j is refused', async (workers) => {
    expect(await wrong('index', tree, '--out', out, `--workers=${workers}`)).toMatch(/workers/);
    expect(fs.existsSync(out)).toBe(false);
  });

  test('an absurd number of workers is refused', async () => {
    expect(await wrong('index', tree, '--out', out, '--workers', '99999999999')).toMatch(/maxWorkers/);
    expect(fs.existsSync(out)).toBe(false);
  });

  test('a missing argument or option, an unknown option or command, and no command at all give help', async () => {
    expect(await wrong('index', '--out', out)).toMatch(/missing required argument[^]*Usage: noizylab index/);
    expect(await wrong('index', tree)).toMatch(/required option[^]*--out[^]*Usage: noizylab index/);
    expect(await wrong('index', tree, '--out', out, '--bogus')).toMatch(/unknown option[^]*Usage/);
    expect(await wrong('bogus')).toMatch(/unknown command[^]*Usage: noizylab /);
    expect(await wrong()).toMatch(/Usage: noizylab /);
  });

  test('--help and --version answer on standard output', async () => {
    const { version } = JSON.parse(fs.readFileSync(path.resolve(__dirname, '../package.json'), 'utf8'));
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(await run('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('index'),
      stderr: '',
    });
    const help = await run('index', '--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const word of ['--out', '--workers', '--no-compare', '--quiet', '--json', '130']) {
      expect(help.stdout).toContain(word);
    }
  });

  onLinux('a full disk ends the run with the reason', async () => {
    for (let i = 0; i < 50; i++) write(`file-${i}`, `${i}`);
    expect(await wrong('index', tree, '--out', '/dev/full')).toMatch(
      /cannot write '\/dev\/full': no space left on device \(ENOSPC\)\n$/,
    );
  });

  onLinux('a summary that cannot be printed is an error, a reader that stops early is none', async () => {
    write('file', 'content');
    const command = `"$@" > /dev/full; echo $?; { "$@"; echo code $? >&2; } | true`;
    const args = [process.execPath, MAIN, 'index', tree, '--out', out];
    const shell = spawn('/bin/sh', ['-c', command, 'sh', ...args]);
    running.add(shell);

    const { stdout, stderr } = await finish(shell);

    expect(stdout).toBe('2\n');
    expect(stderr).toMatch(/cannot write to standard output: no space left[^]*code 0\n$/);
    expect(stderr).not.toMatch(/EPIPE/);
  });

  onLinux('a disk that fills up later leaves whole lines', async () => {
    for (let i = 0; i < 3000; i++) write(`file-${i}`, '');
    // The largest file that this shell and its children may write: 100 kB, in blocks of 512 bytes.
    const limited = spawn('/bin/sh', [
      '-c',
      'ulimit -f 200; exec "$@"',
      'sh',
      process.execPath,
      MAIN,
      'index',
      tree,
      '--out',
      out,
    ]);
    running.add(limited);

    const { code, stderr } = await finish(limited);

    expect({ code, lines: results().length > 100 }).toEqual({ code: 2, lines: true });
    expect(stderr).toMatch(/cannot write .*file too large \(EFBIG\)\n$/);
  });
});

describe('Ctrl+C', () => {
  onUnix('ends the run with what is done written, and says so', async () => {
    for (let i = 0; i < 100; i++) write(`done-${i}`, `${i}`);
    writeSparse(24, 128 * 1024 * 1024);
    const child = start(['index', tree, '--out', out, '--workers', '2', '--json']);
    const outcome = finish(child);
    await firstProgress(child);
    child.kill('SIGINT');

    const { code, stdout } = await outcome;

    expect(code).toBe(130);
    const lines = results();
    expect(lines.length).toBeGreaterThanOrEqual(100);
    expect(lines.length).toBeLessThan(124);
    expect(lines.filter((line) => line.error)).toEqual([]);
    expect(JSON.parse(stdout)).toMatchObject({ interrupted: true, files: lines.length, failures: 0 });
  });

  onUnix('twice at the same moment, as npx passes it on, counts as once', async () => {
    writeSparse(24, 128 * 1024 * 1024);
    const child = start(['index', tree, '--out', out, '--workers', '2']);
    const outcome = finish(child);
    await firstProgress(child);
    child.kill('SIGINT');
    child.kill('SIGINT');

    expect(await outcome).toMatchObject({ code: 130, stdout: expect.stringMatching(/^interrupted: /) });
    results();
  });

  onUnix('SIGTERM does the same with its own exit code', async () => {
    writeSparse(24, 128 * 1024 * 1024);
    const child = start(['index', tree, '--out', out, '--workers', '2']);
    const outcome = finish(child);
    await firstProgress(child);
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ code: 143, stdout: expect.stringMatching(/^interrupted: /) });
  });

  onUnix('again ends the process at once, even while a write hangs', async () => {
    const fifo = path.join(scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    // A reader that never reads: the pipe fills up and the write behind it hangs.
    const reader = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    for (let i = 0; i < 2000; i++) write(`${i}-${'name'.repeat(20)}`, '');
    writeSparse(8, 128 * 1024 * 1024);
    const child = start(['index', tree, '--out', fifo, '--workers', '2']);
    const outcome = finish(child);
    await firstProgress(child);
    child.kill('SIGINT');
    // Two key presses of a person are further apart than one press that arrives twice.
    const again = setInterval(() => child.kill('SIGINT'), 100);

    expect(await outcome).toMatchObject({ code: null, signal: 'SIGINT' });
    clearInterval(again);
    fs.closeSync(reader);
  });
});
