/**
 * `Broker` and `Client` against what else the processes of one machine would share values by. Parts by name:
 *
 *     npm run bench -- broker                     all of them
 *     npm run bench -- broker in-flight leases    these
 *
 * Every server and every client has a process of its own, unless a part says otherwise; they talk over unix sockets.
 */
import { runParts } from './lib/parts.mjs';

await runParts(new URL('broker/', import.meta.url), [
  'sequential',
  'in-flight',
  'in-process',
  'stored',
  'leases',
  'memory',
  'blocked',
]);
