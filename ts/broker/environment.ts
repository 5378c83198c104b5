/** Options from the environment: for those that were not given. An empty variable counts as absent. */
import { read } from './values';

/** The value of a variable as it stands. */
export function environmentText(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** @throws RangeError `ERR_BROKER_OUT_OF_RANGE`: it is not a whole number in decimal digits */
export function environmentNumber(name: string): number | undefined {
  const text = environmentText(name);
  if (text === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(text)) return Number(text);
  throw read.range(`the environment variable ${name}`, text, 'a whole number of at least 0');
}

/** @throws RangeError `ERR_BROKER_OUT_OF_RANGE`: it is none of `true`, `1`, `false`, `0` */
export function environmentFlag(name: string): boolean | undefined {
  const text = environmentText(name)?.trim().toLowerCase();
  if (text === undefined) return undefined;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw read.range(`the environment variable ${name}`, text, 'true, 1, false or 0');
}
