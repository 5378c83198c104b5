/** Parts that are loaded when they are needed first, so that requiring the package stays cheap. */
import type * as ArgumentsKey from './arguments-key';
import type * as Memoize from './memoize';
import type * as Shared from './shared-store';

/* oxlint-disable typescript/no-require-imports -- modules of the package, loaded late on purpose */

/** What makes memoized functions. */
export function memoizing(): typeof Memoize {
  return require('./memoize') as typeof Memoize;
}

/** What makes keys of arguments. */
export function argumentKeys(): typeof ArgumentsKey {
  return require('./arguments-key') as typeof ArgumentsKey;
}

/** What shares a cache between threads. */
export function sharing(): typeof Shared {
  return require('./shared-store') as typeof Shared;
}
