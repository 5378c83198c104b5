/** A computation that this client runs for all who ask for a missing value. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { encodeError, isError } from '../bridge/wire-error';
import { toError } from '../cache/thrown';
import { NoizylabError } from '../errors';
import { readFlag, readTrue } from './answers';
import { BrokerError } from './errors';
import { Kind } from './frames';
import type { Link } from './link';
import { State, type Slot } from './pending';
import { encode, Tag, tagOf, type Encoded } from './values';

const STORE = 1;
const DROP = 0;
/** An error that is longer, as text on the wire, is told in short. */
const LONGEST_ERROR = 16 * 1024;
const LONGEST_MESSAGE = 1024;

/** A computation that runs, and the one that it runs in. */
interface Running {
  readonly pipe: string;
  readonly key: string;
  readonly outer: Running | undefined;
}

/** The computations that the code which runs now is a part of. */
const running = new AsyncLocalStorage<Running>();

/** @throws NoizylabError `ERR_BROKER_RECURSION`: the value of this key is being computed by who asks for it now */
export function refuseRecursion(pipe: string, key: string): void {
  for (let one = running.getStore(); one !== undefined; one = one.outer) {
    if (one.key === key && one.pipe === pipe)
      throw new NoizylabError(
        'ERR_BROKER_RECURSION',
        `the computation of '${key}' asks for the value of '${key}': it would wait for itself`,
      );
  }
}

/** What the broker has asked this client to compute. */
export class Flight {
  /**
   * @param ttl as it travels
   * @param slot the request that asked for the value
   * @param number its number, under which the broker expects the outcome
   */
  constructor(
    private readonly link: Link,
    private readonly key: string,
    private readonly ttl: number,
    private readonly slot: Slot,
    private readonly number: number,
  ) {}

  /** Computes the value and tells the broker, and by it all who wait. Rejects with what `compute` throws. */
  async run<T>(compute: (key: string) => T | PromiseLike<T>): Promise<T> {
    const { key, link } = this;
    let value: T;
    let tag: number;
    let encoded: Encoded;
    try {
      const here = { pipe: link.pipe, key, outer: running.getStore() };
      value = await running.run(here, () => compute(key));
      tag = tagOf(value);
      encoded = encode(value, tag);
    } catch (error) {
      // The caller is told in any case; the others, if they can be.
      if (this.#isExpected()) await this.#fail(error);
      throw error;
    }
    // Where the connection was lost, the next in line computes already; this value is as good.
    if (this.#isExpected()) await this.#succeed(tag, encoded);
    else await this.#offer(tag, encoded);
    return value;
  }

  #isExpected(): boolean {
    return this.slot.number === this.number && this.slot.state === State.lasting;
  }

  async #succeed(tag: number, encoded: Encoded): Promise<void> {
    try {
      await this.#land(tag, encoded, STORE);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_BROKER_CONNECTION_LOST') {
        await this.#offer(tag, encoded);
        return;
      }
      // It may have been refused before it left: then the others wait still.
      await this.#fail(error);
      throw error;
    }
    this.#landed();
  }

  /** Tells those who wait that there will be no value; where that cannot be told, the next one computes. */
  async #fail(error: unknown): Promise<void> {
    try {
      await this.#land(Tag.error, told(error), DROP);
    } catch (failure) {
      // The broker's own word: it expects nothing any more.
      if (!(failure instanceof BrokerError) && this.#isExpected()) this.link.withdraw(this.slot, failure);
    }
    this.#landed();
  }

  #landed(): void {
    if (this.#isExpected()) this.link.landed(this.slot);
  }

  #land(tag: number, encoded: Encoded, flags: number): Promise<unknown> {
    const { link } = this;
    const landing = link.begin(Kind.land, tag, this.key, undefined);
    const { writer } = link;
    writer.uint32(this.number);
    writer.double(this.ttl);
    writer.byte(flags);
    writer.encoded(encoded);
    return link.end(landing, readTrue);
  }

  /** Stores the value, unless there is one meanwhile. */
  #offer(tag: number, encoded: Encoded): Promise<unknown> {
    const { link } = this;
    const slot = link.begin(Kind.cas, tag, this.key, undefined);
    const { writer } = link;
    writer.double(this.ttl);
    writer.byte(Tag.none);
    writer.counted('');
    writer.encoded(encoded);
    return link.end(slot, readFlag);
  }
}

/** An error as it travels to those who wait. */
function told(error: unknown): string {
  const text = encodeError(toError(error), undefined);
  if (text.length <= LONGEST_ERROR) return text;
  const message = isError(error) ? error.message : 'the computation threw what is too long to be told';
  return encodeError(new Error(message.slice(0, LONGEST_MESSAGE)), undefined);
}
