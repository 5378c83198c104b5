/** Errors of the operating system as Node's own modules tell them. */
import { getSystemErrorMap, getSystemErrorName } from 'node:util';

/**
 * An error with `code` and `errno`, and `path` where there is one; `undefined` where nothing is known.
 * @param system the number of a Unix, else the name by POSIX
 */
export function systemError(system: number | string | null | undefined, path?: string): Error | undefined {
  const found = systemCode(system);
  if (found === undefined) return undefined;
  const [errno, [code, words]] = found;
  const message = path === undefined ? `${code}: ${words}` : `${code}: ${words}, '${path}'`;
  return Object.assign(new Error(message), { errno, code, ...(path !== undefined && { path }) });
}

function systemCode(
  system: number | string | null | undefined,
): [errno: number, [code: string, words: string]] | undefined {
  const known = getSystemErrorMap();
  if (typeof system === 'number')
    return [-system, known.get(-system) ?? [getSystemErrorName(-system), 'unknown error']];
  return [...known].find(([, [code]]) => code === system);
}
