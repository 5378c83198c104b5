/**
 * The caches against what else a program would use. Parts by name:
 *
 *     npm run bench -- cache                      all of them
 *     npm run bench -- cache local hit-ratio      these
 */
import { runParts } from './lib/parts.mjs';

await runParts(new URL('cache/', import.meta.url), [
  'local',
  'accounting',
  'hit-ratio',
  'shared',
  'threads',
  'memory',
  'tiers',
  'large',
]);
