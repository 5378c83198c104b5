/** A lease that belongs to whoever acquired it. */
import type { Granted } from './answers';
import type { Client } from './client';
import type { RequestOptions } from './client-options';
import { requestRelease, requestRenew } from './lease-requests';
import type { Link } from './link';

/** After these the lease has ended, for its connection has. */
const OVER = new Set<unknown>(['ERR_BROKER_CONNECTION_LOST', 'ERR_BROKER_CLOSED']);

/**
 * An owned lease: nobody but its owner can renew or release it, and it ends with the connection over which it was acquired, so that a
 * process that dies gives back what it held.
 */
export class Lease implements AsyncDisposable {
  readonly key: string;
  readonly workerId: string;
  /** The value of the pool that is leased, from 0. */
  readonly value: number;
  readonly #token: Buffer;
  readonly #link: Link;
  /** The connection ends with the client: a client that is forgotten must not take the lease with it. */
  readonly #client: Client;

  constructor(client: Client, link: Link, key: string, workerId: string, { value, token }: Granted) {
    this.key = key;
    this.workerId = workerId;
    this.value = value;
    this.#token = token;
    this.#link = link;
    this.#client = client;
  }

  /** The client that it was acquired by. */
  get client(): Client {
    return this.#client;
  }

  /**
   * Lets it last `ttl` milliseconds from now. Default: that of the broker.
   * @throws (as a rejection) BrokerError `ERR_BROKER_NO_LEASE`: it has ended; `ERR_BROKER_NOT_OWNER`: another's is in its place
   */
  async renew(ttl?: number, options?: RequestOptions): Promise<void> {
    await requestRenew(this.#link, this.key, this.#token, this.workerId, ttl, options);
  }

  /** Gives it back. Resolves to false where it has ended before. */
  async release(options?: RequestOptions): Promise<boolean> {
    return (await requestRelease(this.#link, this.#token, this.workerId, options)) as boolean;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!OVER.has((error as { code?: unknown }).code)) throw error;
    }
  }
}
