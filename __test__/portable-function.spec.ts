import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { portableSource } from '../dist/processor/portable-function';
import { workerGlobals } from '../dist/processor/worker-globals';
import { made, standingAlone, written } from './fixtures/standing-alone';
import type { AnyFunction } from './fixtures/standing-alone';

const compiled = join(__dirname, '..', 'dist', 'processor', 'portable-function.js');

/** What `code` gives to `report(f)` in a Node process without a test runner: the value of `f()`, or its error's message. */
async function inPlainNode(code: string): Promise<{ value?: unknown; message?: string }> {
  const report = `const report = (f) => {
    let told;
    try { told = { value: f() } } catch (error) { told = { message: error.message } }
    process.stdout.write(JSON.stringify(told));
  };`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', report + code]);
  return JSON.parse(stdout) as { value?: unknown; message?: string };
}

function refusalOf(fn: unknown, name?: string): TypeError & { code: string } {
  try {
    portableSource(fn as AnyFunction, name);
  } catch (error) {
    return error as TypeError & { code: string };
  }
  throw new Error(`was not refused: ${String(fn)}`);
}

const outer = { factor: 3 };
const helper = (x: number): number => x * 2;

describe('a function that stands alone gives the same results in a worker thread', () => {
  let worker: Worker;
  let lastId = 0;

  beforeAll(() => {
    worker = new Worker(join(__dirname, 'fixtures', 'evaluating-worker.js'));
  });

  afterAll(() => worker.terminate());

  async function inWorker(source: string, args: unknown[], how: 'eval' | 'script'): Promise<unknown> {
    const id = ++lastId;
    worker.postMessage({ id, source, args, how });
    for (;;) {
      const [reply] = (await once(worker, 'message')) as [{ id: number; value?: unknown; error?: string }];
      if (reply.id !== id) continue;
      if (reply.error !== undefined) throw new Error(reply.error);
      return reply.value;
    }
  }

  function nameOf(fn: AnyFunction): Promise<unknown> {
    return inWorker(`() => eval(${JSON.stringify(portableSource(fn))}).name`, [], 'eval');
  }

  test.each(standingAlone)('%s', async (_what, fn, ...args) => {
    const source = portableSource(fn);
    const expected: unknown = await fn(...(structuredClone(args) as never[]));
    await expect(inWorker(source, args, 'eval')).resolves.toEqual(expected);
    await expect(inWorker(source, args, 'script')).resolves.toEqual(expected);
  });

  test('import() of a built-in module', async () => {
    const source = portableSource(written('async () => (await import("node:path")).posix.sep'));
    await expect(inWorker(source, [], 'eval')).resolves.toBe('/');
  });

  test('the function keeps its name, also where its key was computed', async () => {
    await expect(nameOf(written('function area() {}'))).resolves.toBe('area');
    await expect(nameOf(made('return { [`a${1}`]() {} }.a1'))).resolves.toBe('a1');
    await expect(nameOf(made('return { [Symbol.iterator]() {} }[Symbol.iterator]'))).resolves.toBe(
      '[Symbol.iterator]',
    );
  });
});

describe('a function that closes over something is refused by all names', () => {
  const advice =
    "Pass the values with the data, move the function into a module and give its path, or (for parallelMap) leave out 'thread'.";

  test.each<[what: string, fn: AnyFunction, names: string]>([
    ['a constant of the module', (x: number) => x * outer.factor, "'outer'"],
    ['a function of the module', (x: number) => helper(x), "'helper'"],
    ['an import', (x: string) => basename(x), "'_nodepath'"],
    ['a name of the test runner', () => expect, "'expect'"],
    [
      'several names, each once, in the order of the text',
      written('(x) => b + a(x) + b + c'),
      "'b', 'a' and 'c'",
    ],
    ['an assignment', written('(x) => { total += x }'), "'total'"],
    ['a destructuring assignment', written('(x) => { [first, { second }] = x }'), "'first' and 'second'"],
    ['an update', written('() => count++'), "'count'"],
    ['a loop variable that is not declared', written('(l) => { for (item of l) ; }'), "'item'"],
    ['a shorthand property', written('() => ({ foo })'), "'foo'"],
    ['a computed key', written('(o) => o[key]'), "'key'"],
    ['a computed key of a class member', written('() => class { [key] = 1 }'), "'key'"],
    ['the base of a class', written('() => class extends Base {}'), "'Base'"],
    ['a field of a class', written('() => new (class { a = value })()'), "'value'"],
    ['a tag of a template', written('() => tag`x`'), "'tag'"],
    ['a default that means no variable of the body', written('(a = b) => { var b = 1; return a }'), "'b'"],
    ['a name declared in an inner scope only', written('() => { { let a = 1 } return a }'), "'a'"],
    ['a nested closure', written('() => () => () => deep'), "'deep'"],
    [
      'a name that is looked at and used',
      written('() => typeof window === "undefined" ? 0 : window'),
      "'window'",
    ],
    [
      'names of a CommonJS module',
      written('() => [module, exports, __dirname, __filename]'),
      "'module', 'exports', '__dirname' and '__filename'",
    ],
    ['a name that globalThis merely inherits', written('() => toString()'), "'toString'"],
    ['an object given to with', written('() => { with (settings) { return a } }'), "'settings'"],
    ['a function given to direct eval', written('() => eval(code)'), "'code'"],
    [
      'a function that replaces itself',
      made('function once() { once = () => 1; return 1 } return once'),
      "'once'",
    ],
    ['this of an arrow function', written('() => this.x'), "'this'"],
    ['this in a nested arrow function', written('() => () => this'), "'this'"],
    ['this in a default parameter', written('(a = this) => a'), "'this'"],
    [
      'this in a computed key of a nested class',
      written('() => class { [this.k]() { return this } }'),
      "'this'",
    ],
    [
      'arguments of an arrow function',
      made('return (function () { return () => arguments[0] })()'),
      "'arguments'",
    ],
    [
      'typeof arguments of an arrow function',
      made('return (function () { return () => typeof arguments })()'),
      "'arguments'",
    ],
    [
      'new.target of an arrow function',
      made('return new (function () { this.f = () => new.target })().f'),
      "'new.target'",
    ],
    ['super in an arrow function', made('return { m() { return () => super.x } }.m()'), "'super'"],
    [
      'super() in an arrow function',
      made('let f; new (class extends Object { constructor() { f = () => super(); f() } })(); return f'),
      "'super'",
    ],
    ['super of a method', made('return { m() { return super.toString() } }.m'), "'super'"],
    [
      'super in an arrow function of a method',
      made('return { m() { return () => super.toString() } }.m'),
      "'super'",
    ],
    ['a private field', made('class A { #x = 1; m() { return this.#x } } return new A().m'), "'#x'"],
    [
      'a private name that is only looked for',
      made('class A { #x = 1; static m(o) { return #x in o } } return A.m'),
      "'#x'",
    ],
    [
      'a private name beside one of its own',
      made(
        'class A { #x = 1; m() { return class { #y; n(o) { return this.#y + o.#x } } } } return new A().m',
      ),
      "'#x'",
    ],
    [
      'all at once',
      made('class A { #x; m() { return (a) => this.#x + a + b } } return new A().m()'),
      "'this', '#x' and 'b'",
    ],
    ['an import relative to its file', written('() => import("./lib.mjs")'), `'import("./lib.mjs")'`],
  ])('%s', (_what, fn, names) => {
    const error = refusalOf(fn, 'job');
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe('ERR_PROCESSOR_CLOSURE');
    expect(error.message).toBe(
      `Function 'job' cannot move to a worker thread: it closes over ${names}. ${advice}`,
    );
  });

  test('import.meta of a function in an ES module', async () => {
    const { message } = await inPlainNode(`
      const { portableSource } = require(${JSON.stringify(compiled)});
      const text = 'export default () => import.meta.url';
      import('data:text/javascript,' + text).then(({ default: fn }) => report(() => portableSource(fn)));
    `);
    expect(message).toBe(
      `Function 'default' cannot move to a worker thread: it closes over 'import.meta'. ${advice}`,
    );
  });

  test('a coverage counter is called what it is', () => {
    const { message } = refusalOf(written('(x) => { cov_1a2b().f[0]++; return x }'));
    expect(message).toContain(
      "closes over 'cov_1a2b'. 'cov_1a2b' is a coverage counter: let V8 collect coverage,",
    );
  });

  test('a recursive arrow function is told how to name itself', () => {
    const { message } = refusalOf(made('const fact = (n) => (n < 2 ? 1 : n * fact(n - 1)); return fact'));
    expect(message).toContain(
      "closes over 'fact'. To call itself it must be written 'function fact(...) { ... }'.",
    );
  });
});

describe('a function without a source that could move is refused with the reason', () => {
  test.each<[what: string, fn: AnyFunction, reason: string]>([
    ['a bound function', helper.bind(null), 'it is a native or bound function'],
    ['a native method', Array.prototype.map as AnyFunction, 'it is a native or bound function'],
    ['a class', made('return class A extends Array { #x }'), 'it is a class'],
    ['a generator', function* () {}, 'it is a generator'],
    ['an async generator', async function* () {}, 'it is a generator'],
    ['a generator method', made('return { *m() {} }.m'), 'it is a generator'],
    [
      'an async generator method',
      made('return { async *[Symbol.iterator]() {} }[Symbol.iterator]'),
      'it is a generator',
    ],
    ['a Proxy', new Proxy(helper, {}), 'it is a Proxy'],
    ['a Proxy of a class', new Proxy(made('return class {}'), {}), 'it is a Proxy'],
    [
      'syntax beyond the parser',
      made('return function () { f() = 1 }'),
      'its source cannot be analysed (Assigning to',
    ],
    [
      'text nested too deeply',
      made(`return () => ${'1+'.repeat(5_000)}1`),
      'its source cannot be analysed (',
    ],
  ])('%s', (_what, fn, reason) => {
    const error = refusalOf(fn, 'job');
    expect(error.code).toBe('ERR_PROCESSOR_CLOSURE');
    expect(error.message).toContain(`Function 'job' cannot move to a worker thread: ${reason}`);
  });

  test('a revoked Proxy', () => {
    const { proxy, revoke } = Proxy.revocable(helper, {});
    revoke();
    expect(refusalOf(proxy).message).toContain('it is a Proxy');
  });

  test('the complaint of the parser is the cause', () => {
    expect(refusalOf(made('return function () { f() = 1 }')).cause).toHaveProperty('name', 'SyntaxError');
  });

  test.each<[wrapper: string, fn: unknown]>([
    ['(x) => Math.sqrt(x)', Math.sqrt],
    ['(x) => parseInt(x)', parseInt],
    ['(x) => parseFloat(x)', Number.parseFloat],
    ['(x) => JSON.stringify(x)', JSON.stringify],
    ['(x) => Object.keys(x)', Object.keys],
    ['(x) => Number(x)', Number],
    ['(x) => String(x)', String],
    ['(x) => Boolean(x)', Boolean],
    ['(x) => new Date(x)', Date],
    ['(x) => new Map(x)', Map],
    ['(x) => new URL(x)', URL],
    ['(x) => new Intl.NumberFormat(x)', Intl.NumberFormat],
    ['(x) => structuredClone(x)', structuredClone],
    ['(x) => Buffer.from(x)', Buffer.from],
  ])('the platform function is named with its wrapper: %s', (wrapper, fn) => {
    const { code, message } = refusalOf(fn);
    expect(code).toBe('ERR_PROCESSOR_CLOSURE');
    expect(message).toMatch(/it is part of the platform\. Wrap it: /);
    expect(message.endsWith(wrapper)).toBe(true);
  });
});

function refusalWithName(name: PropertyDescriptor): TypeError {
  return refusalOf(Object.defineProperty(made('return () => outside'), 'name', name));
}

function neverRun(): never {
  throw new Error('must not run');
}

describe('the message calls the function by a name', () => {
  test('given with the call, else its own, else none', () => {
    const fn = made('return function area() { return outside }');
    expect(refusalOf(fn, 'resize').message).toMatch(/^Function 'resize' cannot move/);
    expect(refusalOf(fn).message).toMatch(/^Function 'area' cannot move/);
    expect(refusalOf(made('return () => outside')).message).toMatch(/^An anonymous function cannot move/);
  });

  test('without running what somebody put in place of the name', () => {
    expect(refusalWithName({ get: neverRun }).message).toMatch(/^An anonymous function cannot move/);
    expect(refusalWithName({ value: { toString: neverRun } }).message).toMatch(
      /^An anonymous function cannot move/,
    );
  });

  test('each refusal is an error of its own', () => {
    const fn = made('return () => outside');
    expect(refusalOf(fn)).not.toBe(refusalOf(fn));
    expect(refusalOf(fn, 'a').message).not.toBe(refusalOf(fn, 'b').message);
  });
});

test.each([
  [undefined],
  [null],
  [0],
  [-1],
  [NaN],
  [''],
  ['(x) => x'],
  [Symbol('s')],
  [{}],
  [[]],
  [{ call() {} }],
])('what is no function is an argument error: %p', (value) => {
  const error = refusalOf(value);
  expect(error).toBeInstanceOf(TypeError);
  expect(error.code).toBe('ERR_PROCESSOR_INVALID_TYPE');
  expect(error.message).toMatch(/^fn must be a function; given: /);
});

test('our list of globals is that of a bare worker thread of the running Node', async () => {
  const worker = new Worker(join(__dirname, 'fixtures', 'globals-worker.js'));
  const [names] = (await once(worker, 'message')) as [string[]];
  await worker.terminate();
  expect([...workerGlobals()].toSorted()).toEqual(names.toSorted());
});

test('a name that the program puts on globalThis is no global of a worker', async () => {
  const { message } = await inPlainNode(`
    globalThis.settings = 1;
    const { portableSource } = require(${JSON.stringify(compiled)});
    report(() => portableSource(() => settings));
  `);
  expect(message).toContain("closes over 'settings'");
});

test('the parser is loaded by the first function that moves, and not before', async () => {
  const { value } = await inPlainNode(`
    const { portableSource } = require(${JSON.stringify(compiled)});
    const loaded = () => Object.keys(require.cache).some((file) => /node_modules.(acorn|eslint-scope)/.test(file));
    const before = loaded();
    portableSource((x) => x);
    report(() => [before, loaded()]);
  `);
  expect(value).toEqual([false, true]);
});
