/**
 * Decorators of methods for both kinds of compilers: the standard ones of TC39, called with a method and its context, and the older ones
 * (`experimentalDecorators`), called with a prototype, a name and a property descriptor.
 */
import { read } from './options';

/** A method that returns a promise, as every decorated one does. */
export type AsyncMethod<This, A extends unknown[], R> = (this: This, ...args: A) => Promise<R>;

/** A decorator for methods that return a promise. */
export interface AsyncMethodDecorator {
  <This, A extends unknown[], R>(
    method: AsyncMethod<This, A, R>,
    context: ClassMethodDecoratorContext<This, AsyncMethod<This, A, R>>,
  ): AsyncMethod<This, A, R>;
  <R>(
    target: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<(...args: never[]) => Promise<R>>,
  ): void;
}

/** Any method, called with any `this`. */
export type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;

/**
 * A decorator that puts `wrap(method, name)` in the place of a method.
 * @throws (when it decorates) TypeError `ERR_CACHE_INVALID_TYPE`: what it decorates is no method
 */
export function methodDecorator(wrap: (method: AnyMethod, name: string) => AnyMethod): AsyncMethodDecorator {
  const decorator = (
    target: unknown,
    at: string | symbol | { kind: string; name: string | symbol },
    descriptor?: PropertyDescriptor,
  ): unknown => {
    const isStandard = typeof at === 'object' && at !== null;
    const method = (isStandard ? target : descriptor?.value) as AnyMethod;
    if (typeof method !== 'function' || (isStandard && at.kind !== 'method'))
      throw read.type('what is decorated', isStandard ? at.kind : at, 'a method');
    const wrapped = wrap(method, String(isStandard ? at.name : at));
    return isStandard ? wrapped : { ...descriptor, value: wrapped };
  };
  return decorator as AsyncMethodDecorator;
}
