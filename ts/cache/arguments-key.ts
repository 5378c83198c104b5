/**
 * A string for the arguments of a call: the same for arguments of the same content, and never the same for others. Arguments whose
 * content cannot be seen whole (functions, instances of classes, errors, ...) have none.
 */
import { types } from 'node:util';
import { serialize } from 'node:v8';
import { isJson, isPlain } from '../bridge/payload';
import { typeError } from '../errors';
import { describe } from '../options';

/**
 * JSON where that is exact, else V8's own format (whose first byte begins no JSON text) as latin1.
 * @throws TypeError `ERR_CACHE_INVALID_KEY`
 */
export function argumentsKey(args: readonly unknown[]): string {
  if (isJson(args, false)) return JSON.stringify(args);
  const part = opaquePart(args);
  if (part === undefined) return serialize(args).toString('latin1');
  throw typeError(
    'ERR_CACHE_INVALID_KEY',
    `the arguments hold ${describe(part.value)}, of which no key can be made: give a keyFn`,
  );
}

/** A part of `value` that V8's format does not carry, or not whole. */
function opaquePart(value: unknown): { value: unknown } | undefined {
  const seen = new Set<unknown>();
  const open: unknown[] = [value];
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part === 'function' || typeof part === 'symbol') return { value: part };
    if (typeof part !== 'object' || part === null || seen.has(part)) continue;
    seen.add(part);
    if (types.isProxy(part)) return { value: part };
    if (isWhole(part)) continue;
    if (types.isMap(part)) for (const entry of part) open.push(...entry);
    else if (types.isSet(part)) for (const element of part) open.push(element);
    else if (Array.isArray(part) || isPlain(part))
      for (const element of Object.values(part)) open.push(element);
    else return { value: part };
  }
  return undefined;
}

/** Objects without parts that are carried whole. */
function isWhole(value: object): boolean {
  if (ArrayBuffer.isView(value)) return !types.isSharedArrayBuffer(value.buffer);
  return (
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isArrayBuffer(value) ||
    (types.isBoxedPrimitive(value) && !types.isSymbolObject(value))
  );
}
