/** One request after another. Pipelining by itself has nothing to gather here. */
import { compareThroughput } from './throughput.mjs';

export function run() {
  return compareThroughput({
    title: 'one after another',
    loops: 1,
    clients: { noizylab: 'noizylab', original: 'original', redis: 'redis' },
    bars: { original: 1.7, redis: 1 },
  });
}
