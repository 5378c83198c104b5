/**
 * `TrillionProcessor` against what else a program would use. Parts by name:
 *
 *     npm run bench -- processor                 all of them
 *     npm run bench -- processor files numbers   these
 *
 * `map`, `memory-stream` and `bridge` are benchmarks of their own.
 */
import { runParts } from './lib/parts.mjs';

await runParts(new URL('processor/', import.meta.url), ['tiny-tasks', 'cores', 'files', 'numbers']);
