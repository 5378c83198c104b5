/**
 * For the tests of programs that use actors: `@noizylab/core/actor/testing`.
 */
import { allProcesses, type Process } from './processes';
import { runReset } from './resets';

/**
 * Makes this thread as it was before the first actor: ends all its processes at once, removes listeners, names, monitors, links and timers, and counts ids from 1 again. A
 * server whose `init` is under way does not start: its `start` rejects. A call whose handler is under way rejects with `ServerNotRunningError`, and what such a
 * handler throws later is told to nobody.
 */
export function reset(): void {
  runReset(() => {
    // A supervisor ends its children; ended before it, they would be restarted.
    killAll('supervisor');
    killAll('server');
  });
}

function killAll(kind: Process['kind']): void {
  for (const process of allProcesses()) if (process.kind === kind) process.kill('shutdown');
}
