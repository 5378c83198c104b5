/** The metrics of an original broker: it tells them as text for Prometheus only. */
import type { Metrics } from './client-types';

const SAMPLE = /^ephemeral_broker_(\w+?)(?:\{(.*)\})? (\S+)$/gm;
const LABEL = /(\w+)="([^"]*)"/g;

/** What of the text the documented object can hold. It does not tell which errors there were, nor how long anything took. */
export function parseMetrics(text: string): Metrics {
  const metrics: Metrics = {
    requests: { total: 0 },
    errors: { total: 0 },
    latency: { p50: 0, p95: 0, p99: 0 },
  };
  for (const [, name, labels = '', number] of text.matchAll(SAMPLE)) {
    const value = Number(number);
    if (name === 'requests_total') metrics.requests.total = value;
    if (name !== 'operations_total') continue;
    const of = Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, label]) => [key, label]));
    const action = of['action'] ?? '';
    metrics.requests[action] = (metrics.requests[action] ?? 0) + value;
    if (of['result'] === 'error') metrics.errors.total += value;
  }
  return metrics;
}
