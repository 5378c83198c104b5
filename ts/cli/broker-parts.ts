/** The broker's part of the package, loaded by the commands that need it: the others start without it. */
import type * as Parts from '../broker';

export function brokerParts(): typeof Parts {
  // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
  return require('../broker') as typeof Parts;
}
