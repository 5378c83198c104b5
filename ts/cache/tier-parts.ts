/** What a cache of tiers is made of: loaded with the first one, so that requiring the package stays cheap. */
export { abortable } from '../parallel/abort';
export { throwAny } from './failures';
export { Flights } from './flights';
export { EVERY_KEY } from './key-order';
export { accessTo } from './tier-access';
export { TierStack } from './tier-stack';
