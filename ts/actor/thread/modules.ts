/**
 * Where the behaviour of a server on another thread comes from: a module and one of its exports.
 */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isUrl } from '../../processor/definitions';
import { NoizylabError } from '../../errors';
import { options } from '../settings';

/** A behaviour that is loaded where its server is to run. */
export interface BehaviorModule {
  /** Path or URL of the module, ESM or CommonJS. A path that begins with a dot starts at the file of the caller, any other at the working directory. */
  readonly module: string | URL;
  /** The export: a behaviour, or a function that returns one or a promise of it. Default `'default'`. */
  readonly export?: string | undefined;
  /** What a function is called with; has to be cloneable. Default none. */
  readonly args?: readonly unknown[] | undefined;
}

/** What a worker needs to make the behaviour. */
export interface BehaviorSource {
  readonly url: string;
  readonly export: string;
  readonly args: readonly unknown[];
}

/** All files of this package that are called from outside lie under it. */
const PACKAGE = join(__dirname, '..', '..') + sep;
const DEEPEST_STACK = 50;

/**
 * Reads a description. To be called in the turn of the caller, whose file is found on the stack.
 * @throws NoizylabError `ERR_ACTOR_MODULE_NOT_FOUND`; TypeError and RangeError as for options
 */
export function readModule(given: BehaviorModule): BehaviorSource {
  if (typeof given !== 'object' || given === null || given.module === undefined) {
    throw options.type('behavior', given, "{ module: path or URL } where the option 'thread' is set");
  }
  const { module, export: exported = 'default', args = [] } = given;
  options.array('args', args);
  return { url: resolveModule(module), export: options.text('export', exported), args };
}

function resolveModule(module: unknown): string {
  const location = isUrl(module) ? module.href : options.text('module', module);
  if (/^[a-z][a-z+.-]+:/i.test(location) && !isAbsolute(location)) {
    if (!location.startsWith('file:') || existsSync(fileURLToPath(location))) return location;
    throw notFound([fileURLToPath(location)]);
  }
  const caller = /^\.{1,2}[/\\]/.test(location) ? callerFile() : undefined;
  const candidates = [resolve(location)];
  if (caller !== undefined) candidates.unshift(resolve(dirname(caller), location));
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw notFound([...new Set(candidates)]);
  return pathToFileURL(found).href;
}

function notFound(paths: readonly string[]): NoizylabError {
  return new NoizylabError(
    'ERR_ACTOR_MODULE_NOT_FOUND',
    `There is no module ${paths.join(' or ')}; give new URL('./file.js', import.meta.url) or require.resolve('./file.js')`,
  );
}

/** The file of the innermost function on the stack that is not of this package. */
function callerFile(): string | undefined {
  const { stackTraceLimit } = Error;
  // oxlint-disable-next-line typescript/unbound-method -- put back as it was, never called
  const { prepareStackTrace } = Error;
  try {
    Error.stackTraceLimit = DEEPEST_STACK;
    Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFileName());
    const { stack } = new Error('where from?') as { stack?: unknown };
    return (stack as (string | null | undefined)[]).map(asPath).find(isForeign);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function asPath(file: string | null | undefined): string | undefined {
  return file?.startsWith('file:') ? fileURLToPath(file) : (file ?? undefined);
}

function isForeign(file: string | undefined): file is string {
  return file !== undefined && isAbsolute(file) && !file.startsWith(PACKAGE);
}

/**
 * The behaviour of a description.
 * @throws NoizylabError `ERR_ACTOR_MODULE_INVALID`: there is no such export. Whatever the module throws when it is evaluated.
 */
export async function loadBehavior({ url, export: name, args }: BehaviorSource): Promise<unknown> {
  const module = (await import(url)) as Record<string, unknown>;
  const exported = pick(module, name);
  if (exported === undefined) {
    const names = Object.keys(module).join(', ') || 'none';
    throw new NoizylabError(
      'ERR_ACTOR_MODULE_INVALID',
      `${url} has no export '${name}'; its exports: ${names}`,
    );
  }
  return typeof exported === 'function'
    ? await (exported as (...given: unknown[]) => unknown)(...args)
    : exported;
}

/** An export by name. A CommonJS module compiled from ESM keeps its default export one level down; a module may be the behaviour itself. */
function pick(module: Record<string, unknown>, name: string): unknown {
  const inner = module['default'];
  const isCompiled = typeof inner === 'object' && inner !== null && Object.hasOwn(inner, '__esModule');
  const found = isCompiled ? (inner as Record<string, unknown>)[name] : module[name];
  if (found !== undefined) return found;
  if (name === 'default' && typeof module['init'] === 'function') return module;
  return typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[name] : undefined;
}
