/** A computation that this client runs for all who ask for a missing value. */
import { encodeError } from '../bridge/wire-error';
import { toError } from '../cache/thrown';
import { readTrue } from './answers';
import { Kind } from './frames';
import type { Link } from './link';
import { State, type Slot } from './pending';
import { encode, Tag, tagOf, type Encoded } from './values';

const STORE = 1;
const DROP = 0;

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
    let value: T;
    let tag: number;
    let encoded: Encoded;
    try {
      value = await compute(this.key);
      tag = tagOf(value);
      encoded = encode(value, tag);
    } catch (error) {
      // The caller is told in any case; the others, if they can be.
      if (this.#isExpected())
        await this.#land(Tag.error, encodeError(toError(error), undefined), DROP).catch(() => undefined);
      throw error;
    }
    // Where the connection was lost, the next in line computes already; this value is as good.
    await (this.#isExpected() ? this.#land(tag, encoded, STORE) : this.#set(tag, encoded));
    return value;
  }

  #isExpected(): boolean {
    return this.slot.number === this.number && this.slot.state === State.lasting;
  }

  #land(tag: number, encoded: Encoded, flags: number): Promise<unknown> {
    const { link, slot } = this;
    const landing = link.begin(Kind.land, tag, this.key, undefined);
    const { writer } = link;
    writer.uint32(this.number);
    writer.double(this.ttl);
    writer.byte(flags);
    writer.encoded(encoded);
    const landed = link.end(landing, readTrue);
    link.landed(slot);
    return landed;
  }

  #set(tag: number, encoded: Encoded): Promise<unknown> {
    const { link } = this;
    const slot = link.begin(Kind.set, tag, this.key, undefined);
    link.writer.double(this.ttl);
    link.writer.encoded(encoded);
    return link.end(slot, readTrue);
  }
}
