/** The operations of a processor by name: the engine's and the user's. */
import { NoizylabError } from '../errors';
import { describe } from '../options';
import type { Core } from './core';
import { type Definition, readDefinition } from './definitions';
import { read } from './options';
import type { Target } from './submission';

const ECHO = 'echo';
/** Functions of `parallelMap` that stay known when nothing uses them: those used longest ago are forgotten. */
const MOST_IDLE_FUNCTIONS = 256;
/** The engine's own, by name; the same for all processors. */
let nativeTargets: ReadonlyMap<string, Target> | undefined;

/** A function or module of `parallelMap`. */
interface MapFunction {
  readonly text: string;
  readonly target: Target;
  /** Calls that use it. */
  uses: number;
}

export class Operations {
  readonly #own = new Map<string, Target>();
  readonly #ofFunctions = new WeakMap<Function, MapFunction>();
  /** In the order of their last use. */
  readonly #ofTexts = new Map<string, MapFunction>();

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

  /**
   * Calls `run` with what runs a function or a module of `parallelMap`, which stays known until its promise is settled. Functions of
   * one text are one operation, however many objects they are.
   */
  async useFunction<T>(source: unknown, run: (target: Target) => Promise<T>): Promise<T> {
    const found = this.#functionOf(source);
    found.uses++;
    this.#ofTexts.delete(found.text);
    this.#ofTexts.set(found.text, found);
    try {
      return await run(found.target);
    } finally {
      found.uses--;
      this.#forgetIdle();
    }
  }

  #functionOf(source: unknown): MapFunction {
    const known = typeof source === 'function' ? this.#ofFunctions.get(source) : undefined;
    if (known !== undefined && this.#ofTexts.get(known.text) === known) return known;
    const name = typeof source === 'function' ? source.name : 'parallelMap';
    const text = JSON.stringify({ ...readDefinition(name, source), single: true } satisfies Definition);
    const found = this.#ofTexts.get(text) ?? { text, target: this.#register(text), uses: 0 };
    if (typeof source === 'function') this.#ofFunctions.set(source, found);
    return found;
  }

  #forgetIdle(): void {
    if (this.#ofTexts.size <= MOST_IDLE_FUNCTIONS) return;
    for (const { text, target, uses } of this.#ofTexts.values()) {
      if (uses > 0) continue;
      this.#ofTexts.delete(text);
      this.core.bridge.native.processorUndefine(this.core.handle, target.number);
      if (this.#ofTexts.size <= MOST_IDLE_FUNCTIONS) return;
    }
  }

  #register(definition: string): Target {
    const { bridge, handle } = this.core;
    return { hosted: true, number: bridge.native.processorDefine(handle, definition) ?? 0 };
  }
}
