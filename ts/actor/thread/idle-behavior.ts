/**
 * A behaviour that does nothing: a worker runs it once before it says that it is ready, so that what its own server needs is loaded and compiled.
 */
import type { GenServerBehavior } from '../types';

export const idle: GenServerBehavior<undefined, unknown, unknown, unknown> = {
  init: () => undefined,
  handleCall: (message, state) => [message, state],
  handleCast(fault) {
    throw fault;
  },
};
