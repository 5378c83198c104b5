/**
 * The actors against what else a program would use, and against fixed bars. Parts by name:
 *
 *     npm run bench -- actor                      all of them
 *     npm run bench -- actor calls threads        these
 *
 * Every case has a process of its own, a new one in each round.
 */
import { runParts } from './lib/parts.mjs';

await runParts(new URL('actor/', import.meta.url), [
  'calls',
  'casts',
  'in-flight',
  'threads',
  'restarts',
  'children',
  'services',
  'memory',
]);
