/** Parts that are loaded when they are needed first, so that requiring the package stays cheap. */
import type * as ArgumentsKey from './arguments-key';
import type * as Memoize from './memoize';
import type * as Parts from './parts';
import type * as Shared from './shared-store';
import type * as TierParts from './tier-parts';

/* oxlint-disable typescript/no-require-imports -- modules of the package, loaded late on purpose */

/** What a cache is made of. */
export function cacheParts(): typeof Parts {
  return require('./parts') as typeof Parts;
}

/** What a cache of tiers is made of. */
export function tierParts(): typeof TierParts {
  return require('./tier-parts') as typeof TierParts;
}

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
