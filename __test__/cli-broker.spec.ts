/* oxlint-disable jest/no-standalone-expect -- `onUnix` is a test function under another name */
/** The commands `noizylab broker` and `noizylab ctl`, run as users run them: the built program, as processes of their own. */
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Client } from '../dist/broker';
import { type Child, type Ended, ROOT, startNode } from './lib/child';

const MAIN = path.join(ROOT, 'dist', 'cli', 'main.js');
const onUnix = process.platform === 'win32' ? test.skip : test;
const eachOnUnix = process.platform === 'win32' ? test.skip.each : test.each;

/** What of the environment of the tests would be seen by a broker. */
const CLEAN: NodeJS.ProcessEnv = {};
for (const name of Object.keys(process.env)) {
  if (/^(BROKER|CLIENT|EPHEMERAL)_/.test(name)) CLEAN[name] = undefined;
}

interface Running {
  pipe: string;
  child: Child;
  /** Everything that it has printed so far. */
  text(): string;
}

let scratch: string;
const children = new Set<Child>();
let brokers = 0;

beforeEach(() => {
  // A short name: the path of a socket has room for some 100 bytes.
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'nzb-'));
});

afterEach(async () => {
  await Promise.all([...children].map(end));
  children.clear();
  fs.rmSync(scratch, { recursive: true });
});

async function end({ process: child }: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  // Sockets lie in the folder of temporary files.
  const child = startNode([MAIN, ...args], { env: { ...CLEAN, TMPDIR: scratch, ...env } });
  children.add(child);
  return child;
}

/** How a process has ended: all that it started has ended too, or closed its output. */
async function finish(child: Child): Promise<Ended> {
  const ended = await child.ended;
  children.delete(child);
  return ended;
}

const run = (...args: string[]): Promise<Ended> => finish(start(args));

function freshId(): string {
  return `${process.pid}-${brokers++}`;
}

/** Where a broker of this name listens. */
function pipeOf(id: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\broker-${id}` : path.join(scratch, `broker-${id}.sock`);
}

function collected(child: Child): () => string {
  let text = '';
  child.process.stdout!.on('data', (chunk: string) => (text += chunk));
  return () => text;
}

/** Waits until a process has printed what matches; rejects if it ends before. */
async function printed(child: Child, text: () => string, pattern: RegExp): Promise<RegExpExecArray> {
  const ended = child.ended.then(({ stdout, stderr }) => {
    throw new Error(`it ended, and had printed: ${stdout}${stderr}`);
  });
  ended.catch(() => {}); // it may well end later
  for (;;) {
    const match = pattern.exec(text());
    if (match) return match;
    await Promise.race([new Promise((resolve) => child.process.stdout!.once('data', resolve)), ended]);
  }
}

/** Starts a broker without a command. */
async function startBroker(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const child = start(['broker', 'start', '--pipe-id', freshId(), ...args], env);
  const text = collected(child);
  const [, pipe = ''] = await printed(child, text, /^Broker running on: (.*)\nPress Ctrl\+C to stop\n/m);
  return { pipe, child, text };
}

/** Starts a broker around a Node script, with a pipe of a known name. */
function startAround(script: string, ...args: string[]): { child: Child; text: () => string; pipe: string } {
  const id = freshId();
  const flags = ['--pipe-id', id, '--log-level', 'error', ...args];
  const child = start(['broker', 'start', ...flags, '--', process.execPath, '-e', script]);
  return { child, text: collected(child), pipe: pipeOf(id) };
}

/** Runs a request that must succeed, and gives what it prints. */
async function ctl(pipe: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('ctl', '--pipe', pipe, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** Runs a request that must fail, and gives what it says. */
async function refused(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('ctl', ...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  return stderr;
}

/** Runs the command, which must fail as wrong use does, and gives what it says. */
async function wrong(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toMatch(/^\s+at /m);
  return stderr;
}

function secretFile(content: string | Buffer): string {
  const file = path.join(scratch, 'secret');
  fs.writeFileSync(file, content, { mode: 0o600 });
  return file;
}

/** Asks again and again until the answer is yes: for what other processes do and nobody announces. */
async function until(question: () => Promise<boolean>): Promise<void> {
  const patience = Date.now() + 20_000;
  while (!(await question())) {
    if (Date.now() > patience) throw new Error('it does not come to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('broker start', () => {
  eachOnUnix(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'serves until %s, then ends with 0 and removes its socket',
    async (signal) => {
      const { pipe, child } = await startBroker();
      expect(await ctl(pipe, 'set', 'key', 'value', '--ttl', '60000')).toBe('OK\n');
      expect(await ctl(pipe, 'get', 'key')).toBe('value\n');

      child.process.kill(signal);

      expect(await finish(child)).toMatchObject({ code: 0, signal: null, stderr: '' });
      expect(fs.existsSync(pipe)).toBe(false);
    },
  );

  test('numbers on the command line are the limits of the broker', async () => {
    const { pipe } = await startBroker([
      ...['--max-items', '2', '--max-value-size', '10', '--no-require-ttl', '--ttl', '60000'],
    ]);
    expect(await refused('--pipe', pipe, 'set', 'a', 'x'.repeat(11))).toBe('Error: too_large\n');
    const before = Date.now();
    expect(await ctl(pipe, 'set', 'a', 'x'.repeat(10))).toBe('OK\n');
    const after = Date.now();
    const { a } = JSON.parse(await ctl(pipe, 'entries'));
    expect(a.hasValue).toBe(true);
    expect(a.expires).toBeGreaterThanOrEqual(before + 59_990);
    expect(a.expires).toBeLessThanOrEqual(after + 60_010);
    await ctl(pipe, 'set', 'b', 'x');
    expect(await refused('--pipe', pipe, 'set', 'c', 'x')).toBe('Error: max_items\n');
  });

  test('what is not on the command line is read from the environment, what is wins over it', async () => {
    const env = { BROKER_MAX_ITEMS: '1', BROKER_MAX_VALUE_SIZE: '5', BROKER_REQUIRE_TTL: 'false' };
    const { pipe } = await startBroker(['--max-value-size', '20'], env);
    expect(await ctl(pipe, 'set', 'a', 'x'.repeat(20))).toBe('OK\n');
    expect(await refused('--pipe', pipe, 'set', 'b', 'x')).toBe('Error: max_items\n');
  });

  test('logs as much as --log-level says, and lines of JSON with --structured-logging', async () => {
    const quiet = await startBroker(['--log-level', 'error']);
    expect(quiet.text()).toBe(`Broker running on: ${quiet.pipe}\nPress Ctrl+C to stop\n`);
    const structured = await startBroker(['--structured-logging']);
    const [line = ''] = structured.text().split('\n');
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      component: 'broker',
      message: 'Broker started',
      pipe: structured.pipe,
    });
  });

  test('a second broker on the same pipe is refused, and leaves the first alone', async () => {
    const id = freshId();
    const first = start(['broker', 'start', '--pipe-id', id]);
    const [, pipe = ''] = await printed(first, collected(first), /^Broker running on: (.*)$/m);
    await ctl(pipe, 'set', 'key', 'value', '--ttl', '60000');

    const second = await run('broker', 'start', '--pipe-id', id);

    expect(second).toMatchObject({ code: 1, stderr: 'Failed to start broker: Broker already running\n' });
    expect(second.stdout).not.toContain('Broker running');
    expect(await ctl(pipe, 'get', 'key')).toBe('value\n');
  });

  test.each([
    ['--ttl', 'abc'],
    ['--ttl', '-1'],
    ['--ttl', '0'],
    ['--ttl', '30s'],
    ['--ttl', ''],
    ['--ttl', 'NaN'],
    ['--ttl', 'Infinity'],
    ['--ttl', '9007199254740993'],
    ['--max-items', '1.5'],
    ['--max-items', '1e3'],
    ['--max-request-size', '0'],
    ['--max-value-size', '0x10'],
    ['--max-connections', '0'],
    ['--sweeper-interval', '0'],
    ['--idle-timeout', '-1'],
    ['--heartbeat-interval', '-0'],
    ['--log-level', 'loud'],
    ['--pipe-id', ''],
    ['--secret', ''],
  ])('%s %j is refused, and says what is allowed', async (flag, value) => {
    const text = await wrong('broker', 'start', `${flag}=${value}`);
    expect(text).toContain(`'${value}' is invalid`);
    expect(text).toMatch(new RegExp(`option '${flag} <.*must|option '${flag} <.*Allowed choices`));
  });

  test('a bad value in the environment is refused too', async () => {
    const child = start(['broker', 'start'], { BROKER_MAX_ITEMS: 'many' });
    const { code, stdout, stderr } = await finish(child);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/BROKER_MAX_ITEMS.*many/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('help says what ps shows', async () => {
    const { code, stdout } = await run('broker', 'start', '--help');
    expect(code).toBe(0);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('`ps` shows it to others: prefer --secret-file');
  });
});

describe('the secret', () => {
  const given: [string, (file: string) => string[], NodeJS.ProcessEnv][] = [
    ['on the command line', () => ['--secret', 'open sesame'], {}],
    ['in a file', (file) => ['--secret-file', file], {}],
    ['in the environment', () => [], { EPHEMERAL_SECRET: 'open sesame' }],
  ];

  test.each(given)('%s keeps out who does not know it', async (_where, flags, env) => {
    const file = secretFile('open sesame\n');
    const { pipe } = await startBroker(flags(file), env);
    const ask = (...args: string[]): Promise<Ended> => finish(start(['ctl', ...args], { ...env }));

    expect(await ask('--pipe', pipe, ...flags(file), 'set', 'key', 'value', '--ttl', '60000')).toMatchObject({
      code: 0,
      stdout: 'OK\n',
    });
    expect(await ask('get', 'key', '--pipe', pipe, ...flags(file))).toMatchObject({ stdout: 'value\n' });
    expect(await refused('get', 'key', '--pipe', pipe)).toBe('Error: auth_failed\n');
    expect(await refused('get', 'key', '--pipe', pipe, '--secret', 'open')).toBe('Error: auth_failed\n');
    expect(await run('broker', 'check', '--pipe', pipe)).toMatchObject({ code: 1 });
    expect(await run('broker', 'check', '--pipe', pipe, '--secret-file', file)).toMatchObject({ code: 0 });
  });

  test('is known to clients in the command that the broker was started for', async () => {
    const script = `
      const { Client } = require(${JSON.stringify(path.join(ROOT, 'dist', 'broker'))});
      const client = new Client();
      client.set('key', 'value', 60000).then(() => client.get('key')).then(console.log).then(() => client.close());`;
    const { child } = startAround(script, '--secret-file', secretFile('open sesame'));
    expect(await finish(child)).toMatchObject({ code: 0, stdout: 'value\n', stderr: '' });
  });

  test('in a file that cannot be read, is empty or is no text is refused', async () => {
    const missing = path.join(scratch, 'missing');
    expect(await wrong('broker', 'start', '--secret-file', missing)).toMatch(
      /'--secret-file <path>'.*missing.*no such file/,
    );
    expect(await wrong('ctl', 'get', 'key', '--secret-file', missing)).toMatch(/no such file/);
    expect(await wrong('broker', 'start', '--secret-file', secretFile('\n'))).toMatch(/holds no secret/);
    const bytes = Buffer.from([0xff, 0xfe, 0x80]);
    expect(await wrong('broker', 'start', '--secret-file', secretFile(bytes))).toMatch(/UTF-8/);
  });

  test('is given in one way only', async () => {
    const file = secretFile('b');
    expect(await wrong('broker', 'start', '--secret', 'a', '--secret-file', file)).toMatch(
      /cannot be used with/,
    );
  });
});

describe('broker start with a command', () => {
  test('ends with the exit code of the command', async () => {
    const { child } = startAround('process.exit(7)');
    expect(await finish(child)).toMatchObject({ code: 7, signal: null, stderr: '' });
  });

  test('passes on its arguments as they are', async () => {
    const script = 'console.log(JSON.stringify(process.argv.slice(1)))';
    const args = ['--ttl', '5', '--', '-x', '', '--debug', 'a b', '*'];
    const command = [process.execPath, '-e', script, '--', ...args];
    const flags = ['--log-level', 'error'];
    const marked = await run('broker', 'start', ...flags, '--', ...command);
    expect(JSON.parse(marked.stdout)).toEqual(args);
    const unmarked = await run('broker', 'start', ...flags, ...command);
    expect(JSON.parse(unmarked.stdout)).toEqual(args);
  });

  test('is found by clients in it, and removes its socket at the end', async () => {
    const script = `
      const { Client } = require(${JSON.stringify(path.join(ROOT, 'dist', 'broker'))});
      const client = new Client();
      client.set('key', 'value', 60000).then(() => client.get('key')).then(console.log).then(() => client.close());`;
    const { child, pipe } = startAround(script);
    expect(await finish(child)).toMatchObject({ code: 0, stdout: 'value\n', stderr: '' });
    expect(fs.existsSync(pipe)).toBe(false);
  });

  eachOnUnix([
    ['SIGKILL', 137],
    ['SIGTERM', 143],
    ['SIGABRT', 134],
  ])('a command that dies of %s makes it end with %i', async (signal, code) => {
    const { child, pipe } = startAround(
      `process.kill(process.pid, '${signal}'); setTimeout(() => {}, 60_000)`,
    );
    expect(await finish(child)).toMatchObject({ code, signal: null });
    expect(fs.existsSync(pipe)).toBe(false);
  });

  test('a command that does not exist is told, with 127 and no socket left behind', async () => {
    const id = freshId();
    const { code, stderr } = await run('broker', 'start', '--pipe-id', id, '--', 'no-such-command', 'x');
    expect(code).toBe(127);
    expect(stderr).toMatch(/no-such-command/);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(fs.existsSync(pipeOf(id))).toBe(false);
  });

  eachOnUnix(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s reaches the command, and the broker serves it until it has ended in its own time',
    async (signal) => {
      const script = `
        const { Client } = require(${JSON.stringify(path.join(ROOT, 'dist', 'broker'))});
        const client = new Client();
        process.on('${signal}', () => setTimeout(async () => {
          await client.set('key', 'kept', 60000);
          console.log(await client.get('key'));
          process.exit(3);
        }, 400));
        setTimeout(() => {}, 60_000);
        console.log('ready');`;
      const { child, text, pipe } = startAround(script);
      await printed(child, text, /ready/);

      child.process.kill(signal);

      expect(await finish(child)).toMatchObject({ code: 3, stdout: 'ready\nkept\n' });
      expect(fs.existsSync(pipe)).toBe(false);
    },
  );

  onUnix(
    'a command that does not want to end is killed: by a second Ctrl+C at once, else in the end',
    async () => {
      const script = `
      for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => {});
      setTimeout(() => {}, 60_000);
      console.log('ready');`;
      const patient = startAround(script);
      const pressed = startAround(script);
      for (const { child, text } of [patient, pressed]) await printed(child, text, /ready/);

      patient.child.process.kill('SIGTERM');
      // Two key presses of a person are further apart than one press that arrives twice.
      const pressing = setInterval(() => pressed.child.process.kill('SIGINT'), 100);
      const first = await Promise.race([
        patient.child.ended.then(() => 'patient'),
        pressed.child.ended.then(() => 'pressed'),
      ]);
      clearInterval(pressing);

      expect(first).toBe('pressed');
      expect(await finish(pressed.child)).toMatchObject({ code: 130, signal: null });
      expect(await finish(patient.child)).toMatchObject({ code: 137, signal: null });
      expect([pressed.pipe, patient.pipe].filter((pipe) => fs.existsSync(pipe))).toEqual([]);
    },
  );
});

describe('broker check', () => {
  test('ends with 0 where a broker answers, full or not, and with 1 where there is none', async () => {
    const { pipe, child } = await startBroker(['--max-items', '1']);
    expect(await run('broker', 'check', '--pipe', pipe)).toMatchObject({ code: 0, stdout: 'healthy\n' });
    await ctl(pipe, 'set', 'key', 'value', '--ttl', '60000');
    expect(await run('broker', 'check', '--pipe', pipe)).toMatchObject({ code: 0, stdout: 'degraded\n' });
    child.process.kill('SIGTERM');
    await finish(child);
    expect(await run('broker', 'check', '--pipe', pipe, '--timeout', '200')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^Error: Broker not running or pipe not found\n/),
    });
  });

  test('waits for a broker that is being started', async () => {
    const id = freshId();
    const pipe = pipeOf(id);
    const check = start(['broker', 'check', '--pipe', pipe, '--timeout', '10000']);
    start(['broker', 'start', '--pipe-id', id]);
    expect(await finish(check)).toMatchObject({ code: 0, stdout: 'healthy\n' });
  });
});

describe('ctl', () => {
  let pipe: string;
  let client: Client;

  beforeEach(async () => {
    ({ pipe } = await startBroker());
    client = new Client(pipe);
  });

  afterEach(async () => {
    await client.close();
  });

  test('get prints text as it is, and all else as JSON', async () => {
    await ctl(pipe, 'set', 'text', 'ünïcödé 🎉 "quoted"\nsecond line', '--ttl', '60000');
    expect(await ctl(pipe, 'get', 'text')).toBe('ünïcödé 🎉 "quoted"\nsecond line\n');
    expect(await client.get('text')).toBe('ünïcödé 🎉 "quoted"\nsecond line');
    await ctl(pipe, 'set', 'object', '{"a":[1,null,"x"]}', '--json', '--ttl', '60000');
    expect(await client.get('object')).toEqual({ a: [1, null, 'x'] });
    expect(await ctl(pipe, 'get', 'object')).toBe('{"a":[1,null,"x"]}\n');
    await ctl(pipe, 'set', 'digits', '42', '--ttl', '60000');
    expect(await client.get('digits')).toBe('42');
    await client.set('null', null, 60_000);
    expect(await ctl(pipe, 'get', 'null')).toBe('null\n');
  });

  test('get writes bytes as they are', async () => {
    const bytes = Buffer.from('no newline at the end: é');
    await client.set('bytes', bytes, 60_000);
    expect(await ctl(pipe, 'get', 'bytes')).toBe(bytes.toString());
  });

  test('a key that is not there, and a ttl that is missing, are errors of the broker', async () => {
    expect(await refused('get', 'missing', '--pipe', pipe)).toBe('Error: not_found\n');
    expect(await refused('set', 'key', 'value', '--pipe', pipe)).toBe('Error: ttl_required\n');
  });

  test('del says OK, whether there was a key or not', async () => {
    await client.set('key', 1, 60_000);
    expect(await ctl(pipe, 'del', 'key')).toBe('OK\n');
    expect(await ctl(pipe, 'del', 'key')).toBe('OK\n');
    expect(await client.list()).toEqual([]);
  });

  test('incr adds, also what is negative or a fraction', async () => {
    expect(await ctl(pipe, 'incr', 'count', '--ttl', '60000')).toBe('1\n');
    expect(await ctl(pipe, 'incr', 'count', '41')).toBe('42\n');
    expect(await ctl(pipe, 'incr', 'count', '-2.5')).toBe('39.5\n');
    await ctl(pipe, 'set', 'text', 'abc', '--ttl', '60000');
    expect(await refused('incr', 'text', '--pipe', pipe)).toBe('Error: not_a_number\n');
  });

  test('what begins with a dash stands after --, negative numbers need none', async () => {
    await ctl(pipe, 'set', '--ttl', '60000', '--', '-key', '--value');
    expect(await ctl(pipe, 'get', '--', '-key')).toBe('--value\n');
    await ctl(pipe, 'set', 'number', '-5', '--json', '--ttl', '60000');
    expect(await client.get('number')).toBe(-5);
  });

  test('options of the connection stand before or after the request, and the nearer ones win', async () => {
    await client.set('key', 'value', 60_000);
    expect(await run('ctl', 'get', '--pipe', pipe, 'key')).toMatchObject({ stdout: 'value\n' });
    expect(await run('ctl', '--pipe', '/nowhere', 'get', 'key', '--pipe', pipe)).toMatchObject({
      stdout: 'value\n',
    });
    const byName = await finish(start(['ctl', 'get', 'key'], { EPHEMERAL_PIPE: pipe }));
    expect(byName).toMatchObject({ code: 0, stdout: 'value\n' });
  });

  test('list, entries, stats, health and metrics print JSON for people', async () => {
    await client.set('a', 1, 60_000);
    await client.lease('pool', 'worker', 60_000);
    expect(await ctl(pipe, 'list')).toBe('[\n  "a"\n]\n');
    expect(JSON.parse(await ctl(pipe, 'entries'))).toEqual({
      a: { expires: expect.any(Number), hasValue: true },
    });
    expect(JSON.parse(await ctl(pipe, 'stats'))).toMatchObject({ items: 1, leases: 1 });
    const health = await ctl(pipe, 'health');
    expect(JSON.parse(health)).toMatchObject({ ok: true, status: 'healthy', items: 1, leases: 1 });
    expect(health).toMatch(/^\{\n {2}"/);
    const { requests } = JSON.parse(await ctl(pipe, 'metrics'));
    expect(requests).toMatchObject({ set: 1, lease: 1 });
    expect(await ctl(pipe, 'metrics', '--prometheus')).toMatch(/^# HELP ephemeral_broker_\w+ [^]*[^\n]\n$/);
  });

  test('ping prints how long it took', async () => {
    expect(await ctl(pipe, 'ping')).toMatch(/^pong \(\d+\.\d\dms\)\n$/);
  });

  test('lease gives each worker a number of its own, release takes it back', async () => {
    expect(await ctl(pipe, 'lease', 'pool', 'one')).toBe('0\n');
    expect(await ctl(pipe, 'lease', 'pool', 'two', '--ttl', '60000')).toBe('1\n');
    expect(await ctl(pipe, 'lease', 'pool', 'one')).toBe('0\n');
    expect(await ctl(pipe, 'release', 'one')).toBe('OK\n');
    expect(await ctl(pipe, 'release', 'one')).toBe('NOT_FOUND\n');
    expect(await ctl(pipe, 'lease', 'pool', 'three')).toBe('0\n');
  });

  test('lease --max bounds the pool, --wait waits for its turn', async () => {
    await client.lease('pool', 'holder', 60_000);
    const bounded = ['lease', 'pool', 'other', '--pipe', pipe, '--max', '1'];
    expect(await refused(...bounded)).toBe('Error: pool_exhausted\n');
    expect(await refused(...bounded, '--wait', '50')).toBe('Error: lease_timeout\n');
    const waiting = start(['ctl', ...bounded, '--wait']);
    await untilAsked(4);
    await client.release('holder');
    expect(await finish(waiting)).toMatchObject({ code: 0, stdout: '0\n', stderr: '' });
  });

  onUnix('Ctrl+C on a lease that waits leaves the queue, with 130', async () => {
    await client.lease('pool', 'holder', 60_000);
    const waiting = start(['ctl', 'lease', 'pool', 'other', '--pipe', pipe, '--max', '1', '--wait']);
    await untilAsked(2);
    waiting.process.kill('SIGINT');
    expect(await finish(waiting)).toMatchObject({ code: 130, signal: null, stdout: '', stderr: '' });
    await client.release('holder');
    expect(await client.lease('pool', 'third', { ttl: 60_000, max: 1 })).toBe(0);
  });

  /** Waits until the broker has had so many requests for a lease. */
  async function untilAsked(times: number): Promise<void> {
    await until(async () => ((await client.metrics()).requests['lease'] ?? 0) >= times);
  }

  onUnix('watch prints each change as a line of JSON, until Ctrl+C ends it with 130', async () => {
    const watching = start(['ctl', 'watch', 'job:', '--pipe', pipe]);
    const text = collected(watching);
    await until(async () => {
      await client.set('job:ready', true, 60_000);
      return text() !== '';
    });
    await client.set('other', 1, 60_000);
    await client.set('job:1', { done: 'ü' }, 60_000);
    await client.del('job:1');
    await client.set('job:2', 'short', 1);
    await printed(watching, text, /"expired".*\n/);
    watching.process.kill('SIGINT');

    const { code, stdout, stderr } = await finish(watching);

    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ key }) => key !== 'job:ready');
    expect(events).toMatchObject([
      { type: 'set', key: 'job:1', value: { done: 'ü' }, ttl: expect.any(Number) },
      { type: 'deleted', key: 'job:1' },
      { type: 'set', key: 'job:2', value: 'short' },
      { type: 'expired', key: 'job:2' },
    ]);
  });

  onUnix('watch ends when its reader has enough', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const { Client } = require(${JSON.stringify(path.join(ROOT, 'dist', 'broker'))});
      const command = '"$@"; echo code $? >&2';
      const args = ['-c', '{ ' + command + '; } | head -n 1', 'sh', process.execPath, ...process.argv.slice(1)];
      const shell = spawn('/bin/sh', args, { stdio: 'inherit' });
      const client = new Client();
      let count = 0;
      const writing = setInterval(() => client.set('key', count++, 60000), 20);
      shell.on('close', () => { clearInterval(writing); client.close(); });`;
    const child = startNode(['-e', script, '--', MAIN, 'ctl', 'watch'], {
      env: { ...CLEAN, EPHEMERAL_PIPE: pipe },
    });
    children.add(child);
    const { code, stdout, stderr } = await finish(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'code 0\n' });
    expect(JSON.parse(stdout)).toMatchObject({ type: 'set', key: 'key' });
  });
});

describe('ctl without a broker', () => {
  test('says that there is none, and what to do', async () => {
    const nowhere = path.join(scratch, 'nowhere.sock');
    expect(await refused('get', 'key', '--pipe', nowhere, '--timeout', '200')).toBe(
      'Error: Broker not running or pipe not found\nMake sure EPHEMERAL_PIPE is set or use --pipe option\n',
    );
  });

  test('says that it was not told where one is', async () => {
    expect(await refused('ping')).toBe('Error: No pipe specified and EPHEMERAL_PIPE not set\n');
  });
});

describe('wrong use of ctl', () => {
  test.each([
    [['get'], /missing required argument 'key'/],
    [['set', 'key'], /missing required argument 'value'/],
    [['set', 'key', 'value', 'more'], /too many arguments/],
    [['set', 'key', 'value', '--ttl', 'soon'], /'--ttl <ms>' argument 'soon' is invalid.*whole number/],
    [['set', 'key', 'value', '--ttl', '1.5'], /'1.5' is invalid/],
    [['set', 'key', '{"a"', '--json'], /the value is not JSON/],
    [['incr', 'key', 'much'], /'much' is invalid.*must be a number/],
    [['incr', 'key', '1e999'], /'1e999' is invalid/],
    [['lease', 'key'], /missing required argument 'workerId'/],
    [['lease', 'key', 'worker', '--max', '0'], /'--max <n>' argument '0' is invalid/],
    [['lease', '--wait', 'key', 'worker'], /'--wait \[ms\]' argument 'key' is invalid/],
    [['get', 'key', '--timeout', '0'], /'--timeout <ms>' argument '0' is invalid/],
    [['get', 'key', '--pipe', ''], /'--pipe <path>' argument '' is invalid.*empty/],
    [['get', 'key', '--bogus'], /unknown option '--bogus'/],
    [['bogus'], /unknown command 'bogus'/],
    [[], /Usage: noizylab ctl/],
  ])('%j is refused with 2', async (args, message) => {
    const text = await wrong('ctl', '--pipe', path.join(scratch, 'nowhere.sock'), ...args);
    expect(text).toMatch(message);
    expect(text).toMatch(/Usage: noizylab ctl/);
  });

  test('an empty key is refused with 2', async () => {
    expect(await wrong('ctl', '--pipe', path.join(scratch, 'nowhere.sock'), 'get', '')).toMatch(
      /^noizylab: .*key/,
    );
  });

  test('--help lists the requests and answers on standard output', async () => {
    const { code, stdout, stderr } = await run('ctl', '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of 'get set del incr lease release list entries stats health metrics ping watch'.split(
      ' ',
    ))
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });
});
