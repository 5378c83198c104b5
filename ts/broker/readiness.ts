/** A probe for whoever waits for a broker, such as the readiness probe of Kubernetes. */
import { Client } from './client';

const DEFAULT_TIMEOUT = 2000;

/**
 * Whether the broker at `pipe` answers; also one that is full, and takes no new keys. `false` for every error, also for a wrong secret.
 * @param pipe default: `EPHEMERAL_PIPE`
 * @param timeout milliseconds. Default: 2000
 */
export async function checkReadiness(pipe?: string, timeout = DEFAULT_TIMEOUT): Promise<boolean> {
  let client: Client | undefined;
  try {
    client = new Client(pipe, { timeout });
    return (await client.health()).ok;
  } catch {
    return false;
  } finally {
    await client?.close();
  }
}
