/** What a cache is made of: loaded with the first one, so that requiring the package stays cheap. */
export { throwLater } from '../bridge/throw-later';
export { abortable } from '../parallel/abort';
export { coreClock, injectedClock } from './clock';
export { Flights } from './flights';
export { LocalStore } from './local-store';
export { sizeOf } from './size-of';
