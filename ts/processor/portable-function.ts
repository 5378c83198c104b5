/**
 * Moves functions to worker threads as source text.
 *
 * A function can move when its text is all there is to it: it is written in JavaScript (neither native nor bound), and
 * it uses nothing but its parameters, its own declarations, the globals of a bare worker thread and `require`, which the
 * worker provides and which resolves from the working directory. Everything else is refused with `ERR_PROCESSOR_CLOSURE`
 * before any thread starts; the message names what the function closes over and says what to do.
 *
 * What moves is the code: own properties of the function object stay behind. `function-syntax.ts` tells how strictness is
 * kept, `closed-over.ts` what the analysis cannot see. Parser and analysis are loaded with the first function that moves.
 */
import { isProxy } from 'node:util/types';
import { typeError } from '../errors';
import { OptionReader } from '../options';
import { languageGlobals, workerGlobals } from './worker-globals';

const options = new OptionReader('PROCESSOR');

/** The source of a function that can move, or what keeps it. */
type Verdict = { readonly source: string } | { readonly refusal: string; readonly cause?: unknown };

/** A function's text never changes, and neither does its verdict. */
const verdicts = new WeakMap<object, Verdict>();

const ADVICE =
  'Pass the values with the data, move the function into a module and give its path, or (for parallelMap) leave out ' +
  "'thread'.";

/**
 * Source text that evaluates to `fn` in another isolate: `(0, eval)(source)` in its global scope, or `vm.Script`.
 *
 * @param fn An ordinary, arrow or async function, or a method.
 * @param name What messages call the function; by default its own name.
 * @throws TypeError `ERR_PROCESSOR_INVALID_TYPE`: `fn` is no function.
 * @throws TypeError `ERR_PROCESSOR_CLOSURE`: it cannot move; the message says why and what to do.
 */
export function portableSource(fn: Function, name?: string): string {
  options.callback('fn', fn);
  let verdict = verdicts.get(fn);
  if (verdict === undefined) {
    verdict = judge(fn);
    verdicts.set(fn, verdict);
  }
  if ('source' in verdict) return verdict.source;
  const label = name ?? ownName(fn);
  throw typeError(
    'ERR_PROCESSOR_CLOSURE',
    `${label === '' ? 'An anonymous function' : `Function '${label}'`} cannot move to a worker thread: ${verdict.refusal}`,
    'cause' in verdict ? { cause: verdict.cause } : undefined,
  );
}

function judge(fn: Function): Verdict {
  if (isProxy(fn)) {
    return { refusal: 'it is a Proxy, whose handler would stay behind. Give a function without it.' };
  }
  // Not `fn.toString()`: it may be overridden.
  const text = Function.prototype.toString.call(fn);
  const name = ownName(fn);
  const verdict = isNative(text)
    ? { refusal: `it is a native or bound function, whose source cannot be read. ${ADVICE}` }
    : judgeText(text, name, Object.hasOwn(fn, 'caller'));
  if ('source' in verdict) return verdict;
  const path = globalPath(fn, name);
  return path === undefined
    ? verdict
    : { refusal: `it is part of the platform. Wrap it: ${wrapper(fn, text, path)}` };
}

function judgeText(text: string, name: string, sloppy: boolean): Verdict {
  // Parser and scope analysis take milliseconds to load: only who moves a function pays for them.
  const { parseFunction } = require('./function-syntax') as typeof import('./function-syntax');
  const { closedOver } = require('./closed-over') as typeof import('./closed-over');
  try {
    const syntax = parseFunction(text, name, sloppy);
    if (syntax.kind === 'class') {
      return {
        refusal: 'it is a class. Move it into a module that exports a function using it, and give the path.',
      };
    }
    if (syntax.generator) {
      return {
        refusal: 'it is a generator, whose result cannot be sent. Give a function that returns an array.',
      };
    }
    const names = closedOver(syntax);
    if (names.length === 0) return { source: syntax.source };
    const isAnonymous = !syntax.node['id'];
    return { refusal: `it closes over ${listed(names)}. ${hints(names, isAnonymous ? name : '')}${ADVICE}` };
  } catch (cause) {
    return { refusal: `its source cannot be analysed (${(cause as Error).message}). ${ADVICE}`, cause };
  }
}

/** The name without running the code that somebody put in its place. */
function ownName(fn: Function): string {
  if (isProxy(fn)) return '';
  const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
  return typeof name === 'string' ? name : '';
}

function isNative(text: string): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(text);
}

/** `'a', 'b' and 'c'`. */
function listed(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} and ${last}`;
}

/** @param name How the function without a name of its own is called by its surroundings. */
function hints(names: readonly string[], name: string): string {
  const counter = names.find((free) => free.startsWith('cov_'));
  const ofCoverage =
    counter === undefined
      ? ''
      : `'${counter}' is a coverage counter: let V8 collect coverage, or exclude the file. `;
  const ofRecursion = names.includes(name)
    ? `To call itself it must be written 'function ${name}(...) { ... }'. `
    : '';
  return ofCoverage + ofRecursion;
}

/** How code reaches `fn` everywhere (`parseInt`, `Math.sqrt`), or `undefined`. */
function globalPath(fn: Function, name: string): string | undefined {
  if (workerGlobals().has(name) && Reflect.get(globalThis, name) === fn) return name;
  // Data properties only: the getters of Node's other globals load what they stand for.
  for (const holderName of [...languageGlobals(), 'Buffer']) {
    const holder: unknown = Reflect.get(globalThis, holderName);
    const isHolder = (typeof holder === 'object' && holder !== null) || typeof holder === 'function';
    if (isHolder && Object.getOwnPropertyDescriptor(holder, name)?.value === fn)
      return `${holderName}.${name}`;
  }
  return undefined;
}

const CONVERSIONS = new Set(['BigInt', 'Boolean', 'Number', 'Object', 'String', 'Symbol']);

function wrapper(fn: Function, text: string, path: string): string {
  const isConstructor = text.startsWith('class') || (isNative(text) && Object.hasOwn(fn, 'prototype'));
  return `(x) => ${isConstructor && !CONVERSIONS.has(path) ? 'new ' : ''}${path}(x)`;
}
