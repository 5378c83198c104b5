/** The requests about leases, as frames. */
import { typeError } from '../errors';
import { readFlag, readGranted, readLease, readTrue, type Granted } from './answers';
import type { RequestOptions } from './client-options';
import type { LeaseOptions } from './client-types';
import { Kind, TOKEN } from './frames';
import type { Link } from './link';
import { checkKey, checkTtl, read, Tag } from './values';

/** Stands for no token: a lease that everybody who knows the worker may renew and release. */
export const NO_TOKEN = Buffer.alloc(TOKEN);

const OWNED = 1;

/**
 * Asks for a lease.
 * @returns a promise of its value, or of what was granted where it is to be `owned`
 * @throws TypeError, RangeError, BrokerError: what is wrong with the arguments
 */
export function requestLease(
  link: Link,
  key: unknown,
  workerId: unknown,
  given: number | LeaseOptions | undefined,
  owned: boolean,
): Promise<unknown> {
  const name = owned ? 'acquire()' : 'lease()';
  if (key === undefined || key === null || key === '')
    throw typeError('ERR_BROKER_INVALID_KEY', `Key is required for ${name}`);
  checkKey(key);
  checkWorker(workerId, name);
  const options = typeof given === 'number' ? { ttl: given } : read.object('options', given);
  const ttl = checkTtl(options.ttl);
  const max = read.integer('max', options.max, 0, { min: 1, max: 2 ** 32 - 1 });
  const wait = readWait(options.wait);
  const timeout = (options.timeout ?? link.config.timeout) + (Number.isNaN(wait) ? 0 : wait);
  const slot = link.begin(Kind.lease, Tag.none, key, { signal: options.signal, timeout });
  const { writer } = link;
  writer.double(ttl);
  writer.double(wait);
  writer.uint32(max);
  writer.byte(owned ? OWNED : 0);
  writer.text(workerId);
  if (owned) {
    // Granted to somebody who has gone: nobody else could release it.
    slot.late = (tag, bytes, from, to) => {
      const { token } = readGranted(tag, bytes, from, to, slot) as Granted;
      releaseLater(link, token, workerId);
    };
  }
  return link.end(slot, owned ? readGranted : readLease);
}

/** @returns a promise of whether there was something to release */
export function requestRelease(
  link: Link,
  token: Uint8Array,
  workerId: unknown,
  options?: RequestOptions,
): Promise<unknown> {
  checkWorker(workerId, 'release()');
  const slot = link.begin(Kind.release, Tag.none, '', options);
  link.writer.raw(token);
  link.writer.text(workerId);
  return link.end(slot, readFlag);
}

/** @param key `''`: whatever the worker leases */
export function requestRenew(
  link: Link,
  key: string,
  token: Uint8Array,
  workerId: unknown,
  ttl: unknown,
  options?: RequestOptions,
): Promise<unknown> {
  checkWorker(workerId, 'renew()');
  const time = checkTtl(ttl);
  const slot = link.begin(Kind.renew, Tag.none, key, options);
  link.writer.double(time);
  link.writer.raw(token);
  link.writer.text(workerId);
  return link.end(slot, readTrue);
}

function checkWorker(workerId: unknown, name: string): asserts workerId is string {
  if (workerId === undefined || workerId === null || workerId === '')
    throw typeError('ERR_BROKER_WORKER_REQUIRED', `Worker ID is required for ${name}`);
  if (typeof workerId !== 'string' || !workerId.isWellFormed())
    throw read.type('workerId', workerId, 'a string of well-formed text');
}

/** Milliseconds; NaN: do not wait. */
function readWait(given: unknown): number {
  if (given === undefined || given === false) return NaN;
  if (given === true) return Infinity;
  return read.number('wait', given, 0, { min: 0, orInfinity: true });
}

function releaseLater(link: Link, token: Uint8Array, workerId: string): void {
  // The link is reading answers: what it writes to may be what it reads.
  Promise.resolve()
    .then(() => requestRelease(link, token, workerId))
    // With the connection or the client, the lease has ended as well.
    .catch(() => undefined);
}
