/** The operations of a processor by name: the engine's and the user's. */
import { NoizylabError } from '../errors';
import { describe } from '../options';
import type { Core } from './core';
import { type Definition, readDefinition } from './definitions';
import { read } from './options';
import type { Target } from './submission';

const ECHO = 'echo';
/** The engine's own, by name; the same for all processors. */
let nativeTargets: ReadonlyMap<string, Target> | undefined;

export class Operations {
  readonly #own = new Map<string, Target>();
  readonly #ofFunctions = new WeakMap<Function, Target>();
  readonly #ofTexts = new Map<string, Target>();

  constructor(private readonly core: Core) {
    nativeTargets ??= new Map(
      core.bridge.native.processorOperations().map((name, number) => [name, { hosted: false, number, name }]),
    );
  }

  /** @throws NoizylabError `ERR_PROCESSOR_OPERATION_EXISTS` */
  define(name: string, definition: Definition): void {
    if (this.#own.has(name) || nativeTargets?.has(name)) {
      const kind = this.#own.has(name) ? 'was defined before' : "is one of the engine's own";
      throw new NoizylabError(
        'ERR_PROCESSOR_OPERATION_EXISTS',
        `operation '${name}' ${kind}; choose another name`,
      );
    }
    this.#own.set(name, this.#register(JSON.stringify(definition)));
  }

  /**
   * What runs an operation.
   * @param moved the data is moved: only users' operations can take it
   * @throws NoizylabError `ERR_PROCESSOR_UNKNOWN_OPERATION`, TypeError `ERR_PROCESSOR_INVALID_TYPE`
   */
  find(name: unknown, moved: boolean): Target {
    if (name !== undefined && typeof name !== 'string') throw read.type('operation', name, 'a string');
    const native = nativeTargets?.get(name ?? ECHO);
    const found = this.#own.get(name ?? ECHO) ?? native;
    if (found === undefined) {
      const known = [...this.#own.keys(), ...(nativeTargets?.keys() ?? [])].join(', ');
      throw new NoizylabError(
        'ERR_PROCESSOR_UNKNOWN_OPERATION',
        `there is no operation ${describe(name)}; define it first, or use one of: ${known}`,
      );
    }
    if (moved && !found.hosted) {
      throw new NoizylabError(
        'ERR_PROCESSOR_UNKNOWN_OPERATION',
        `operation ${describe(name ?? ECHO)} is native and reads memory where it is: leave transferList out`,
      );
    }
    return found;
  }

  /** What runs a function or a module of `parallelMap`. Functions of one text are one operation, however many objects they are. */
  ofFunction(source: unknown): Target {
    const known = typeof source === 'function' ? this.#ofFunctions.get(source) : undefined;
    if (known !== undefined) return known;
    const name = typeof source === 'function' ? source.name : 'parallelMap';
    const text = JSON.stringify({ ...readDefinition(name, source), single: true } satisfies Definition);
    let target = this.#ofTexts.get(text);
    if (target === undefined) {
      target = this.#register(text);
      this.#ofTexts.set(text, target);
    }
    if (typeof source === 'function') this.#ofFunctions.set(source, target);
    return target;
  }

  #register(definition: string): Target {
    const { bridge, handle } = this.core;
    return { hosted: true, number: bridge.native.processorDefine(handle, definition) ?? 0 };
  }
}
