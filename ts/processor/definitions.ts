/**
 * Users' operations: where their code comes from, as text that any worker isolate of the processor can load.
 */
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { NoizylabError } from '../errors';
import { read } from './options';
import { portableSource } from './portable-function';

/** What a worker needs to load an operation. */
export type Definition = (
  | { kind: 'source'; name: string; source: string }
  | { kind: 'module'; name: string; url: string; export: string }
) & {
  /** It is called with the data alone, as the function of `parallelMap` is everywhere. */
  single?: boolean;
};

/** Where an operation's code is: a function that can move, or a module (path or URL; `#name` picks an export, else the default one). */
export type OperationSource = Function | string | URL;

/**
 * The definition of an operation.
 * @throws TypeError `ERR_PROCESSOR_CLOSURE`: the function cannot move. NoizylabError `ERR_PROCESSOR_MODULE_NOT_FOUND`: no such file.
 */
export function readDefinition(name: string, source: unknown): Definition {
  if (typeof source === 'function') {
    return { kind: 'source', name, source: portableSource(source, name === '' ? undefined : name) };
  }
  if (typeof source === 'string' || isUrl(source)) return moduleDefinition(name, source);
  throw read.type('an operation', source, 'a function, or the path or URL of a module');
}

function moduleDefinition(name: string, source: string | URL): Definition {
  const [location = '', exported = 'default'] = String(source).split('#');
  if (location === '') throw read.range('the path of a module', source, 'a path or URL that is not empty');
  const url =
    /^[a-z][a-z+.-]+:/i.test(location) && !isAbsolute(location)
      ? location
      : pathToFileURL(resolve(location)).href;
  if (url.startsWith('file:') && !existsSync(fileURLToPath(url))) {
    throw new NoizylabError(
      'ERR_PROCESSOR_MODULE_NOT_FOUND',
      `there is no module ${fileURLToPath(url)} for operation '${name}'; a relative path starts at the working directory, ` +
        "so give new URL('./file.js', import.meta.url) or require.resolve('./file.js')",
    );
  }
  return { kind: 'module', name, url, export: exported === '' ? 'default' : exported };
}

/** A `URL` of any realm. */
export function isUrl(value: unknown): value is URL {
  return (
    typeof value === 'object' &&
    value !== null &&
    !types.isProxy(value) &&
    'href' in value &&
    'protocol' in value
  );
}
