/** Loads the code of a user's operation in a worker isolate. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { constants, Script } from 'node:vm';
import { NoizylabError } from '../errors';
import type { Definition } from './definitions';
import type { UserOperation } from './types';

/**
 * The function that a definition describes.
 * @param directory from where `require` of moved functions resolves
 * @throws NoizylabError `ERR_PROCESSOR_MODULE_INVALID`: the module has no such function. Whatever the module throws when it is evaluated.
 */
export async function loadOperation(text: string, directory: string): Promise<UserOperation> {
  const definition = JSON.parse(text) as Definition;
  const operation = await load(definition, directory);
  return definition.single === true ? (data) => operation(data) : operation;
}

async function load(definition: Definition, directory: string): Promise<(...data: unknown[]) => unknown> {
  if (definition.kind === 'source') {
    const scope = globalThis as { require?: NodeJS.Require };
    scope.require ??= createRequire(join(directory, 'noop.js'));
    return evaluate(definition.name, definition.source);
  }
  const module = (await import(definition.url)) as Record<string, unknown>;
  const exported = pick(module, definition.export);
  if (typeof exported !== 'function') {
    const names = Object.keys(module).join(', ') || 'none';
    throw new NoizylabError(
      'ERR_PROCESSOR_MODULE_INVALID',
      `operation '${definition.name}': ${definition.url} has no function as its export '${definition.export}'; its exports: ${names}`,
    );
  }
  return exported as (...data: unknown[]) => unknown;
}

/** The function whose source was checked to stand alone. `import()` in it resolves as `require` does: from the working directory. */
function evaluate(name: string, source: string): (...data: unknown[]) => unknown {
  quietLoaderWarning();
  const loader = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const script = new Script(source, { filename: `operation ${name}`, importModuleDynamically: loader });
  return script.runInThisContext() as (...data: unknown[]) => unknown;
}

/** The loader for `import()` in scripts is marked experimental on Node 20; a library does not write to the user's console for that. */
let quietLoaderWarning = (): void => {
  const emit = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (...args: unknown[]) => {
    if (!String(args[0]).includes('vm.USE_MAIN_CONTEXT_DEFAULT_LOADER')) emit(...args);
  };
  quietLoaderWarning = () => undefined;
};

/** An export by name. A CommonJS module compiled from ESM keeps its default export one level down. */
function pick(module: Record<string, unknown>, name: string): unknown {
  const found = module[name];
  if (typeof found === 'function') return found;
  const inner = module['default'];
  if (typeof inner === 'object' && inner !== null) return (inner as Record<string, unknown>)[name];
  return found;
}
