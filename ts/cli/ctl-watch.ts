/** `noizylab ctl watch`: changes of keys as lines of JSON, for as long as somebody wants them. */
import { once } from 'node:events';
import type { Client } from '../broker';

/**
 * Prints events until `signal` is aborted or nobody reads the output any more. A reader that is slow for long makes the
 * broker drop the watch: an error, so that no event is lost without a word.
 */
export async function printEvents(client: Client, prefix: string, signal: AbortSignal): Promise<undefined> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  signal.addEventListener('abort', end);
  // The reader has gone (`| head`).
  process.stdout.once('error', end);
  try {
    for await (const event of client.watch(prefix, { signal: ended.signal })) {
      if (!process.stdout.write(`${JSON.stringify(event)}\n`))
        await once(process.stdout, 'drain', { signal: ended.signal });
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', end);
    process.stdout.off('error', end);
  }
}
