/** 50 loops in one client, each of which makes one request after another. */
import { compareThroughput } from './throughput.mjs';

export function run() {
  return compareThroughput({
    title: 'with 50 in flight',
    loops: 50,
    clients: { noizylab: 'noizylab', original: 'original', redis: 'redis', pipelining: 'redis' },
    bars: { original: 10, redis: 1.5, pipelining: 1.5 },
  });
}
